"""What every interactive method promises, in 2D and 3D. A new method adds one row."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import pytest
import torch

from lesslabel.data.batch import EvaluationBatch, collate
from lesslabel.data.case import IGNORE
from lesslabel.errors import ConfigError, DataError
from lesslabel.interaction import (
    KINDS,
    ROBOTS,
    Box,
    Click,
    CutLine,
    InteractiveSession,
    Scribble,
    SessionLog,
    Side,
    replay,
)
from lesslabel.interaction.encoding import CueName
from lesslabel.interaction.focus_view import FocusSettings
from lesslabel.interaction.graph_cut import graph_cut
from lesslabel.interaction.information_fusion import information_fusion
from lesslabel.methods import (
    MMIIS,
    ClickMaps,
    EdgeFlow,
    FCANet,
    FeatureAware,
    FocusCut,
    GeneralClicker,
    GPInteractive,
    InteractiveMethod,
    KnifeCut,
    MIDeepSeg,
)
from lesslabel.methods.interactive import mideepseg
from lesslabel.networks import UNet

SIZE = {2: (16, 16), 3: (8, 16, 16)}
IMAGE = {2: (30, 34), 3: (9, 24, 26)}
SPACING = {2: (1.5, 1.5), 3: (3.0, 1.0, 1.0)}


@dataclass(frozen=True)
class Row:
    """A method, how to make it, and how often its network runs in three turns of one object."""

    name: str
    make: Callable[..., InteractiveMethod]
    network_runs: int = 3


CUT = {"stride": 2, "width": 4, "depth": 3, "normalisation": "instance"}
MASK_GUIDED = {"form": "gaussian", "previous_mask": True, "own_clicks": 2, "loss": "normalised_focal"}
NARROW = {"stride": 2, "width": 6, "normalisation": "instance"}
FLOW = {"stem_channels": 4, "normalisation": "instance"}
FIRST_CLICK = {"attention_channels": (4, 6), "attention_normalisation": "instance"}
MODES = {"width": 6, "normalisation": "instance", "region_radius_voxel": 12.0, "boundary_radius_voxel": 4.0}


def general(size_voxel: tuple[int, ...], **settings) -> GeneralClicker:
    return GeneralClicker(grid_voxel=size_voxel[-1], **settings)


ROWS = [
    Row("mideepseg", MIDeepSeg, 1),
    Row("mideepseg graph cut", lambda **settings: MIDeepSeg(refinement="graph_cut", **settings), 1),
    *(
        Row(f"mideepseg {cue}", lambda cue=cue, **settings: MIDeepSeg(cue=cue, **settings), 1)
        for cue in get_args(CueName)
        if cue != "exponential_geodesic"
    ),
    Row("gaussian process", GPInteractive),
    Row("gaussian process egd", lambda **settings: GPInteractive(cue="exponential_geodesic", **settings)),
    Row("gaussian process decoupled", lambda **settings: GPInteractive(engine="decoupled", **settings)),
    Row("gaussian process cnn", lambda **settings: GPInteractive(head="cnn", **settings)),
    Row("click maps", ClickMaps),
    Row("click maps guided by the mask", lambda **settings: ClickMaps(**MASK_GUIDED, **settings)),
    Row("general clicker", general),
    Row("fca-net", lambda **settings: FCANet(**FIRST_CLICK, **settings)),
    Row("feature aware", lambda **settings: FeatureAware(**NARROW, **settings), 1),
    Row("feature aware without refinement", lambda **settings: FeatureAware(**NARROW, refine=False, **settings), 1),
    Row("feature aware, frozen", lambda **settings: FeatureAware(**NARROW, frozen=True, **settings), 1),
    Row("edge flow", lambda **settings: EdgeFlow(**FLOW, **settings)),
    Row("edge flow, edge of the mask", lambda **settings: EdgeFlow(edge="mask", **FLOW, **settings)),
    Row("edge flow, coarse", lambda **settings: EdgeFlow(stage="coarse", late_fusion=False, **FLOW, **settings)),
    Row("edge flow, sobel", lambda **settings: EdgeFlow(edge="sobel", **FLOW, **settings)),
    Row("edge flow, no edge", lambda **settings: EdgeFlow(edge="none", **FLOW, **settings)),
    Row("focus cut", FocusCut, 5),
    Row("focus cut fast", lambda **settings: FocusCut(focus=FocusSettings(progress="fast"), **settings), 5),
    Row("focus cut standard", lambda **settings: FocusCut(focus=FocusSettings(progress="standard"), **settings), 5),
    Row("focus cut, global view", lambda **settings: FocusCut(focus=None, **settings)),
    Row("knife cut", lambda **settings: KnifeCut(**CUT, **settings), 1),
    Row("knife cut, global", lambda **settings: KnifeCut(serve="global", distance=False, **CUT, **settings), 1),
    Row("knife cut by clicks", lambda **settings: KnifeCut(prompt="click", similarity=False, **CUT, **settings), 1),
    Row("mmiis", lambda **settings: MMIIS(**MODES, **settings), 1),
    Row("mmiis, last mask", lambda **settings: MMIIS(**MODES, repaired="last", outside_share=1.0, **settings), 1),
    Row("fca-net base", lambda **settings: FCANet(first_click_attention=False, click_loss=False, **settings)),
]

every_method = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
both_dimensions = pytest.mark.parametrize("dimensions", [2, 3])


def make(row: Row, dimensions: int, **settings) -> InteractiveMethod:
    torch.manual_seed(0)
    shape = UNet(
        dimensions=dimensions,  # type: ignore[arg-type]
        channels=(4, 8),
        encoder_dropout=(0.2, 0.2),
        normalisation="instance",
    )
    return row.make(**{"in_channels": 1, "size_voxel": SIZE[dimensions], "network": shape, **settings})


def truth_of(dimensions: int) -> np.ndarray:
    shape = IMAGE[dimensions]
    return (
        sum(((axis - length / 2) / length) ** 2 for axis, length in zip(np.indices(shape), shape, strict=True)) < 0.07
    )


def image_of(dimensions: int) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 8, IMAGE[dimensions])
    return (100 * truth_of(dimensions) + noise)[None].astype(np.float32)


def prompts_of(method: InteractiveMethod, seed: int = 0):
    dimensions = method.dimensions
    rng = np.random.default_rng(seed)
    return method.first_robot.annotate(truth_of(dimensions), rng, spacing_mm=SPACING[dimensions])


def session_on(method: InteractiveMethod, image: np.ndarray | None = None) -> InteractiveSession:
    dimensions = method.dimensions
    return InteractiveSession(method).set_image(image_of(dimensions) if image is None else image, SPACING[dimensions])


def sample_of(method: InteractiveMethod, seed: int = 0, *, labelled: bool = True):
    dimensions = method.dimensions
    labels = truth_of(dimensions).astype(np.uint8) if labelled else np.full(IMAGE[dimensions], IGNORE, np.uint8)
    image = torch.from_numpy(image_of(dimensions))
    return method.annotator.make(image, labels, "a", SPACING[dimensions], np.random.default_rng(seed))


def test_every_method_that_is_written_has_a_row():
    def kinds(kind):
        return {kind, *(deeper for below in kind.__subclasses__() for deeper in kinds(below))}

    shipped = {kind for kind in kinds(InteractiveMethod) if kind.__module__.startswith("lesslabel.")}
    assert shipped - {InteractiveMethod} == {type(make(row, 2)) for row in ROWS}


@every_method
@both_dimensions
def test_a_batch_gives_finite_terms_and_a_gradient_in_every_weight(row, dimensions):
    method = make(row, dimensions).train()
    terms = method.losses(collate([sample_of(method, seed) for seed in range(3)]))
    assert all(term.ndim == 0 and torch.isfinite(term) for term in terms.values())
    sum(terms.values()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in method.parameters() if p.requires_grad)


@every_method
def test_a_sample_without_an_object_adds_nothing(row):
    method = make(row, 2).eval()
    samples = [sample_of(method, seed) for seed in range(2)]
    alone = method.losses(collate(samples))
    mixed = method.losses(collate([*samples, sample_of(method, 9, labelled=False)]))
    assert {name: float(term) for name, term in mixed.items()} == pytest.approx(
        {name: float(term) for name, term in alone.items()}, rel=1e-4
    )


@every_method
def test_a_batch_without_any_object_gives_zero(row):
    method = make(row, 2).train()
    terms = method.losses(collate([sample_of(method, seed, labelled=False) for seed in range(2)]))
    assert float(sum(terms.values())) == pytest.approx(0, abs=1e-6)


@every_method
@both_dimensions
def test_an_object_is_segmented_on_the_image(row, dimensions):
    method = make(row, dimensions).train()
    session = session_on(method)
    click = Click(tuple(float(length // 2) for length in IMAGE[dimensions]))
    for segmentation in (session.add(*prompts_of(method)), session.add(click), session.add(click)):
        for field in (segmentation.mask, segmentation.probability, segmentation.uncertainty):
            assert field.shape == IMAGE[dimensions]
            assert np.isfinite(field).all()
        assert segmentation.mask.dtype == np.bool_
        assert segmentation.probability.min() >= 0
        assert segmentation.probability.max() <= 1
        assert segmentation.uncertainty.min() >= 0
    assert method.training  # it came back as it was


@every_method
@both_dimensions
def test_answers_are_a_function_of_what_was_said(row, dimensions):
    method = make(row, dimensions).train()  # dropout must not matter
    clicks = [Click((4.0,) * dimensions, Side.BACKGROUND), Click(tuple(n / 2 for n in IMAGE[dimensions]))]
    session = session_on(method)
    first = session.add(*prompts_of(method))
    session.add(Click((3.0,) * dimensions))
    session.undo()
    after = session.add(*clicks)
    fresh = session_on(method)
    np.testing.assert_array_equal(first.probability, fresh.add(*prompts_of(method)).probability)
    again = fresh.add(*clicks)
    np.testing.assert_array_equal(after.probability, again.probability)
    np.testing.assert_array_equal(after.mask, again.mask)


@every_method
def test_the_network_runs_once_unless_corrections_are_its_input(row):
    method = make(row, 2)
    runs = []
    method.network.encoder.register_forward_hook(lambda *_: runs.append(1))
    session = session_on(method)
    session.add(*prompts_of(method))
    session.add(Click(tuple(n / 2 for n in IMAGE[2])))
    session.add(Click((15.0, 20.0)))
    session.undo()
    session.redo()
    assert len(runs) == row.network_runs


@every_method
def test_a_correction_outside_the_crop_widens_it(row):
    method = make(row, 2)
    session = session_on(method)
    box = [Box((12.0, 14.0), (18.0, 20.0))] if "box" in method.kinds else []
    first = session.add(*box, Click((15.0, 17.0)))
    assert (first.probability[1, 1] == 0) == (method.encoding.field == "object")
    widened = session.add(Click((1.0, 1.0), Side.FOREGROUND))
    assert widened.probability[1, 1] > 0


@pytest.mark.parametrize("name", ["mideepseg", "mideepseg graph cut"])
def test_clicks_are_obeyed_by_the_cut(name):
    method = make(next(row for row in ROWS if row.name == name), 2)
    session = session_on(method)
    session.add(*prompts_of(method))
    mask = session.add(Click((15.0, 17.0)), Click((6.0, 8.0), Side.BACKGROUND)).mask
    assert mask[15, 17]
    assert not mask[6, 8]


def test_clicks_are_obeyed_where_the_grid_is_coarser_than_the_image():
    method = make(next(row for row in ROWS if row.name == "mideepseg"), 2)
    session = session_on(method)
    session.add(Box((0.0, 0.0), (29.0, 33.0)))
    beside = [Click((15.0, 16.0), Side.BACKGROUND), Click((15.0, 18.0), Side.BACKGROUND)]
    mask = session.add(Click((15.0, 17.0)), *beside).mask
    assert mask[15, 16:19].tolist() == [False, True, False]


def test_corrections_of_mideepseg_are_fused_and_cut_with_its_settings(monkeypatch):
    fused, cuts = [], []

    def fuse(*given, **settings):
        fused.append(settings)
        return information_fusion(*given, **settings)

    def cut(*given, **settings):
        cuts.append((given, settings))
        return graph_cut(*given, **settings)

    monkeypatch.setattr(mideepseg, "information_fusion", fuse)
    monkeypatch.setattr(mideepseg, "graph_cut", cut)
    method = make(Row("set", MIDeepSeg), 3, fusion_weight=7.0, smoothness=2.0, smoothness_sigma=0.3)
    session = session_on(method)
    session.add(*prompts_of(method))
    assert not cuts
    session.add(Click((4.0, 12.0, 13.0)), Click((4.0, 6.0, 6.0), Side.BACKGROUND))
    assert fused == [{"intensity_weight": 7.0}]
    (((values, image), settings),) = cuts
    seeds = settings.pop("foreground_seeds"), settings.pop("background_seeds")
    assert seeds[0].sum() >= 2
    assert seeds[1].sum() == 1
    assert values[seeds[0]].min() > values[seeds[1]].max()
    assert image.shape == (1, *SIZE[3])
    spacing = settings.pop("spacing")
    assert settings == {"weight": 2.0, "sigma": 0.3}
    assert min(spacing) == 1.0
    assert max(spacing) > 1.2


def test_a_click_moves_the_gaussian_process_towards_it():
    method = make(next(row for row in ROWS if row.name == "gaussian process"), 2)
    session = session_on(method)
    place = (10, 17)
    before = session.add(*prompts_of(method)).probability[place]
    assert session.add(Click((10.0, 17.0), Side.BACKGROUND)).probability[place] < before
    session.undo()
    assert session.add(Click((10.0, 17.0), Side.FOREGROUND)).probability[place] > before


@every_method
@both_dimensions
def test_the_intensity_scale_of_an_image_does_not_matter(row, dimensions):
    method = make(row, dimensions)
    image = image_of(dimensions)
    first = session_on(method, image).add(*prompts_of(method))
    scaled = session_on(method, image * 4 - 1024).add(*prompts_of(method))
    np.testing.assert_allclose(first.probability, scaled.probability, atol=2e-3)


@every_method
@both_dimensions
def test_a_session_replays_bit_for_bit(row, dimensions, tmp_path):
    method = make(row, dimensions)
    image = image_of(dimensions)
    session = InteractiveSession(method).set_image(image[0], SPACING[dimensions])
    session.add(*prompts_of(method))
    session.add(Click((4.0,) * dimensions, Side.BACKGROUND))
    suggestion = session.next_click_suggestion()
    assert suggestion is not None
    session.add(Click(tuple(map(float, suggestion))))
    session.add(*prompts_of(method, seed=1), object="second")
    session.undo()
    session.redo()
    session.log({"name": row.name}).write(tmp_path / "log.json")
    again = replay(method, image[0], SPACING[dimensions], SessionLog.read(tmp_path / "log.json"))
    for name in session.objects:
        np.testing.assert_array_equal(session.segmentation(name).probability, again.segmentation(name).probability)
    np.testing.assert_array_equal(session.labels(), again.labels())


@every_method
def test_scribbles_can_be_the_first_prompts(row):
    method = make(row, 2)
    strokes = [
        Scribble((((12.0, 14.0), (18.0, 20.0)),), Side.FOREGROUND),
        Scribble((((4.0, 4.0), (4.0, 30.0)),), Side.BACKGROUND),
    ]
    assert np.isfinite(session_on(method).add(*strokes).probability).all()


@pytest.mark.parametrize("name", ["mideepseg", "gaussian process", "gaussian process cnn", "mmiis"])
@both_dimensions
def test_every_kind_of_prompt_can_come_first_and_later(name, dimensions):
    method = make(next(row for row in ROWS if row.name == name), dimensions)
    kinds = {}
    for robot in ROBOTS.values():
        for prompt in robot().annotate(truth_of(dimensions), np.random.default_rng(0), spacing_mm=SPACING[dimensions]):
            kinds[prompt.kind] = prompt
    assert set(kinds) == set(KINDS)
    usable = [prompt for kind, prompt in kinds.items() if kind in method.kinds]
    for prompt in usable:
        session = session_on(method)
        for prompts in ([prompt], usable):
            probability = session.add(*prompts).probability
            assert probability.min() >= 0
            assert probability.max() <= 1


@every_method
def test_kinds_that_a_method_ignores_are_refused_and_change_nothing(row):
    method = make(row, 2)
    session = session_on(method)
    session.add(*prompts_of(method))
    edge = Click((8.0, 17.0), Side.BOUNDARY)
    across = CutLine((3.0, 3.0), (8.0, 9.0))
    for prompt in (edge, across, Scribble((((8.0, 17.0), (8.0, 19.0)),), Side.BOUNDARY)):
        turns, answer = session.turns, session.segmentation()
        if prompt.kind in method.kinds:
            assert np.isfinite(session.add(prompt).probability).all()
            session.undo()
            continue
        with pytest.raises(DataError, match=f"{prompt.kind}: this model cannot use it; give click, .*scribble"):
            session.add(prompt)
        assert session.turns == turns
        assert session.segmentation() is answer
    assert {"click", "scribble"} <= set(method.kinds) <= set(KINDS)
    enclosures = {"box", "polygon", "enclosing-scribble"} & set(method.kinds)
    assert len(enclosures) == (0 if isinstance(method, KnifeCut) else 3), "no line is all that lies outside"


def test_what_is_drawn_becomes_a_bounded_number_of_clicks_of_the_gaussian_process():
    heard = []
    for most in (5, None):
        method = make(Row("few", GPInteractive), 2, most_clicks=most)
        method.head.register_forward_hook(lambda _, given, __: heard.append(given[2]))
        prompts = Box((6.0, 6.0), (24.0, 28.0)), Click((15.0, 17.0)), Click((1.0, 1.0), Side.BACKGROUND)
        session_on(method).add(*prompts)
    few, all_of_them = ((clicks == 0).sum() for clicks in heard)
    assert few == 5
    assert all_of_them > 50
    assert all((clicks == 1).sum() == 1 for clicks in heard)


@every_method
@both_dimensions
def test_a_case_is_predicted_from_what_the_first_robot_says(row, dimensions):
    method = make(row, dimensions).eval()
    depth = IMAGE[3][0]
    truth = truth_of(3)
    reference = torch.from_numpy(np.where(truth, 1, 0).astype(np.uint8))
    reference[:, :, :13][reference[:, :, :13] == 1] = 2
    batch = EvaluationBatch(
        image=torch.from_numpy(image_of(3))[None],
        uid="a",
        patient="p",
        native_shape=truth.shape,
        spacing_mm=SPACING[3],
        reference=reference,
        annotated_labels=torch.tensor([True, True, True]),
    )
    probabilities, labels = method.predict_case(batch)
    assert probabilities.shape == (3, depth, *truth.shape[1:])
    assert labels.shape == truth.shape
    assert labels.dtype == torch.uint8
    assert torch.allclose(probabilities.sum(dim=0), torch.tensor(1.0), atol=1e-5)
    again, _ = method.predict_case(batch)
    assert torch.equal(probabilities, again)


@every_method
@both_dimensions
def test_without_a_reference_nobody_can_point(row, dimensions):
    batch = EvaluationBatch(
        image=torch.from_numpy(image_of(3))[None], uid="a", patient="p", native_shape=IMAGE[3], spacing_mm=SPACING[3]
    )
    with pytest.raises(DataError, match="InteractiveSession"):
        make(row, dimensions).predict_case(batch)


@every_method
def test_bad_images_and_prompts_are_refused(row):
    method = make(row, 2)
    image = image_of(2)
    for bad in (image[0], np.concatenate([image, image]), image * np.nan):
        with pytest.raises(DataError, match="image of shape"):
            method.prepare_image(bad, SPACING[2])
    session = session_on(method)
    with pytest.raises(DataError, match="no prompt"):
        session.add()
    with pytest.raises(DataError, match="outside the image"):
        session.add(Click((100.0, 3.0)))
    session.add(*prompts_of(method))
    with pytest.raises(DataError, match="outside the image"):
        session.add(Click((3.0, 100.0)))


@every_method
@both_dimensions
def test_a_session_may_start_from_a_mask_and_undo_goes_back_to_it(row, dimensions):
    method = make(row, dimensions)
    start = np.roll(truth_of(dimensions), 2, axis=-1)
    session = session_on(method)
    np.testing.assert_array_equal(session.start_from(start).mask, start)
    corrected = session.add(Click(tuple(float(length // 2) for length in IMAGE[dimensions])))
    assert np.isfinite(corrected.probability).all()
    np.testing.assert_array_equal(session.undo().mask, start)
    session.redo()
    log = SessionLog.from_json(session.log({"name": row.name}).to_json())
    again = replay(method, image_of(dimensions)[0], SPACING[dimensions], log)
    np.testing.assert_array_equal(again.segmentation().probability, corrected.probability)


@every_method
@both_dimensions
def test_clicks_at_its_own_errors_change_the_maps_and_nothing_else(row, dimensions):
    method = make(row, dimensions).train()
    alone = [sample_of(method, seed) for seed in range(4)]
    method.annotator = replace(method.annotator, own_turns=3)
    batch = collate([sample_of(method, seed) for seed in range(4)])
    assert torch.equal(batch["cues"], collate(alone)["cues"])  # drawn last, so that all else stays as it was
    norm = torch.nn.BatchNorm2d(1)  # stands for running statistics and for a layer that is kept in evaluation
    method.network.frozen = norm.eval()
    state = {name: tensor.clone() for name, tensor in method.state_dict().items()}
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    in_training = method.network.training  # a frozen network never is
    corrected = method.prepare_batch(batch)
    assert torch.equal(torch.rand(1), expected)  # no random number of the step is used up
    assert all(torch.equal(tensor, state[name]) for name, tensor in method.state_dict().items())
    assert method.training
    assert method.network.training == in_training
    assert not norm.training
    del method.network.frozen
    again = method.prepare_batch(batch)
    assert torch.equal(corrected["cues"], again["cues"])
    assert torch.equal(corrected["clicks"], again["clicks"])
    for slot, turns in enumerate(batch["own_turns"].tolist()):
        assert turns or torch.equal(corrected["clicks"][slot], batch["clicks"][slot])
        told = corrected["clicks"][slot] != batch["clicks"][slot]
        known = batch["target"][slot] != IGNORE
        assert torch.equal(corrected["clicks"][slot][told & known].long(), batch["target"][slot][told & known])
    assert not torch.equal(corrected["clicks"], batch["clicks"])
    assert corrected["image"] is batch["image"]
    sum(method.losses(corrected).values()).backward()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"refinement": "random_walk"}, "refinement"),
        ({"cue": "egd"}, "cue"),
        ({"size_voxel": (8, 8, 8)}, "size_voxel"),
        ({"margin_voxel": -1.0}, "margin_voxel"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, named):
    with pytest.raises(ConfigError, match=named):
        MIDeepSeg(**settings)


@pytest.mark.parametrize("setting", ["head", "engine"])
def test_the_choices_of_gp_interactive_are_checked(setting):
    with pytest.raises(ConfigError, match=rf"model\.{setting}"):
        GPInteractive(**{setting: "transformer"})


def test_the_decoupled_engine_draws_in_training_alone_and_what_torch_is_seeded_with_decides():
    method = make(next(row for row in ROWS if row.name == "gaussian process decoupled"), 2)
    method.network.eval()  # without dropout
    batch = collate([sample_of(method)])

    def loss(seed: int) -> float:
        torch.manual_seed(seed)
        return float(sum(method.losses(batch).values()))

    assert loss(1) == loss(1) != loss(2)
    method.eval()
    assert loss(1) == loss(2)


@pytest.mark.parametrize("choice", [{}, {"engine": "decoupled"}, {"head": "cnn"}])
def test_parameters_that_are_not_learned_stay(choice):
    method = make(Row("fixed", GPInteractive), 2, learn_parameters=False, **choice)
    fixed = {name for name, parameter in method.named_parameters() if not parameter.requires_grad}
    parts = {"learned_cue"} if "head" in choice else {"head.kernel", "learned_cue"}
    assert {name.rpartition(".")[0] for name in fixed} == parts
    sum(method.losses(collate([sample_of(method)])).values()).backward()
