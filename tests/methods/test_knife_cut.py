"""KnifeCut in a session: what a line changes, what it keeps, the choice of answers, and its training samples."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lesslabel.data.batch import EvaluationBatch, collate
from lesslabel.data.case import IGNORE
from lesslabel.errors import ConfigError, DataError
from lesslabel.interaction import Box, Click, CutLine, InteractiveSession, Polygon, Scribble, SessionLog, replay
from lesslabel.interaction.crop import Crop
from lesslabel.interaction.guidance import Guidance
from lesslabel.interaction.robots import ThinParts, expanded_parts
from lesslabel.interaction.thin_objects import start_with_errors
from lesslabel.methods import KnifeCut
from lesslabel.networks import UNet

Mask = NDArray[np.bool_]
_y, _x = np.indices((48, 64))
BODY = np.hypot(_y - 24, _x - 16) <= 12
STEM = (_y >= 23) & (_y <= 24) & (_x >= 28) & (_x <= 58)
TREE = BODY | STEM
IMAGE = (100 * TREE + np.random.default_rng(0).normal(0, 8, TREE.shape)).astype(np.float32)
LINE = CutLine((20.0, 44.0), (28.0, 44.0))
ONE = np.ones(2)


def method(**settings) -> KnifeCut:
    torch.manual_seed(0)
    shape = UNet(channels=(4, 8), encoder_dropout=(0.0, 0.0), normalisation="instance")
    small = {"stride": 2, "width": 4, "depth": 3, "normalisation": "instance"}
    return KnifeCut(network=shape, **{**small, **settings})


def set_output(model: KnifeCut, block: str, value: float) -> None:
    """Let a block predict the same logit everywhere."""
    last = model.cutter.blocks[block].later[-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.constant_(last.bias, value)


def started(model: KnifeCut, start: Mask = BODY) -> InteractiveSession:
    session = InteractiveSession(model).set_image(IMAGE)
    session.start_from(start)
    return session


@pytest.mark.parametrize("size_voxel", [None, (40, 40)])
@pytest.mark.parametrize("branch", ["local", "global"])
def test_without_a_repair_the_mask_stays_bit_for_bit(size_voxel, branch) -> None:
    model = method(serve=branch, size_voxel=size_voxel)
    set_output(model, f"repair_{branch}", -1e4)
    answer = started(model).add(LINE)
    np.testing.assert_array_equal(answer.mask, BODY)
    np.testing.assert_array_equal(answer.probability, BODY.astype(np.float32))


def test_where_all_is_repaired_the_answer_is_the_refined_result() -> None:
    model = method()
    set_output(model, "repair_local", 1e4)
    set_output(model, "refine_local", 2.0)
    answer = started(model).add(LINE)
    np.testing.assert_allclose(answer.probability, 1 / (1 + np.exp(-2.0)), rtol=1e-5)
    assert answer.mask.all()


def test_both_answers_are_offered_and_the_chosen_one_is_the_next_mask() -> None:
    model = method()
    for block, value in {"repair_local": -1e4, "repair_global": 1e4, "refine_global": 9.0}.items():
        set_output(model, block, value)
    session = started(model)
    local = session.add(LINE)
    assert set(local.alternatives) == {"local", "global"}
    np.testing.assert_array_equal(local.mask, BODY)
    chosen = session.choose("global")
    assert chosen.mask.all()
    assert session.segmentation() is chosen
    np.testing.assert_array_equal(session.choose("local").mask, BODY)
    session.choose("global")
    again = session.add(LINE)
    assert again.mask.all()  # the local branch keeps the mask before it, which is the chosen one
    assert session.undo().mask.all()
    np.testing.assert_array_equal(session.undo().mask, BODY)
    assert session.redo().mask.all()  # the choice belongs to the turn
    served = started(method(serve="global"))
    served.add(LINE)
    assert served.segmentation().alternatives["global"].probability is not None


def test_a_choice_is_in_the_log_and_replayed(tmp_path) -> None:
    model = method()
    session = started(model)
    session.add(LINE)
    session.choose("global")
    session.add(CutLine((20.0, 50.0), (28.0, 52.0)))
    session.log({"name": "knife"}).write(tmp_path / "log.json")
    log = SessionLog.read(tmp_path / "log.json")
    assert [getattr(turn, "choice", None) for turn in log.turns] == [None, "global", None]
    again = replay(model, IMAGE, None, log)
    np.testing.assert_array_equal(again.segmentation().probability, session.segmentation().probability)
    assert session.log({"name": "knife"}).to_json()["version"] == 3
    session.undo()
    session.choose("local")
    session.undo()
    assert session.log({"name": "knife"}).to_json()["version"] == 2  # as before there were choices


def test_answers_that_are_not_offered_are_refused_and_change_nothing() -> None:
    session = started(method())
    with pytest.raises(DataError, match="no answer 'global' to choose; this model offers one answer alone"):
        session.choose("global")
    before = session.add(LINE)
    with pytest.raises(DataError, match="no answer 'other' to choose; this model offers local, global"):
        session.choose("other")
    with pytest.raises(DataError, match="no such object"):
        session.choose("local", object="2")
    assert session.segmentation() is before


@pytest.mark.parametrize("line", [CutLine((-3.0, 4.0), (8.0, 4.0)), CutLine((4.0, 4.0), (4.0, 64.6))])
def test_a_line_outside_the_image_is_refused_in_one_line_and_changes_nothing(line: CutLine) -> None:
    session = started(method())
    before, turns = session.add(LINE), session.turns
    with pytest.raises(DataError, match="outside the image") as error:
        session.add(line)
    assert "\n" not in str(error.value)
    assert session.segmentation() is before
    assert session.turns == turns


def test_an_empty_start_mask_is_refused_in_one_line_and_changes_nothing() -> None:
    session = InteractiveSession(method()).set_image(IMAGE)
    with pytest.raises(DataError, match="the mask is empty") as error:
        session.start_from(np.zeros_like(BODY))
    assert "\n" not in str(error.value)
    assert session.objects == ()


def test_a_turn_uses_its_own_line_and_the_mask_before_it_alone() -> None:
    model = method()
    session = started(model)
    session.add(LINE)
    first = session.segmentation().mask
    second = session.add(CutLine((18.0, 50.0), (30.0, 54.0)))
    fresh = InteractiveSession(model).set_image(IMAGE)
    if first.any():
        fresh.start_from(first)
    alone = fresh.add(CutLine((18.0, 50.0), (30.0, 54.0)))
    np.testing.assert_array_equal(second.probability, alone.probability)


def test_the_network_runs_once_for_an_image_and_all_its_lines() -> None:
    model, runs = method(), []
    model.network.register_forward_hook(lambda *_: runs.append(1))
    model.network.encoder.register_forward_hook(lambda *_: runs.append(1))
    session = started(model)
    for x in (40.0, 45.0, 50.0):
        session.add(CutLine((20.0, x), (28.0, x)))
    session.start_from(TREE, object="2")
    session.add(LINE, object="2")
    assert len(runs) == 1


def test_marks_of_other_prompts_serve_as_lines() -> None:
    model = method()
    scribble = Scribble((((20.0, 44.0), (28.0, 44.0)),))
    np.testing.assert_array_equal(started(model).add(LINE).probability, started(model).add(scribble).probability)
    assert np.isfinite(started(model).add(Click((24.0, 44.0))).probability).all()


def test_the_distance_map_of_a_patch_is_that_of_the_whole_image() -> None:
    encoding = method(reach_voxel=20.0).encoding

    def distance_in(shape: tuple[int, int]) -> NDArray[np.float32]:
        encoded = encoding.encode(
            torch.zeros(1, *shape),
            (1.0, 1.0),
            Guidance(shape, (CutLine((20.0, 10.0), (28.0, 10.0)),)),
            Crop.whole(shape),
        )
        return encoded.cues[1].numpy()

    patch, whole = distance_in((48, 40)), distance_in((400, 500))
    np.testing.assert_array_equal(patch, whole[:48, :40])
    np.testing.assert_allclose(patch[24, 10:32], np.maximum(1 - np.arange(22) / 20, 0), atol=1e-6)


def test_enclosures_are_no_lines() -> None:
    session = started(method())
    before = session.segmentation()
    for enclosure in (Box((4.0, 4.0), (40.0, 60.0)), Polygon(((4.0, 4.0), (40.0, 4.0), (40.0, 60.0)))):
        with pytest.raises(DataError, match=r"this model cannot use it; give click, .*cut-line$"):
            session.add(enclosure)
        assert session.segmentation() is before


# Training


def sample_of(model: KnifeCut, seed: int, labels: NDArray[np.uint8] | None = None):
    given = TREE.astype(np.uint8) if labels is None else labels
    return model.annotator.make(torch.from_numpy(IMAGE)[None], given, "a", (1.0, 1.0), np.random.default_rng(seed))


def test_a_sample_holds_the_mask_with_errors_a_line_across_one_and_the_regions() -> None:
    model = method(wide_share=1.0)
    kinds = set()
    for seed in range(40):
        sample = sample_of(model, seed)
        line, distance, before = (each.numpy() for each in sample["cues"])
        thin, own, every = (each.numpy() > 0 for each in sample["derived"])
        truth = sample["target"].numpy() == 1
        np.testing.assert_array_equal(thin, ThinParts().of(TREE))
        wrong = (before > 0) ^ truth
        assert (wrong & own).any()
        assert not (own & ~every).any()
        assert not (every & truth & ~thin).any()
        assert line.any()
        assert (distance[line > 0] == 1).all()
        wide, missing = ~truth & (before > 0), truth & ~(before > 0)
        kinds |= {name for name, each in (("missing", missing), ("wide", wide)) if each.any()}
        assert (before > 0)[truth & ~thin].all()  # the body is there
    assert kinds == {"missing", "wide"}


def test_masks_with_errors_are_wrong_at_thin_parts_alone() -> None:
    parts = expanded_parts(TREE, ThinParts().of(TREE), ONE)
    masks = [start_with_errors(TREE, parts, ONE, np.random.default_rng(seed), 0.5) for seed in range(60)]
    region = np.logical_or.reduce([part.region_in(TREE.shape) for part in parts])
    assert all((mask ^ TREE).any() and not ((mask ^ TREE) & ~region).any() for mask in masks)
    part = ThinParts().of(TREE)
    shares = [1 - (mask & part).sum() / part.sum() for mask in masks]
    assert 0.2 < np.mean(np.array(shares) == 1) < 0.9
    assert any(0 < share < 1 for share in shares)


def test_an_object_without_thin_parts_is_one_and_unknown_voxels_are_not_cut() -> None:
    model = method()
    sample = sample_of(model, 0, BODY.astype(np.uint8))
    np.testing.assert_array_equal(sample["derived"][0].numpy() > 0, BODY)
    labels = TREE.astype(np.uint8)
    labels[:, 36:] = IGNORE
    sample = sample_of(model, 3, labels)
    assert torch.isfinite(sum(model.losses(collate([sample])).values()))


def test_the_terms_are_those_of_the_equations_with_their_weights() -> None:
    batch = collate([sample_of(method(), seed) for seed in range(2)])
    terms = {name: float(term.detach()) for name, term in method().losses(batch).items()}
    halved = method(line_weight=5.0, local_weight=0.5, global_weight=0.25).losses(batch)
    assert list(terms) == ["line", "local", "global"]
    for name, factor in {"line": 0.5, "local": 0.5, "global": 0.25}.items():
        assert float(halved[name].detach()) == pytest.approx(factor * terms[name], rel=1e-5)
    model = method()
    set_output(model, "line", 0.0)
    line = batch["cues"][:, 0]
    expected = 10 * float(line.sum()) * np.log(2) / line.numel()  # eq. 5.12, 5.13
    assert float(model.losses(batch)["line"].detach()) == pytest.approx(expected, rel=1e-5)


def test_it_learns_to_repair_one_image() -> None:
    model = method(stride=1, width=8)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for step in range(130):
        optimiser.zero_grad()
        sum(model.losses(collate([sample_of(model, step)])).values()).backward()
        optimiser.step()
    answer = started(model.eval()).add(LINE)
    assert (answer.mask & STEM).sum() > 0.8 * (STEM & ~BODY).sum()
    assert (answer.mask & ~TREE).sum() < 0.1 * TREE.sum()


def test_a_case_is_tested_from_the_object_without_its_thin_parts() -> None:
    model = method()
    set_output(model, "repair_local", -1e4)
    batch = EvaluationBatch(
        image=torch.from_numpy(IMAGE)[None, None, None],
        uid="a",
        patient="p",
        native_shape=(1, *TREE.shape),
        spacing_mm=(1.0, 1.0, 1.0),
        reference=torch.from_numpy(TREE.astype(np.uint8))[None],
        annotated_labels=torch.tensor([True, True]),
    )
    _, labels = model.predict_case(batch)
    np.testing.assert_array_equal(labels[0].numpy() == 1, TREE & ~ThinParts().of(TREE))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"serve": "both"}, "serve"),
        ({"prompt": "box"}, "prompt"),
        ({"reach_voxel": 0.0}, "reach_voxel"),
        ({"stride": 0}, "stride"),
        ({"depth": 1}, "depth"),
        ({"wide_share": 2.0}, "wide_share"),
        ({"line_weight": -1.0}, "line_weight"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, named) -> None:
    with pytest.raises(ConfigError, match=rf"model\.{named}"):
        method(**settings)
