"""MMIIS: guidance by hand, what a repair may change, and from what a session may begin."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lesslabel.data.batch import collate
from lesslabel.errors import ConfigError, DataError
from lesslabel.interaction import (
    Box,
    Click,
    CutLine,
    EnclosingScribble,
    InteractiveSession,
    Polygon,
    Scribble,
    SessionLog,
    Side,
    replay,
)
from lesslabel.interaction.coarse_masks import distorted
from lesslabel.interaction.crop import Crop
from lesslabel.interaction.guidance import Guidance
from lesslabel.methods import MMIIS
from lesslabel.methods.interactive.mmiis import local_attention, repaired_logit
from lesslabel.networks import UNet

SHAPE = (40, 44)


def model(dimensions: int = 2, **settings: object) -> MMIIS:
    torch.manual_seed(0)
    network = UNet(dimensions=dimensions, channels=(4, 8), normalisation="instance")  # type: ignore[arg-type]
    chosen = {
        "size_voxel": SHAPE if dimensions == 2 else (8, 24, 24),
        "width": 6,
        "normalisation": "instance",
        "region_radius_voxel": 9.0,
        "boundary_radius_voxel": 3.0,
        "margin_voxel": 50.0,
    }
    return MMIIS(network=network, **{**chosen, **settings})  # type: ignore[arg-type]


def disc(centre: tuple[float, float] = (20, 22), radius: float = 8) -> NDArray[np.bool_]:
    y, x = np.indices(SHAPE)
    return np.asarray(np.hypot(y - centre[0], x - centre[1]) <= radius)


def image() -> NDArray[np.float32]:
    noise = np.random.default_rng(0).normal(0, 0.1, SHAPE)
    return np.asarray(disc() + noise, np.float32)


def cues_of(method: MMIIS, *prompts: object) -> torch.Tensor:
    guidance = Guidance(SHAPE, prompts)  # type: ignore[arg-type]
    encoded = method.encoding.encode(
        torch.from_numpy(image())[None], (1.0, 1.0), guidance, Crop.whole(SHAPE, method.encoding.size_voxel)
    )
    return encoded.cues


ENCLOSURES = {
    "box": Box((10, 12), (30, 32)),
    "polygon": Polygon(((10, 12), (10, 32), (30, 32), (30, 12))),
    "enclosing-scribble": EnclosingScribble(((10, 12), (10, 32), (30, 32), (30, 12))),
}


@pytest.mark.parametrize("name", ENCLOSURES)
def test_the_initial_guidance_has_one_map_with_signs(name: str) -> None:
    """1 inside, −1 outside, and 0 everywhere in the maps of the kinds that were not used."""
    maps = cues_of(model(), ENCLOSURES[name])
    expected = -np.ones(SHAPE)
    expected[10:31, 12:33] = 1
    for channel, kind in enumerate(ENCLOSURES):
        np.testing.assert_array_equal(maps[channel], expected if kind == name else 0)
    assert not maps[3:].any()  # what lies outside an enclosure is no repair


def test_a_later_enclosure_replaces_the_earlier_one() -> None:
    maps = cues_of(model(), ENCLOSURES["polygon"], Click((20, 22)), ENCLOSURES["box"])
    assert maps[0].any()
    assert not maps[1].any()
    assert maps[3].max() == 1


def test_the_repair_maps_are_gaussians_that_end_at_their_radius() -> None:
    """σ is a third of the radius, 9 on regions and 3 on the boundary: exp(−d² / 2σ²) at 6 and 2 pixels is exp(−2)."""
    maps = cues_of(
        model(),
        Click((10, 10)),
        Click((30, 12), Side.BACKGROUND),
        Scribble((((20, 30), (20, 36)),), Side.BOUNDARY),
    )
    for channel, row, column, radius in ((3, 10, 10, 9), (4, 30, 12, 9), (5, 20, 36, 3), (6, 20, 36, 9)):
        away = radius * 2 // 3
        assert maps[channel, row, column] == 1
        assert maps[channel, row, column + away] == pytest.approx(np.exp(-2), abs=1e-6)
        assert maps[channel, row - radius, column] == pytest.approx(np.exp(-4.5), abs=1e-6)
        assert maps[channel, row - radius - 1, column] == 0
    assert maps[5, 20, 30:37].tolist() == [1] * 7
    near = local_attention(maps[None])[0, 0]
    np.testing.assert_array_equal(near, np.max([maps[3], maps[4], maps[6]], axis=0))


def test_the_repaired_mask_is_that_of_equation_6_7() -> None:
    """T(M + U ⊙ R) at ½: R = −0.6 at U = 1 removes a voxel in units of M; our residual is twice that, −1.2."""
    mask = torch.tensor([[[[1.0, 1.0, 1.0, 0.0, 0.0]]]])
    near = torch.tensor([[[[0.0, 1.0, 0.5, 1.0, 0.4]]]])
    residual = torch.tensor([[[[-9.0, -1.2, -1.2, 1.2, 1.2]]]])
    repaired = repaired_logit(mask, near, residual) > 0
    np.testing.assert_array_equal(repaired, (mask + near * residual / 2) > 0.5)
    assert repaired[0, 0, 0].tolist() == [True, False, True, True, False]


def test_without_a_repair_the_initial_result_stands() -> None:
    method = model()
    cues = cues_of(method, ENCLOSURES["box"])[None]
    initial, repaired = method._run(torch.from_numpy(image())[None, None], cues)
    assert torch.equal(initial > 0, repaired > 0)


def test_a_repair_changes_nothing_beyond_its_radius() -> None:
    session = InteractiveSession(model()).set_image(image())
    before = session.add(ENCLOSURES["box"]).mask
    for prompt, place in (
        (Click((12, 14), Side.BACKGROUND), (12, 14)),
        (Click((20, 30), Side.BOUNDARY), (20, 30)),
    ):
        after = session.add(prompt).mask
        y, x = np.indices(SHAPE)
        far = np.hypot(y - place[0], x - place[1]) > 10
        np.testing.assert_array_equal(after[far], before[far])
        session.undo()


@pytest.mark.parametrize("size", [SHAPE, (16, 18)])
def test_a_mask_from_elsewhere_is_kept_bit_for_bit_beyond_the_repair(size: tuple[int, int]) -> None:
    """Also where the grid of the crop is coarser than the image."""
    start = disc((19, 24), 9)
    start[::5] = False  # detail that no coarser grid could keep
    session = InteractiveSession(model(size_voxel=size, region_radius_voxel=4.0)).set_image(image())
    session.start_from(start)
    mask = session.add(Click((12, 17))).mask
    y, x = np.indices(SHAPE)
    far = np.hypot(y - 12, x - 17) > 15
    assert start[far].any()
    np.testing.assert_array_equal(mask[far], start[far])
    session.add(ENCLOSURES["polygon"])  # an enclosure begins anew
    assert not np.array_equal(session.segmentation().mask[far], start[far])


def test_features_are_computed_once_for_a_crop_and_the_initial_mask_once_for_an_enclosure() -> None:
    method = model()
    runs: dict[str, int] = {"extractor": 0, "initial_block": 0, "repair_block": 0}

    def count(name: str) -> None:
        runs[name] += 1

    for name in runs:
        getattr(method.network, name).register_forward_hook(lambda *_, name=name: count(name))
    session = InteractiveSession(method).set_image(image())
    session.add(ENCLOSURES["enclosing-scribble"])
    assert runs == {"extractor": 1, "initial_block": 1, "repair_block": 0}
    session.add(Click((12, 14)))
    session.add(Scribble((((20, 12), (24, 15)),), Side.BACKGROUND))
    assert runs == {"extractor": 1, "initial_block": 1, "repair_block": 2}
    session.add(ENCLOSURES["box"])
    assert runs == {"extractor": 1, "initial_block": 2, "repair_block": 3}
    session.start_from(disc(), object="second")
    session.add(Click((12, 14)), object="second")
    assert runs == {"extractor": 2, "initial_block": 2, "repair_block": 4}


def test_a_click_alone_repairs_an_empty_mask() -> None:
    session = InteractiveSession(model()).set_image(image())
    mask = session.add(Click((20, 22))).mask
    y, x = np.indices(SHAPE)
    assert not mask[np.hypot(y - 20, x - 22) > 10].any()


def test_repairs_may_begin_from_the_last_answer() -> None:
    answers = []
    for repaired in ("initial", "last"):
        session = InteractiveSession(model(repaired=repaired)).set_image(image())
        session.add(ENCLOSURES["box"])
        session.add(Click((12, 14)))
        answers.append(session.add(Click((14, 14))).probability)
    assert not np.array_equal(*answers)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Polygon(((10, 12), (30, 32), (10, 32), (30, 12))), "polygon: crosses itself"),
        (lambda: EnclosingScribble(((10, 12),)), "enclosing-scribble: 1 vertices; give three or more"),
        (lambda: Click((20, 99)), "click: position .* lies outside the image"),
        (lambda: CutLine((1, 1), (5, 5)), "cut-line: this model cannot use it; give click, .*boundary-scribble"),
    ],
)
def test_bad_prompts_are_refused_in_one_line_and_change_nothing(make: object, message: str) -> None:
    session = InteractiveSession(model()).set_image(image())
    session.add(ENCLOSURES["box"])
    before, turns = session.segmentation(), session.turns
    with pytest.raises(DataError, match=message) as refused:
        session.add(make())  # type: ignore[operator]
    assert "\n" not in str(refused.value)
    assert session.segmentation() is before
    assert session.turns == turns
    with pytest.raises(DataError, match="the mask is empty; leave it out"):
        session.start_from(np.zeros(SHAPE, np.bool_), object="empty")
    assert session.objects == ("1",)


def test_the_published_radii_are_the_defaults() -> None:
    """Chapter 6: 80 pixels of the crop for the region, 10 for the boundary."""
    scales = {(cue.role, cue.scale) for cue in MMIIS().encoding.cues if cue.scale is not None}
    assert scales == {("foreground", 80.0), ("background", 80.0), ("boundary", 80.0), ("boundary", 10.0)}


def test_a_session_of_every_mode_replays() -> None:
    method = model()
    session = InteractiveSession(method).set_image(image())
    session.add(ENCLOSURES["enclosing-scribble"])
    session.add(Scribble((((20, 12), (24, 15)),)), Click((9, 9), Side.BOUNDARY))
    session.add(Scribble((((12, 22), (13, 25)),), Side.BOUNDARY))
    log = SessionLog.from_json(session.log({"name": "MMIIS"}).to_json())
    again = replay(method, image(), None, log)
    np.testing.assert_array_equal(again.segmentation().probability, session.segmentation().probability)


@pytest.mark.parametrize("name", ["polygon", "enclosing-scribble"])
def test_a_line_on_one_slice_locates_the_object_in_a_volume(name: str) -> None:
    """It says nothing of the other slices: their guidance is 0, and the crop keeps all of them."""
    method = model(3, margin_voxel=2.0)
    volume = np.random.default_rng(0).random((10, 40, 44), dtype=np.float32)
    flat = ENCLOSURES[name]
    line = replace(flat, vertices=tuple((4, *vertex) for vertex in flat.vertices))
    crop = method.encoding.crop([line], volume.shape, (3.0, 1.0, 1.0))
    assert crop.window == (slice(0, 10), slice(8, 33), slice(10, 35))
    whole = Crop.whole(volume.shape)
    guidance = Guidance(volume.shape, [line, replace(line, vertices=tuple((6, *v[1:]) for v in line.vertices))])
    maps = method.encoding.encode(torch.from_numpy(volume)[None], (3.0, 1.0, 1.0), guidance, whole).cues
    signed = maps[list(ENCLOSURES).index(name)]
    assert [float(part.abs().max()) for part in signed] == [0, 0, 0, 0, 1, 0, 1, 0, 0, 0]
    assert signed[4, 20, 20] == signed[6, 20, 20] == 1
    assert signed[4, 2, 2] == -1
    session = InteractiveSession(method).set_image(volume, (3.0, 1.0, 1.0))
    assert session.add(line).probability[0, 20, 20] > 0


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_distorted_masks_are_as_wrong_as_told(share: float) -> None:
    truth = disc()
    dice = []
    for seed in range(30):
        coarse = distorted(truth, np.random.default_rng(seed), np.ones(2), share)
        dice.append(2 * (coarse & truth).sum() / (coarse.sum() + truth.sum()))
    if share == 0:
        assert min(dice) == 1
    else:
        assert 0.3 < min(dice) < 0.9
        assert max(dice) > 0.95
        assert len(set(dice)) > 20


def test_some_samples_begin_from_a_mask_of_another_method() -> None:
    method = model(outside_share=0.5)
    labels = disc().astype(np.uint8)
    samples = [
        method.annotator.make(torch.from_numpy(image())[None], labels, "a", (1.0, 1.0), np.random.default_rng(seed))
        for seed in range(30)
    ]
    given = [bool(sample["cues"][7].any()) for sample in samples]
    assert 8 < sum(given) < 22
    batch = collate(samples[:4])
    terms = method.losses(batch)
    assert set(terms) == {"initial", "repaired"}
    used = {kind for sample in samples for kind in range(3) if sample["cues"][kind].any()}
    assert used == {0, 1, 2}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"repaired": "both"}, "repaired"),
        ({"outside_share": 1.5}, "outside_share"),
        ({"width": 0}, "width"),
        ({"modes": ("lasso",)}, "modes: lasso"),
        ({"region_radius_voxel": 0.0}, "scale"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        model(**settings)
