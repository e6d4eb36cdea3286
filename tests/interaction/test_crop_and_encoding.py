"""The crop around prompts, what a network sees of it, and what robots make of a training sample."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lesslabel.data.case import IGNORE, Kind
from lesslabel.errors import ConfigError
from lesslabel.interaction import (
    CUES,
    Box,
    Click,
    CutLine,
    InteriorMarginPoints,
    Polygon,
    Scribble,
    Side,
    geodesic_distance,
)
from lesslabel.interaction.crop import Crop
from lesslabel.interaction.encoding import CueMap, Encoding, clicks_of, cues_of_sides, unit_range
from lesslabel.interaction.guidance import Guidance
from lesslabel.interaction.placed import PlacedPrompts
from lesslabel.interaction.robots import CentreEdgeRobot, ErrorCentreRobot, InteriorMarginRobot, RandomClicksRobot
from lesslabel.interaction.training_objects import LEAST_VOXELS, TrainingObjects

SHAPE = (40, 60)
SIZE = (16, 24)


def whole(shape, size):
    return Crop(tuple(slice(0, length) for length in shape), shape, size)


def disk(shape=SHAPE, centre=(20, 30), radius=9):
    return sum((axis - middle) ** 2 for axis, middle in zip(np.indices(shape), centre, strict=True)) <= radius**2


def test_the_box_of_locating_prompts_is_grown_by_the_margin_and_ends_with_the_image():
    points = InteriorMarginPoints(((10.0, 20.0), (30.0, 25.0), (20.0, 57.0)))
    crop = Crop.around([points, Click((2.0, 2.0), Side.BACKGROUND)], SHAPE, SIZE, (1.0, 1.0), 5)
    assert crop.window == (slice(5, 36), slice(15, 60))


def test_the_margin_is_in_voxels_of_the_finest_axis():
    points = InteriorMarginPoints(((10.0, 20.0), (12.0, 30.0)))
    crop = Crop.around([points], SHAPE, SIZE, (4.0, 1.0), 6)
    assert crop.window == (slice(8, 15), slice(14, 37))  # 6 voxels of 1 mm are 1.5 voxels of 4 mm, rounded up


def test_a_margin_along_an_axis_of_one_voxel_is_nothing():
    crop = Crop.around([Box((0.0, 5.0, 5.0), (0.0, 9.0, 9.0))], (1, 20, 20), (1, 8, 8), (0.1, 1.0, 1.0), 2)
    assert crop.window == (slice(0, 1), slice(3, 12), slice(3, 12))


def test_strokes_reach_out_by_half_their_length_and_a_single_click_to_the_whole_image():
    stroke = Scribble((((20.0, 20.0), (20.0, 40.0)),), Side.FOREGROUND)
    assert Crop.around([stroke], SHAPE, SIZE, (1.0, 1.0), 2).window == (slice(18, 23), slice(10, 51))
    click = Crop.around([Click((20.0, 20.0))], SHAPE, SIZE, (1.0, 1.0), 2)
    assert click.window == (slice(0, 40), slice(0, 60))


def test_a_crop_is_widened_to_hold_a_far_position():
    crop = Crop((slice(10, 20), slice(10, 20)), SHAPE, SIZE)
    assert crop.holds(np.array([[19.0, 9.5]]))
    assert not crop.holds(np.array([[19.5, 12.0]]))  # halves go up: its voxel is 20
    assert crop.holds(np.array([[19.4, 12.0]]))
    assert crop.widened(np.array([[25.0, 3.0]])).window == (slice(10, 26), slice(3, 20))


def test_on_its_own_grid_a_crop_is_the_image_and_back():
    image = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    crop = whole(SHAPE, SHAPE)
    assert torch.equal(crop.image_to_grid(image), image)
    np.testing.assert_array_equal(crop.paste(image[0]), image[0].numpy())


@pytest.mark.parametrize(
    ("shape", "size"), [((40, 60), (20, 30)), ((6, 10, 12), (6, 20, 24)), ((6, 10, 12), (3, 5, 6))]
)
def test_a_constant_stays_constant_and_outside_the_box_all_is_zero(shape, size):
    crop = Crop(tuple(slice(1, length - 1) for length in shape), shape, size)
    assert torch.allclose(crop.image_to_grid(torch.full((1, *shape), 3.0)), torch.tensor(3.0))
    pasted = crop.paste(torch.ones(size))
    inside = np.zeros(shape, bool)
    inside[crop.window] = True
    np.testing.assert_allclose(pasted, inside, atol=1e-6)


def test_the_spacing_of_the_grid_keeps_the_field_of_view():
    crop = Crop((slice(4, 24), slice(0, 60)), SHAPE, SIZE)
    assert crop.spacing_of_grid((2.0, 1.0)) == (2.0 * 20 / 16, 1.0 * 60 / 24)


@given(st.data())
@settings(max_examples=60)
def test_a_seed_falls_into_the_voxel_of_the_grid_that_holds_its_centre(data):
    start, length, side = data.draw(st.tuples(st.integers(0, 20), st.integers(1, 30), st.integers(1, 40)))
    voxel = data.draw(st.integers(start, start + length - 1))
    seeds = np.zeros((1, 60), bool)
    seeds[0, voxel] = True
    grid = Crop((slice(0, 1), slice(start, start + length)), (1, 60), (1, side)).seeds_to_grid(seeds)
    (placed,) = np.flatnonzero(grid)
    low, high = placed * length / side, (placed + 1) * length / side
    assert low - 1e-9 <= voxel - start + 0.5 <= high + 1e-9


def test_labels_are_cut_without_making_new_ones():
    labels = np.where(disk(), 1, 0).astype(np.uint8)
    labels[:, :3] = IGNORE
    cut = Crop((slice(5, 35), slice(0, 50)), SHAPE, SIZE).labels_to_grid(labels)
    assert cut.shape == SIZE
    assert set(np.unique(cut)) == {0, 1, IGNORE}


# encoding -------------------------------------------------------------------------------------------------------


def test_the_range_of_each_channel_becomes_0_to_1():
    image = torch.tensor([[[2.0, 4.0, 6.0]], [[5.0, 5.0, 5.0]]])
    assert unit_range(image).tolist() == [[[0.0, 0.5, 1.0]], [[0.0, 0.0, 0.0]]]


@pytest.mark.parametrize("cue", [*CUES, "none"])
@pytest.mark.parametrize(("shape", "size"), [((40, 60), (16, 24)), ((8, 20, 24), (6, 12, 16))])
def test_an_object_is_encoded_on_the_grid(cue, shape, size):
    image = torch.rand(2, *shape, generator=torch.Generator().manual_seed(1)) * 900 - 400
    centre = tuple(length / 2 for length in shape)
    prompts = [Box((2.0,) * len(shape), tuple(length - 3.0 for length in shape)), Click(centre)]
    encoding = Encoding(size, cues_of_sides(cue, (Side.FOREGROUND, Side.BACKGROUND)), 1.0)
    crop = encoding.crop(prompts, shape, (1.0,) * len(shape))
    encoded = encoding.encode(image, (1.0,) * len(shape), Guidance(shape, prompts), crop)
    assert encoded.image.shape == (2, *size)
    assert encoded.image.amin() == 0
    assert encoded.image.amax() == 1
    assert encoded.cues.shape == (0 if cue == "none" else 2, *size) == (encoding.channels, *size)
    assert encoded.placed.seeds.foreground.sum() == 1
    if cue != "none":
        at_click = encoded.cues[0][torch.from_numpy(encoded.placed.seeds.foreground)]
        assert at_click == (0 if cue == "gaussian_geodesic" else 1)


def test_a_cue_is_that_of_the_crop():
    image = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(2))
    prompts = [InteriorMarginPoints(((15.0, 20.0), (25.0, 30.0), (20.0, 40.0)))]
    encoding = Encoding(SIZE, cues_of_sides("gaussian_geodesic", [Side.FOREGROUND]), 3.0)
    crop = encoding.crop(prompts, SHAPE, (1.0, 2.0))
    encoded = encoding.encode(image, (1.0, 2.0), Guidance(SHAPE, prompts), crop)
    expected = geodesic_distance(encoded.image.numpy(), encoded.placed.seeds.foreground, encoded.spacing_mm)
    np.testing.assert_array_equal(encoded.cues[0].numpy(), expected)


def test_a_cue_in_space_measures_on_the_grid():
    """Twice as many columns as rows in the image, as many on the grid: its voxels are 1 mm by 2 mm."""
    prompts = [Box((0.0, 0.0), (19.0, 39.0)), Click((10.0, 20.0))]
    encoded = Encoding((20, 20), cues_of_sides("gaussian", [Side.FOREGROUND]), 0.0).encode(
        torch.rand(1, 20, 40), (1.0, 1.0), Guidance((20, 40), prompts), whole((20, 40), (20, 20))
    )
    grid = np.indices((20, 20)) - np.array([10, 10]).reshape(2, 1, 1)
    expected = np.exp(-(grid[0] ** 2 + (2 * grid[1]) ** 2) / (2 * 9.0**2))
    np.testing.assert_allclose(encoded.cues[0].numpy(), expected, rtol=1e-5)


def test_drawn_seeds_are_thinned_and_points_stay():
    stroke = Scribble((((5.0, 0.0), (5.0, 39.0)),), Side.BACKGROUND)
    clicks = [Click((5.0, float(x)), Side.BACKGROUND) for x in (10, 11, 12)] + [Click((15.0, 20.0))]
    box = Box((2.0, 0.0), (19.0, 39.0))
    crop = whole((20, 40), (20, 40))
    guidance = Guidance((20, 40), [box, stroke, *clicks])
    full = PlacedPrompts.of(guidance, crop, ()).seeds
    for most in (1, 3, 8, 500):
        few = PlacedPrompts.of(guidance, crop, (), most).seeds
        assert few.background.sum() == min(max(most, 3), 120)
        assert few.background[5, [10, 11, 12]].all()
        assert not (few.background & ~full.background).any()
        np.testing.assert_array_equal(few.foreground, full.foreground)
    # what was clicked and drawn over is no longer what the click said
    over = Guidance((20, 40), [*clicks, Scribble((((5.0, 0.0), (5.0, 39.0)),), Side.FOREGROUND)])
    assert not PlacedPrompts.of(over, crop, (), most).seeds.background.any()


def test_clicks_are_classes_and_foreground_wins_a_shared_voxel():
    prompts = [Click((10.0, 10.0)), Click((10.0, 11.0), Side.BACKGROUND), Click((39.0, 59.0), Side.BACKGROUND)]
    clicks = clicks_of(PlacedPrompts.of(Guidance(SHAPE, prompts), whole(SHAPE, (4, 6)), ()))
    assert clicks[1, 1] == 1
    assert clicks[3, 5] == 0
    assert (clicks == IGNORE).sum() == 22


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (((16,),), "size_voxel"),
        (((16, 0),), "size_voxel"),
        (((16, 16), (), -1.0), "margin_voxel"),
        (((16, 16), (), float("nan")), "margin_voxel"),
        (((16, 16), (), 0.0, "crop"), "field"),
        (((16, 16), (), 0.0, "object", 0), "most_seeds"),
    ],
)
def test_an_encoding_that_makes_no_sense_is_refused(arguments, named):
    with pytest.raises(ConfigError, match=named):
        Encoding(*arguments)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("middle",), "role: 'middle'"),
        (("foreground", "egd"), "egd"),
        (("foreground", "disk", 0.0), "scale"),
        (("foreground", "mask", 3.0), "mask of foreground has none"),
        (("previous", "disk", 3.0), "of previous has none"),
        (("line", "gaussian_geodesic", 3.0), "has none"),
    ],
)
def test_a_map_that_makes_no_sense_is_refused(arguments, named):
    with pytest.raises(ConfigError, match=named):
        CueMap(*arguments)


def test_every_role_has_its_own_map_and_scale():
    prompts = [
        Polygon(((5.0, 5.0), (5.0, 50.0), (35.0, 50.0), (35.0, 5.0))),
        Click((20.0, 10.0), Side.BACKGROUND),
        Click((20.0, 20.0)),
        Click((20.0, 30.0)),
        Click((12.0, 25.0), Side.BOUNDARY),
        CutLine((10.0, 40.0), (30.0, 40.0)),
    ]
    roles = ("foreground", "background", "boundary", "first_click", "line")
    maps = tuple(CueMap(role, "disk", radius) for radius, role in enumerate(roles, start=1))
    encoding = Encoding(None, (*maps, CueMap("region", "mask"), CueMap("previous")), field="image")
    crop = encoding.crop(prompts, SHAPE, (1.0, 1.0))
    assert crop.size == SHAPE
    previous = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    image = torch.rand(1, *SHAPE)
    cues = encoding.encode(image, (1.0, 1.0), Guidance(SHAPE, prompts), crop, previous).cues.numpy()

    def near(radius, *voxels):
        return np.logical_or.reduce([disk(centre=voxel, radius=radius) for voxel in voxels])

    np.testing.assert_array_equal(cues[0] > 0, near(1, (20, 20), (20, 30)))
    assert cues[1][20, 10] == 1
    assert cues[1][5 - 3, 30] == 1  # and all that lies outside the polygon
    np.testing.assert_array_equal(cues[2] > 0, near(3, (12, 25)))
    np.testing.assert_array_equal(cues[3] > 0, near(4, (20, 20)))
    np.testing.assert_array_equal(cues[4] > 0, near(5, *((row, 40) for row in range(10, 31))))
    np.testing.assert_array_equal(cues[5], prompts[0].inside(SHAPE))
    np.testing.assert_array_equal(cues[6], previous)
    assert not encoding.encode(image, (1.0, 1.0), Guidance(SHAPE), crop).cues.any()
    assert encoding.channels == 7
    assert encoding.channel("first_click") == 3
    with pytest.raises(ConfigError, match="none of role line; there are foreground"):
        Encoding(None, maps[:1]).channel("line")


@given(st.data())
@settings(max_examples=40)
def test_guidance_that_is_extended_is_that_of_all_prompts_at_once(data):
    position = st.tuples(st.integers(0, 11), st.integers(0, 13))
    side = st.sampled_from(Side)
    prompt = (
        st.builds(Click, position, side)
        | st.builds(lambda stroke, side: Scribble((stroke,), side), st.lists(position, min_size=1, max_size=3), side)
        | st.builds(lambda low: Box(low, (11, 13)), position)
    )
    turns = data.draw(st.lists(st.lists(prompt, max_size=3), max_size=4))
    grown = Guidance((12, 14))
    for turn in turns:
        grown = grown.extended(turn)
    whole_ = Guidance((12, 14), [prompt for turn in turns for prompt in turn])
    assert grown.prompts == whole_.prompts
    for name in ("foreground", "background", "boundary"):
        np.testing.assert_array_equal(getattr(grown.seeds, name), getattr(whole_.seeds, name))
        np.testing.assert_array_equal(getattr(grown.points, name), getattr(whole_.points, name))
    for name in ("first_click", "line", "region"):
        np.testing.assert_array_equal(getattr(grown, name), getattr(whole_, name))
    # on a grid that is the image's, further prompts are marked as on the image
    crop, roles = whole((12, 14), (12, 14)), ("first_click", "line", "region")
    placed = PlacedPrompts.of(Guidance((12, 14)), crop, roles)
    for turn in turns:
        placed = placed.extended(turn)
    for name in ("first_click", "line", "region"):
        np.testing.assert_array_equal(placed.marked(name), getattr(whole_, name))
    np.testing.assert_array_equal(placed.marked("foreground"), whole_.seeds.foreground)


def test_a_box_around_a_click_stays_in_the_image_and_keeps_its_size():
    assert Crop.centred((20.0, 30.0), (5, 5), SHAPE).window == (slice(18, 23), slice(28, 33))
    assert Crop.centred((0.0, 59.0), (10, 10), SHAPE, (4, 4)).window == (slice(0, 10), slice(50, 60))
    assert Crop.centred((3.0, 3.0), (100, 10), SHAPE).size == (40, 10)
    native = Crop.centred((20.0, 30.0), (5, 5), SHAPE)
    assert native.widened(np.array([[30.0, 30.0]])).size == (13, 5)


# training objects -----------------------------------------------------------------------------------------------


def objects(robot=None, later=None, jitter=0.0, size=SIZE):
    maps = cues_of_sides("exponential_geodesic", (Side.FOREGROUND, Side.BACKGROUND))
    return TrainingObjects(Encoding(size, maps, 5.0), robot or InteriorMarginRobot(), later, jitter)


def labels_of_two():
    labels = np.where(disk(centre=(12, 15), radius=6), 1, 0).astype(np.uint8)
    labels[disk(centre=(26, 45), radius=8)] = 2
    return labels


def test_later_clicks_keep_away_from_the_first():
    scenes = []

    class Listening(RandomClicksRobot):
        def respond(self, scene, rng):
            scenes.append(scene)
            return super().respond(scene, rng)

    later = Listening((1, 3), (0, 0), (1.0,), positive_apart_voxel=(2.0,))
    image = torch.zeros(1, *SHAPE)
    objects(ErrorCentreRobot(), later).make(image, labels_of_two(), "a", (1.0, 1.0), np.random.default_rng(0))
    ((first,),) = (scene.earlier for scene in scenes)
    assert first.position in {(12.0, 15.0), (26.0, 45.0)}


@pytest.mark.parametrize("robot", [InteriorMarginRobot(), CentreEdgeRobot()], ids=lambda robot: robot.name)
def test_a_sample_is_one_object_that_its_prompts_point_at(robot):
    image = torch.from_numpy(labels_of_two()[None].astype(np.float32)) * 100
    seen = set()
    for seed in range(20):
        sample = objects(robot).make(image, labels_of_two(), "a", (1.0, 1.0), np.random.default_rng(seed))
        target = sample["target"]
        assert sample["kind"] == int(Kind.DENSE)
        assert sample["annotated_labels"].tolist() == [True, True]
        assert set(target.unique().tolist()) == {0, 1}
        clicks = sample["clicks"]
        assert (clicks != IGNORE).any()
        assert (target[clicks == 1] == 1).float().mean() > 0.7  # a shrunken grid may round a margin point away
        assert (clicks == 0).any() == (robot.name == "centre-edge-points")
        seen.add(round(float(target.float().mean()), 2))
    assert len(seen) > 1  # both objects come up


def test_a_sample_is_a_function_of_the_generator():
    image = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(3))
    maker = objects(later=RandomClicksRobot(positive=(0, 3), negative=(0, 3)), jitter=8.0)
    first, again, other = (
        maker.make(image, labels_of_two(), "a", (1.0, 1.0), np.random.default_rng(seed)) for seed in (5, 5, 6)
    )
    assert all(torch.equal(first[key], again[key]) for key in ("image", "target", "cues", "clicks"))
    assert not torch.equal(first["image"], other["image"])


def test_both_robots_are_told_the_spacing_and_both_are_heard():
    scales = []

    class Noting(InteriorMarginRobot):
        def respond(self, scene, rng):
            scales.append(scene.scale.tolist())
            return super().respond(scene, rng)

    class Outside(RandomClicksRobot):
        def respond(self, scene, rng):  # noqa: ARG002  the interface
            scales.append(scene.scale.tolist())
            return (Click((0.0, 0.0), Side.BACKGROUND),)

    labels = np.where(disk(radius=19), 1, 0).astype(np.uint8)
    training = objects(Noting(), Outside(), jitter=60.0)
    sample = training.make(torch.rand(1, *SHAPE), labels, "a", (3.0, 1.0), np.random.default_rng(0))
    assert scales == [[3.0, 1.0]] * 2
    assert (sample["clicks"] == 0).sum() == 1


def test_unknown_voxels_stay_unknown_and_are_no_object():
    labels = np.where(disk(), 1, 0).astype(np.uint8)
    labels[:, 35:] = IGNORE
    sample = objects().make(torch.rand(1, *SHAPE), labels, "a", (1.0, 1.0), np.random.default_rng(0))
    assert set(sample["target"].unique().tolist()) == {0, 1, IGNORE}


def test_without_an_object_a_sample_is_unlabelled():
    labels = np.zeros(SHAPE, np.uint8)
    labels[0, : LEAST_VOXELS - 1] = 1  # too small to point at
    sample = objects().make(torch.rand(1, *SHAPE), labels, "a", (1.0, 1.0), np.random.default_rng(0))
    assert sample["kind"] == int(Kind.NONE)
    assert (sample["target"] == IGNORE).all()
    assert (sample["clicks"] == IGNORE).all()
    assert not sample["cues"].any()


def test_a_slice_without_an_object_is_exchanged_for_one_of_its_case_that_has_one():
    labels = np.zeros((5, *SHAPE), np.uint8)
    labels[2], labels[4] = labels_of_two(), labels_of_two()
    rng = np.random.default_rng(0)
    assert objects().slice_of(labels, 4, rng) == 4
    assert {objects().slice_of(labels, 0, rng) for _ in range(20)} == {2, 4}
    assert objects().slice_of(np.zeros((5, *SHAPE), np.uint8), 3, rng) == 3


def test_the_weight_of_a_cue_narrows_it():
    image = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(4))
    prompts = [Click((20.0, 30.0))]
    maps = []
    for weight in (1.0, 20.0):
        encoding = Encoding(SIZE, cues_of_sides("exponential_geodesic", [Side.FOREGROUND], weight), 3.0)
        maps.append(encoding.encode(image, (1.0, 1.0), Guidance(SHAPE, prompts), whole(SHAPE, SIZE)).cues[0])
    near = maps[1] > 0.05
    assert near.sum() > 1
    assert torch.allclose(maps[0][near] ** 20, maps[1][near], atol=1e-4)
    with pytest.raises(ConfigError, match="scale"):
        cues_of_sides("exponential_geodesic", [Side.FOREGROUND], 0.0)
