"""What every robot promises: a new one is tested here as soon as it is in `ROBOTS`. Then what each of them does."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from annotated_masks import Mask, ball, blob_masks, block, scenes
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from lesslabel.errors import ConfigError, DataError
from lesslabel.interaction.prompts import PROMPTS, Box, Click, Prompt, Scribble, Side, prompt_from_json, rasterise
from lesslabel.interaction.robots import (
    ROBOTS,
    BoundaryClickRobot,
    BoxRobot,
    CentreEdgeRobot,
    CutLineRobot,
    ErrorCentreRobot,
    ExtremePointsRobot,
    InteriorMarginRobot,
    PolygonRobot,
    RandomClicksRobot,
    ScribbleRobot,
    read_medscribble,
)
from lesslabel.interaction.robots.any_prompt import AnyPromptRobot
from lesslabel.interaction.robots.base import Robot
from lesslabel.interaction.robots.enclosures import loosening_voxel
from lesslabel.interaction.robots.margin_points import _moved_inward
from lesslabel.interaction.robots.scene import Scene
from lesslabel.interaction.robots.shapes import depth

NAMES = list(ROBOTS)
OF_THE_ERROR = ["error-centre", "deepest-error", "random-clicks", "scribble", "cut-line"]
OF_THE_EDGE = ["boundary-click", "boundary-scribble", "boundary-scatter"]
OF_THE_OBJECT = [name for name in NAMES if name not in [*OF_THE_ERROR, *OF_THE_EDGE, "repair"]]
SHAPES = blob_masks()
REAL_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def edge_band(truth: Mask) -> Mask:
    """Voxels with a neighbour on the other side, and those of the object at the border of the image."""
    padded = np.pad(truth, 1)
    faces = ndimage.generate_binary_structure(truth.ndim, 1)
    band = ndimage.binary_dilation(padded, faces) & ~ndimage.binary_erosion(padded, faces)
    return band[(slice(1, -1),) * truth.ndim]


def assert_on_the_right_side(prompts: tuple[Prompt, ...], truth: Mask) -> None:
    seeds = rasterise(prompts, truth.shape)
    assert not (seeds.foreground & ~truth).any()
    assert not (seeds.background & truth).any()
    assert not (seeds.boundary & ~edge_band(truth)).any()


def voxel_of(click: Click) -> tuple[int, ...]:
    return tuple(int(c) for c in click.position)


# What every robot promises


def test_names_are_those_of_the_registry() -> None:
    assert {name: robot.name for name, robot in ROBOTS.items()} == {name: name for name in ROBOTS}


def test_every_robot_that_is_written_is_in_the_registry() -> None:
    def kinds(kind: type[Robot]) -> set[type[Robot]]:
        return {kind, *(deeper for below in kind.__subclasses__() for deeper in kinds(below))}

    shipped = {kind for kind in kinds(Robot) if kind.__module__.startswith("lesslabel.") and hasattr(kind, "name")}
    assert shipped - {AnyPromptRobot} == set(ROBOTS.values())  # it mixes the others for training, and has no name there


def test_there_is_a_robot_for_every_prompt() -> None:
    prompts = [ROBOTS[name]().annotate(SHAPES["disc"], rng()) for name in NAMES]
    assert {prompt.name for answers in prompts for prompt in answers} == set(PROMPTS)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30)
@given(scene=scenes(), jitter_voxel=st.sampled_from([0.0, 2.0]), seed=st.integers(0, 9))
def test_answers_fit_any_scene_and_can_be_replayed(
    name: str, scene: tuple[Mask, Mask | None, tuple[float, ...]], jitter_voxel: float, seed: int
) -> None:
    truth, prediction, spacing_mm = scene
    robot = ROBOTS[name](jitter_voxel=jitter_voxel)
    before = (truth.copy(), None if prediction is None else prediction.copy())
    answers = robot.annotate(truth, rng(seed), prediction=prediction, spacing_mm=spacing_mm)

    again = ROBOTS[name](jitter_voxel=jitter_voxel).annotate(
        truth, rng(seed), prediction=prediction, spacing_mm=spacing_mm
    )
    assert again == answers
    assert tuple(prompt_from_json(json.loads(json.dumps(prompt.to_json()))) for prompt in answers) == answers
    np.testing.assert_array_equal(truth, before[0])
    if prediction is not None:
        np.testing.assert_array_equal(prediction, before[1])

    assert_on_the_right_side(answers, truth)
    seeds = rasterise(answers, truth.shape)
    segmented = np.zeros_like(truth) if prediction is None else prediction
    if name in OF_THE_OBJECT:
        assert len(answers) == truth.any()
    elif name in OF_THE_ERROR and prediction is not None:
        assert not (seeds.foreground & segmented).any()
        assert not (seeds.background & ~segmented).any()
    if name in ("error-centre", "deepest-error", "scribble"):
        assert len(answers) == (truth ^ segmented).any()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_shapes_of_every_kind(name: str, shape: str) -> None:
    truth = SHAPES[shape]
    for jitter_voxel in (0.0, 1.5):
        answers = ROBOTS[name](jitter_voxel=jitter_voxel).annotate(truth, rng(1))
        assert answers or name in ("cut-line", "repair")
        assert_on_the_right_side(answers, truth)


@pytest.mark.parametrize("name", NAMES)
def test_without_an_object_there_is_nothing_to_say(name: str) -> None:
    assert ROBOTS[name]().annotate(np.zeros((5, 6), np.bool_), rng()) == ()
    assert ROBOTS[name]().annotate(np.zeros((3, 5, 6), np.bool_), rng()) == ()


@pytest.mark.parametrize("name", [*OF_THE_ERROR, *OF_THE_EDGE, "repair"])
def test_without_an_error_there_is_nothing_to_correct(name: str) -> None:
    truth = SHAPES["disc"]
    assert ROBOTS[name]().annotate(truth, rng(), prediction=truth) == ()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_drawn_from_the_global_generator(name: str) -> None:
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    ROBOTS[name](jitter_voxel=1.0).annotate(SHAPES["disc"], rng())
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_gives_another_answer(name: str) -> None:
    robot = ROBOTS[name](jitter_voxel=1.0)
    assert len({robot.annotate(SHAPES["disc"], rng(seed)) for seed in range(5)}) > 1


@pytest.mark.parametrize("name", NAMES)
def test_bad_input_is_refused(name: str) -> None:
    truth = np.ones((4, 5), np.bool_)
    robot = ROBOTS[name]()
    with pytest.raises(DataError, match="truth: uint8; pass a bool mask, such as labels == 1"):
        robot.annotate(truth.astype(np.uint8), rng())
    with pytest.raises(DataError, match=r"prediction: shape \(5, 4\), the truth \(4, 5\)"):
        robot.annotate(truth, rng(), prediction=truth.T)
    with pytest.raises(DataError, match=r"spacing_mm: .* pass 2 lengths above 0"):
        robot.annotate(truth, rng(), spacing_mm=(1.0, 1.0, 1.0))
    with pytest.raises(DataError, match="no image"):
        robot.annotate(np.ones((1, 1, 4, 5), np.bool_), rng())
    with pytest.raises(ConfigError, match="jitter_voxel: -1; pass a finite number of at least 0"):
        ROBOTS[name](jitter_voxel=-1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InteriorMarginRobot(extra=-1), "extra: -1"),
        (lambda: InteriorMarginRobot(inward_voxel=float("nan")), "inward_voxel: nan"),
        (lambda: CentreEdgeRobot(centre_points=0), "centre_points: 0; pass a finite number of at least 1"),
        (lambda: CentreEdgeRobot(gap_voxel=0.5), "gap_voxel: 0.5"),
        (lambda: BoxRobot(looseness=float("inf")), "looseness: inf"),
        (lambda: ScribbleRobot(share=0.0), "share: 0.0"),
        (lambda: RandomClicksRobot(positive=(3, 2)), "positive: 3 to 2 clicks"),
        (lambda: RandomClicksRobot(negative_margin_voxel=()), "negative_margin_voxel: empty"),
        (lambda: RandomClicksRobot(positive_apart_voxel=(3.0, -1.0)), "positive_apart_voxel: -1"),
    ],
)
def test_arguments_out_of_range_are_refused(make: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_imports_are_light() -> None:
    program = (
        "import sys, lesslabel.interaction.robots; "
        "print([n for n in ('torch', 'skimage', 'sklearn', 'monai') if n in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


# The hand


def test_a_hand_slips_in_millimetres() -> None:
    truth, spacing_mm = np.ones((25, 25, 25), np.bool_), (4.0, 1.0, 2.0)
    (aim,) = ErrorCentreRobot().annotate(truth, rng(), spacing_mm=spacing_mm)
    generator, robot = rng(), ErrorCentreRobot(jitter_voxel=2.0)
    clicks = [robot.annotate(truth, generator, spacing_mm=spacing_mm)[0] for _ in range(60)]
    slips = np.array([np.subtract(click.position, aim.position) for click in clicks])
    np.testing.assert_allclose(slips.std(axis=0), [0.48, 1.92, 0.96], rtol=0.25)
    assert (np.abs(slips) <= [1.0, 4.0, 2.0]).all()


def test_a_hand_stays_on_a_line() -> None:
    line = SHAPES["line"]
    robot = ErrorCentreRobot(jitter_voxel=3.0)
    columns = {voxel_of(robot.annotate(line, rng(seed))[0])[1] for seed in range(20)}
    assert len(columns) > 2


# Interior margin points


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spacing", [1.0, 5.0])
@pytest.mark.parametrize("jitter_voxel", [0.0, 1.0])
def test_margin_points_lie_inside_near_the_edge_and_their_box_covers(
    shape: str, spacing: float, jitter_voxel: float
) -> None:
    truth = SHAPES[shape]
    spacing_mm = (spacing, *[1.0] * (truth.ndim - 1))
    robot = InteriorMarginRobot(jitter_voxel=jitter_voxel)
    axes = sum(size > 1 for size in truth.shape)
    outside = np.argwhere(~np.pad(truth, [(int(size > 1),) * 2 for size in truth.shape]))
    outside = outside - [int(size > 1) for size in truth.shape]
    for seed in range(4):
        (prompt,) = robot.annotate(truth, rng(seed), spacing_mm=spacing_mm)
        box = Box.around(prompt).grown(robot.reach_voxel, truth.shape)
        assert box.inside(truth.shape)[truth].all()
        assert len(prompt.positions) <= 2 * axes + 5
        if shape in ("disc", "sphere") and jitter_voxel > 0:
            assert len(prompt.positions) >= 2 * axes - 1
        for point in prompt.points if len(outside) else ():
            away = np.linalg.norm((outside - point) * spacing_mm, axis=1).min()
            assert away <= spacing + robot.inward_voxel + 2 * jitter_voxel * np.sqrt(axes) + 1e-9


def test_margin_points_do_not_cross_a_wall() -> None:
    truth = block((20, 30), (5, 15), (2, 2)) | block((20, 30), (2, 18), (5, 24))
    robot = InteriorMarginRobot(extra=0, slack_voxel=0.0, inward_voxel=6.0)
    assert {robot.annotate(truth, rng(seed))[0].points[:, 1].min() for seed in range(12)} == {2.0}


def test_margin_points_move_inward() -> None:
    truth = SHAPES["disc"]
    robot = InteriorMarginRobot(extra=0, slack_voxel=0.0, inward_voxel=6.0)
    depths = depth(truth, np.ones(2))
    reached = [depths[voxel_of(Click(p))] for seed in range(10) for p in robot.annotate(truth, rng(seed))[0].positions]
    assert min(reached) < 3
    assert max(reached) >= 5


def test_moving_inward_measures_in_space() -> None:
    """Of voxels 4 finest voxels away at most: not one row, which is as far, and columns besides."""
    depths = np.ones((7, 12))
    depths[4, 6] = 9.0  # one row and three columns away: 5
    depths[4, 3] = 3.0
    depths[3, 6] = 2.0
    scene = Scene.of(depths > 0, None, (4.0, 1.0))
    assert _moved_inward(np.array([3, 3]), depths, 4.0, scene).tolist() == [4, 3]
    assert _moved_inward(np.array([3, 3]), depths, 3.9, scene).tolist() == [3, 6]
    assert _moved_inward(np.array([3, 3]), depths, 5.0, scene).tolist() == [4, 6]


def test_one_pixel_gets_one_margin_point() -> None:
    (prompt,) = InteriorMarginRobot().annotate(SHAPES["one pixel"], rng())
    assert prompt.positions == ((4.0, 7.0),)


def test_the_number_of_margin_points_is_that_of_the_paper() -> None:
    counts = {len(InteriorMarginRobot().annotate(SHAPES["disc"], rng(seed))[0].positions) for seed in range(60)}
    assert min(counts) >= 3
    assert max(counts) <= 9
    assert len(counts) >= 5
    exact = InteriorMarginRobot(extra=0, slack_voxel=0.0, inward_voxel=0.0)
    (prompt,) = exact.annotate(SHAPES["disc"], rng())
    assert set(prompt.positions) == {(10, 19), (34, 19), (22, 7), (22, 31)}
    (prompt,) = exact.annotate(SHAPES["diagonal"], rng())
    assert len(prompt.positions) == 3
    assert {(0, 0), (15, 15)} < set(prompt.positions)


# Centre and edge points


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if not SHAPES[shape].all()])
@pytest.mark.parametrize("spacing", [1.0, 5.0])
@pytest.mark.parametrize("jitter_voxel", [0.0, 1.5])
def test_edge_points_surround_the_object(shape: str, spacing: float, jitter_voxel: float) -> None:
    truth = SHAPES[shape]
    spacing_mm = np.array([spacing, *[1.0] * (truth.ndim - 1)])
    inside = np.argwhere(truth)
    for seed in range(4):
        (prompt,) = CentreEdgeRobot(jitter_voxel=jitter_voxel).annotate(truth, rng(seed), spacing_mm=spacing_mm)
        for point in np.floor(np.array(prompt.edge) + 0.5):
            assert np.linalg.norm((inside - point) * spacing_mm, axis=1).min() <= max(3.0, spacing)
        low, high = np.min(prompt.edge, axis=0), np.max(prompt.edge, axis=0)
        assert (np.floor(low + 0.5) <= inside.min(axis=0)).all()
        assert (np.floor(high + 0.5) >= inside.max(axis=0)).all()


def test_centre_points_lie_near_the_centre_of_the_largest_parts() -> None:
    truth = SHAPES["three parts"]
    (one,) = CentreEdgeRobot().annotate(truth, rng())
    assert np.hypot(*np.subtract(one.centre[0], (30, 28))) <= 2.0
    (four,) = CentreEdgeRobot(centre_points=4).annotate(truth, rng(1))
    parts, _ = ndimage.label(truth)
    sizes = [int((parts == parts[int(y), int(x)]).sum()) for y, x in four.centre]
    assert sizes == [*sorted(sizes[:3], reverse=True), sizes[0]]
    assert len(set(sizes)) == 3


@pytest.mark.parametrize("shape", ["disc", "sphere", "one voxel"])
def test_edge_points_lie_beyond_every_end_where_the_image_goes_on(shape: str) -> None:
    truth = SHAPES[shape]
    inside = np.argwhere(truth)
    for seed in range(10):
        (prompt,) = CentreEdgeRobot().annotate(truth, rng(seed))
        edge = np.array(prompt.edge)
        beyond_low, beyond_high = inside.min(axis=0) > 0, inside.max(axis=0) < np.array(truth.shape) - 1
        assert (edge.min(axis=0) < inside.min(axis=0))[beyond_low].all()
        assert (edge.max(axis=0) > inside.max(axis=0))[beyond_high].all()


def test_the_centre_is_measured_in_space() -> None:
    truth = block((20, 60), (5, 13), (10, 50))  # 45 mm by 41 mm
    centres = [CentreEdgeRobot().annotate(truth, rng(s), spacing_mm=(5.0, 1.0))[0].centre[0] for s in range(30)]
    columns = [x for _, x in centres]
    assert 25 <= min(columns) <= 30 <= max(columns) <= 35


def test_an_object_that_fills_the_image_has_no_edge_points() -> None:
    (prompt,) = CentreEdgeRobot().annotate(SHAPES["fills the image"], rng())
    assert prompt.edge == ()


# Extreme points


@pytest.mark.parametrize("shape", SHAPES)
def test_extreme_points_span_the_object(shape: str) -> None:
    truth = SHAPES[shape]
    (prompt,) = ExtremePointsRobot().annotate(truth, rng())
    voxels = np.argwhere(truth)
    np.testing.assert_array_equal(prompt.points.min(axis=0), voxels.min(axis=0))
    np.testing.assert_array_equal(prompt.points.max(axis=0), voxels.max(axis=0))


# Clicks on errors


def centre_by_hand(region: Mask, spacing_mm: tuple[float, ...]) -> tuple[int, ...]:
    """The voxel farthest from all voxels outside, each distance on its own."""
    padded = np.pad(region, 1)
    inside, outside = np.argwhere(padded), np.argwhere(~padded)
    nearest = [np.linalg.norm((outside - voxel) * spacing_mm, axis=1).min() for voxel in inside]
    return tuple((inside[int(np.argmax(np.round(nearest, 9)))] - 1).tolist())


def test_the_click_is_in_the_middle_of_the_largest_error() -> None:
    truth, prediction = block((20, 30), (2, 6), (2, 6)), block((20, 30), (10, 16), (12, 20))
    (click,) = ErrorCentreRobot().annotate(truth, rng())
    assert click == Click((4, 4), Side.FOREGROUND)
    (click,) = ErrorCentreRobot().annotate(truth, rng(), prediction=prediction)
    assert click == Click((13, 15), Side.BACKGROUND)
    (click,) = ErrorCentreRobot().annotate(truth, rng(), prediction=truth ^ block((20, 30), (6, 6), (6, 6)))
    assert click == Click((6, 6), Side.FOREGROUND)


def test_missed_and_spilled_parts_that_touch_are_two_errors() -> None:
    truth, prediction = block((12, 20), (3, 7), (3, 7)), block((12, 20), (3, 7), (8, 16))
    (click,) = ErrorCentreRobot().annotate(truth, rng(), prediction=prediction)
    assert click.side is Side.BACKGROUND
    (click,) = ErrorCentreRobot().annotate(truth, rng(), prediction=block((12, 20), (3, 7), (8, 12)))
    assert click == Click((5, 5), Side.FOREGROUND)


@settings(max_examples=40)
@given(scenes())
def test_the_centre_is_that_found_by_hand(scene: tuple[Mask, Mask | None, tuple[float, ...]]) -> None:
    truth, _, spacing_mm = scene
    if not truth.any() or 1 in truth.shape:
        return
    parts, count = ndimage.label(truth, np.ones((3,) * truth.ndim))
    largest = parts == 1 + int(np.argmax([(parts == label).sum() for label in range(1, count + 1)]))
    (click,) = ErrorCentreRobot().annotate(truth, rng(), spacing_mm=spacing_mm)
    assert voxel_of(click) == centre_by_hand(largest, spacing_mm)


def test_an_image_kept_as_one_slice_is_looked_at_as_2d() -> None:
    flat = ball((24, 24), (12, 11), 7)
    for name in ("error-centre", "boundary-click", "scribble", "cut-line", "box", "polygon"):
        in_2d = ROBOTS[name]().annotate(flat, rng(5))
        in_3d = ROBOTS[name]().annotate(flat[None], rng(5), spacing_mm=(8.0, 1.0, 1.0))
        np.testing.assert_allclose(
            np.concatenate([prompt.points for prompt in in_3d])[:, 1:],
            np.concatenate([prompt.points for prompt in in_2d]),
        )


def test_a_boundary_click_lies_where_the_edge_is_farthest_from_the_prediction() -> None:
    truth, prediction = block((30, 40), (8, 17), (8, 17)), block((30, 40), (8, 17), (13, 22))
    (click,) = BoundaryClickRobot().annotate(truth, rng(), prediction=prediction)
    assert click.side is Side.BOUNDARY
    assert click.position[1] == 8
    (shifted,) = BoundaryClickRobot().annotate(truth, rng(), prediction=block((30, 40), (8, 17), (9, 18)))
    edges = [np.argwhere(edge_band(mask) & mask) for mask in (truth, block((30, 40), (8, 17), (9, 18)))]
    away = np.linalg.norm(edges[0][:, None] - edges[1][None], axis=2).min(axis=1)
    assert voxel_of(shifted) in {tuple(voxel) for voxel in edges[0][away == away.max()].tolist()}


def test_a_boundary_click_measures_in_space() -> None:
    shape = (40, 60)
    down, aside = block(shape, (10, 20), (5, 15)), block(shape, (10, 20), (35, 45))
    shifted = block(shape, (13, 23), (5, 15)) | block(shape, (10, 20), (40, 50))
    columns = {
        spacing_mm: BoundaryClickRobot()
        .annotate(down | aside, rng(), prediction=shifted, spacing_mm=spacing_mm)[0]
        .position[1]
        for spacing_mm in [(1.0, 1.0), (4.0, 1.0)]
    }
    assert columns[1.0, 1.0] == 35
    assert columns[4.0, 1.0] <= 15


# Random clicks


@pytest.mark.parametrize("shape", [(120, 110), (24, 60, 60)])
def test_random_clicks_keep_their_distances(shape: tuple[int, ...]) -> None:
    spacing_mm = (2.0, 1.0, 1.0)[-len(shape) :]
    truth = ball(shape, tuple(size // 2 for size in shape), 11)
    robot = RandomClicksRobot(
        positive=(1, 6),
        negative=(0, 6),
        positive_margin_voxel=(2.0,),
        negative_margin_voxel=(1.0,),
        reach_voxel=12.0,
        positive_apart_voxel=(5.0,),
        negative_apart_voxel=(7.0,),
    )
    inside, outside = np.argwhere(truth), np.argwhere(~truth)
    seen = set()
    for seed in range(12):
        clicks = robot.annotate(truth, rng(seed), spacing_mm=spacing_mm)
        sides = [click.side for click in clicks]
        seen.add((sides.count(Side.FOREGROUND), sides.count(Side.BACKGROUND)))
        assert sides == sorted(sides, key=lambda side: side is Side.BACKGROUND)
        for place, click in enumerate(clicks):
            positive = click.side is Side.FOREGROUND
            others = outside if positive else inside
            away = np.linalg.norm((others - click.points) * spacing_mm, axis=1).min()
            assert away > 2 if positive else 1 < away < 12
            for earlier in clicks[:place]:
                assert np.linalg.norm((click.points - earlier.points) * spacing_mm) > (5 if positive else 7)
    assert len(seen) > 5
    assert {positive for positive, _ in seen} <= set(range(1, 7))
    assert 0 in {negative for _, negative in seen} or len({negative for _, negative in seen}) > 3


def test_random_clicks_are_apart_in_space() -> None:
    robot = RandomClicksRobot((5, 5), (0, 0), positive_margin_voxel=(0.0,), positive_apart_voxel=(3.0,))
    column = block((9, 9), (2, 6), (4, 4))
    assert len(robot.annotate(column, rng(), spacing_mm=(4.0, 1.0))) == 5
    assert len(robot.annotate(column, rng())) < 3


def test_random_clicks_keep_away_from_earlier_clicks_of_both_sides() -> None:
    truth = block((60, 60), (10, 50), (10, 50))
    earlier = [Click((30.0, 30.0)), Click((5.0, 5.0), Side.BACKGROUND), Box((10.0, 10.0), (49.0, 49.0))]
    robot = RandomClicksRobot((8, 8), (8, 8), (1.0,), (1.0,), 12.0, (6.0,), (7.0,))
    for seed in range(20):
        clicks = robot.annotate(truth, rng(seed), earlier=earlier)
        assert {click.side for click in clicks} == set(Side) - {Side.BOUNDARY}
        for click in clicks:
            apart = 6 if click.side is Side.FOREGROUND else 7
            assert all(np.linalg.norm(click.points - before.points) > apart for before in earlier[:2])


def test_no_click_is_repeated_where_there_is_no_room_for_another() -> None:
    truth = block((20, 20), (10, 12), (10, 12))
    (first,) = ErrorCentreRobot().annotate(truth, rng())
    robot = RandomClicksRobot(positive=(1, 3), negative=(0, 0), positive_apart_voxel=(0.0, 7.0))
    assert {robot.annotate(truth, rng(seed), earlier=[first]) for seed in range(20)} == {()}
    assert all(len(robot.annotate(truth, rng(seed))) == 1 for seed in range(20))


def test_a_thin_object_is_clicked_where_it_is_deepest() -> None:
    truth = block((40, 40), (10, 12), (10, 30))
    (click,) = RandomClicksRobot(positive=(1, 1), negative=(0, 0)).annotate(truth, rng())
    assert click.position[0] == 11


# Scribbles


def test_a_scribble_follows_the_middle_of_a_bar() -> None:
    bar = block((21, 60), (8, 12), (5, 54))
    (scribble,) = ScribbleRobot(random=False, share=0.5).annotate(bar, rng())
    (stroke,) = scribble.strokes
    assert {y for y, _ in stroke} == {10}
    columns = sorted(x for _, x in stroke)
    assert 20 <= len(columns) <= 26
    assert abs((columns[0] + columns[-1]) / 2 - 29.5) <= 1.5
    assert scribble.side is Side.FOREGROUND


def test_a_scribble_takes_the_longest_way() -> None:
    shape = (60, 60)
    letter = block(shape, (5, 54), (10, 12)) | block(shape, (52, 54), (10, 50)) | block(shape, (20, 22), (10, 24))
    (scribble,) = ScribbleRobot(random=False, share=1.0).annotate(letter, rng())
    points = scribble.points
    assert np.ptp(points[:, 0]) > 42
    assert np.ptp(points[:, 1]) > 32
    assert not ((np.abs(points[:, 0] - 21) < 3) & (points[:, 1] > 14)).any()
    assert (np.abs(np.diff(points, axis=0)).max(axis=1) == 1).all()


def test_a_scribble_follows_a_ring() -> None:
    (scribble,) = ScribbleRobot(random=False, share=1.0).annotate(SHAPES["ring"], rng())
    radius = np.linalg.norm(scribble.points - 20, axis=1)
    assert (np.abs(radius - 12.5) < 2).all()
    assert len(scribble.points) > 25


def test_a_wobbling_scribble_stays_in_what_is_spilled() -> None:
    truth, prediction = SHAPES["disc"], ball((48, 40), (22, 19), 16)
    robot = ScribbleRobot(share=1.0, jitter_voxel=1.0)
    for seed in range(10):
        (scribble,) = robot.annotate(truth, rng(seed), prediction=prediction)
        background = scribble.rasterise(truth.shape).background
        assert scribble.side is Side.BACKGROUND
        assert not (background & ~(prediction & ~truth)).any()


def test_a_scribble_in_3d_lies_on_the_largest_slice() -> None:
    truth = ball((12, 30, 26), (6, 14, 12), 5)
    (scribble,) = ScribbleRobot(jitter_voxel=1.0).annotate(truth, rng(), spacing_mm=(5.0, 1.0, 1.0))
    assert set(scribble.points[:, 0]) == {6.0}
    (scribble,) = ScribbleRobot(jitter_voxel=1.0).annotate(truth, rng(), spacing_mm=(1.0, 1.0, 3.0))
    assert set(scribble.points[:, 2]) == {12.0}


# Cut lines


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0), (2.0, 1.0)])
def test_a_cut_line_is_three_times_as_long_as_the_part_is_thick(spacing_mm: tuple[float, float]) -> None:
    bar = block((60, 80), (28, 32), (5, 74))
    (line,) = CutLineRobot(random=False).annotate(
        bar, rng(), prediction=bar & block((60, 80), (0, 59), (0, 40)), spacing_mm=spacing_mm
    )
    start, end = line.points
    assert start[1] == pytest.approx(end[1])
    assert 55 <= start[1] <= 60
    assert abs(end[0] - start[0]) == pytest.approx(15, abs=1)
    assert (start[0] + end[0]) / 2 == pytest.approx(30, abs=0.5)


def test_a_cut_line_is_perpendicular_to_a_slanted_part() -> None:
    y, x = np.indices((80, 80))
    slanted = (np.abs(y - x) <= 4) & (y + x > 20) & (y + x < 140)
    (line,) = CutLineRobot(random=False).annotate(slanted, rng())
    direction = np.subtract(line.end, line.start)
    assert direction[0] == pytest.approx(-direction[1], rel=0.05)
    assert np.hypot(*direction) == pytest.approx(3 * 5 * np.sqrt(2), abs=1.5)


def test_random_cut_lines_cross_the_error() -> None:
    bar = block((60, 80), (28, 32), (5, 74))
    missed = block((60, 80), (28, 32), (41, 74))
    for seed in range(20):
        (line,) = CutLineRobot(random=True, jitter_voxel=0.5).annotate(bar, rng(seed), prediction=bar & ~missed)
        assert (line.line(bar.shape) & missed).any()
        assert not bar[tuple(np.floor(np.array(line.start) + 0.5).astype(int))] or line.start[1] in (0, 79)


def test_a_cut_line_lies_on_the_slice_of_the_error() -> None:
    (line,) = CutLineRobot().annotate(SHAPES["plate"], rng(), spacing_mm=(5.0, 1.0, 1.0))
    assert line.start[0] == line.end[0] == 2.0


# Boxes and polygons


def test_the_loosening_is_that_of_the_paper() -> None:
    square = block((256, 256), (0, 49), (0, 49))
    assert loosening_voxel(square, 0.3) == pytest.approx(48.99, abs=0.01)
    assert loosening_voxel(np.ones((4, 4), np.bool_), 0.3) == 0.0
    assert loosening_voxel(square[None], 0.3) == loosening_voxel(square, 0.3)


def test_a_box_is_as_loose_as_it_is_told() -> None:
    square = block((256, 256), (100, 149), (90, 139))
    (box,) = BoxRobot(random=False).annotate(square, rng())
    np.testing.assert_allclose(box.points, [[100 - 24.495, 90 - 24.495], [149 + 24.495, 139 + 24.495]], atol=0.01)
    (box,) = BoxRobot(looseness=0.0).annotate(square, rng())
    assert box == Box((100, 90), (149, 139))
    (box,) = BoxRobot(random=False).annotate(square, rng(), spacing_mm=(5.0, 1.0))
    np.testing.assert_allclose(box.low, [100 - 24.495 / 5, 90 - 24.495], atol=0.01)
    loose = [BoxRobot().annotate(square, rng(seed))[0].low[0] for seed in range(20)]
    assert min(loose) >= 100 - 48.99
    assert max(loose) <= 100
    assert np.ptp(loose) > 20


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["box", "polygon"])
def test_enclosures_cover_the_object(name: str, shape: str) -> None:
    truth = SHAPES[shape]
    for seed in range(4):
        (prompt,) = ROBOTS[name](jitter_voxel=2.0).annotate(truth, rng(seed))
        inside = prompt.inside(truth.shape)
        if name == "box" or truth.ndim == 2:
            assert inside[truth].all()
        else:
            drawn_on = inside.any(axis=(1, 2))
            assert drawn_on.sum() == 1
            assert inside[drawn_on][truth[drawn_on]].all()


def test_a_polygon_is_as_loose_as_it_is_told() -> None:
    square = block((256, 256), (100, 149), (90, 139))
    most = loosening_voxel(square, 0.2) / 2
    tight = np.array([[99.5, 89.5], [149.5, 139.5]])
    for spacing_mm in [(1.0, 1.0), (5.0, 1.0)]:
        reach = most / np.array(spacing_mm)
        corners = [PolygonRobot(random=False).annotate(square, rng(s), spacing_mm=spacing_mm)[0] for s in range(20)]
        out = np.array([[tight[0] - p.points.min(axis=0), p.points.max(axis=0) - tight[1]] for p in corners])
        assert (out >= 0).all()
        assert (out <= reach + 1e-9).all()
        assert (out.max(axis=(0, 1)) > 0.9 * reach).all()
    (polygon,) = PolygonRobot(looseness=0.0).annotate(square, rng())
    np.testing.assert_allclose([polygon.points.min(axis=0), polygon.points.max(axis=0)], tight)


@pytest.mark.parametrize("seed", range(5))
def test_polygons_are_convex(seed: int) -> None:
    (polygon,) = PolygonRobot(jitter_voxel=1.0).annotate(SHAPES["three parts"], rng(seed))
    sides = np.diff(np.concatenate([polygon.points, polygon.points[:2]]), axis=0)
    turns = sides[:-1, 0] * sides[1:, 1] - sides[:-1, 1] * sides[1:, 0]
    assert (turns > -1e-9).all() or (turns < 1e-9).all()


# MedScribble


def write_example(folder: Path, truth: Mask, drawn: list[np.ndarray]) -> None:
    folder.mkdir(parents=True)
    np.save(folder / "img.npy", np.linspace(0, 1, truth.size, dtype=np.float32).reshape(truth.shape))
    np.save(folder / "seg.npy", np.where(truth, 0.9, 0.4).astype(np.float32))
    for annotator, channels in enumerate(drawn):
        np.save(folder / f"scribble_{annotator}.npy", channels.astype(np.float32))


def test_recorded_scribbles_become_prompts(tmp_path: Path) -> None:
    truth = block((8, 9), (2, 5), (2, 6))
    positive, negative = block((8, 9), (3, 4), (3, 5)), block((8, 9), (0, 0), (1, 7))
    soft = np.stack([positive * 0.7, negative * 1.0])
    soft[0, 7, 8] = 0.5
    write_example(tmp_path / "b" / "v1" / "x", truth, [soft, np.stack([positive * 0.0, negative * 1.0])])
    write_example(tmp_path / "a" / "v1" / "y", truth, [])
    (tmp_path / "a" / "v1" / "y" / "seg.npy").unlink()
    first, second = read_medscribble(tmp_path)
    assert (first.uid, second.uid) == ("a/v1/y", "b/v1/x")
    assert first.truth is None
    assert first.scribbles == ()
    np.testing.assert_array_equal(second.truth, truth)
    assert second.image.dtype == np.float32
    one, other = second.scribbles
    assert [scribble.side for scribble in one] == [Side.FOREGROUND, Side.BACKGROUND]
    np.testing.assert_array_equal(one[0].rasterise(truth.shape).foreground, positive)
    np.testing.assert_array_equal(one[1].rasterise(truth.shape).background, negative)
    assert other == (Scribble.from_mask(negative, Side.BACKGROUND),)


def test_damaged_recordings_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no MedScribble examples"):
        list(read_medscribble(tmp_path))
    truth = block((8, 9), (2, 5), (2, 6))
    write_example(tmp_path / "x", truth, [np.zeros((2, 9, 8))])
    with pytest.raises(DataError, match=r"scribble_0.npy: shape \(2, 9, 8\); expected \(2, 8, 9\)"):
        list(read_medscribble(tmp_path))
    np.save(tmp_path / "x" / "scribble_0.npy", np.full((2, 8, 9), np.nan))
    with pytest.raises(DataError, match=r"scribble_0.npy: holds NaN"):
        list(read_medscribble(tmp_path))
    (tmp_path / "x" / "img.npy").write_bytes(b"no array")
    with pytest.raises(DataError, match=r"img.npy: not readable as an array"):
        list(read_medscribble(tmp_path))


@pytest.mark.real
def test_real_recordings_agree_with_their_objects(tmp_path: Path) -> None:
    script = REAL_DATA / "unpack.py"
    if not script.exists() or not (REAL_DATA / "medscribble.tar.xz").exists():
        pytest.skip(f"the real data are not at hand: no medscribble beside {script}")
    subprocess.run([sys.executable, script, tmp_path, "medscribble"], check=True)
    examples = list(read_medscribble(tmp_path / "medscribble"))
    assert len(examples) == 28
    assert len({example.uid.split("/")[0] for example in examples}) == 12
    hits = []
    for example in examples:
        assert len(example.scribbles) == 3
        assert example.truth.any()
        for prompts in example.scribbles:
            seeds = rasterise(prompts, example.image.shape)
            hits.append((example.truth[seeds.foreground].mean(), (~example.truth)[seeds.background].mean()))
    assert (np.mean(hits, axis=0) > [0.85, 0.95]).all()
