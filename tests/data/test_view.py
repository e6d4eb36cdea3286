from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesslabel.data.case import IGNORE, Annotation, Kind
from lesslabel.data.patient_lists import load_order
from lesslabel.data.store import CaseRecord
from lesslabel.data.supervision import assign_supervision
from lesslabel.data.view import Supervision, View, make_target, map_labels, require_reference, select_channels
from lesslabel.errors import ConfigError, DataError

LABELS = {1: "core", 2: "oedema", 4: "enhancing"}


def assign(view: View, records: Sequence[CaseRecord]) -> dict[str, str]:
    """The annotation of each case that shows one, where each shows one whole."""
    shown = assign_supervision(view, records)
    assert all(entry.slices is None for (entry,) in shown.values())
    return {uid: entry.annotation for uid, (entry,) in shown.items()}


def record(uid: str, patient: str, *annotations: str) -> CaseRecord:
    return CaseRecord(uid, patient, "", "", "", 1, 4, 12, 10, 10.0, 1.5, 1.25, "|".join(annotations), "")


def training(patients: int) -> list[CaseRecord]:
    """Two cases a patient, p0_a, p0_b, p1_a …, all with both annotations."""
    return [
        record(f"p{number}_{frame}", f"p{number}", "dense", "scribble") for number in range(patients) for frame in "ab"
    ]


def write_order(folder: Path, *patients: str) -> str:
    path = folder / "order.txt"
    path.write_text("# first come, first shown\n" + "\n".join(patients) + "\n")
    return str(path)


def dense_first(order: str, dense: int | None, scribble: int | None = None) -> View:
    return View([Supervision("dense", dense, order), Supervision("scribble", scribble, order)])


def test_default_shows_every_dense_label() -> None:
    assert assign(View(), training(2)) == dict.fromkeys(["p0_a", "p0_b", "p1_a", "p1_b"], "dense")


def test_budget_takes_the_first_training_patients_that_have_the_annotation(tmp_path: Path) -> None:
    records = [*training(4), record("p4_a", "p4", "scribble")]
    order = write_order(tmp_path, "elsewhere", "p4", "p3", "p1", "p0", "p2")
    view = View([Supervision("dense", 2, order)])
    assert assign(view, records) == dict.fromkeys(["p1_a", "p1_b", "p3_a", "p3_b"], "dense")


def test_an_entry_of_some_centres_leaves_the_cases_of_the_others_unlabelled(tmp_path: Path) -> None:
    records = [replace(one, centre="north" if one.patient in ("p0", "p2") else "east") for one in training(4)]
    north = ["p0_a", "p0_b", "p2_a", "p2_b"]
    assert assign(View([Supervision("dense", centres=["north"])]), records) == dict.fromkeys(north, "dense")
    both = View([Supervision("dense", centres=["north"]), Supervision("scribble")])
    others = dict.fromkeys(["p1_a", "p1_b", "p3_a", "p3_b"], "scribble")
    assert assign(both, records) == dict.fromkeys(north, "dense") | others
    one = View([Supervision("dense", 1, write_order(tmp_path, "p1", "p2", "p0"), centres=["north"])])
    assert assign(one, records) == dict.fromkeys(["p2_a", "p2_b"], "dense")
    with pytest.raises(ConfigError, match="no training case is of centre 'south'; their centres are east, north"):
        assign(View([Supervision("dense", centres=["north", "south"])]), records)


def test_few_dense_then_scribbles_then_nothing(tmp_path: Path) -> None:
    order = write_order(tmp_path, "p5", "p4", "p3", "p2", "p1", "p0")
    assigned = assign(dense_first(order, 3, 2), training(6))
    shown = {
        patient: {assigned.get(f"{patient}_{frame}") for frame in "ab"} for patient in ("p5", "p3", "p2", "p1", "p0")
    }
    assert shown == {"p5": {"dense"}, "p3": {"dense"}, "p2": {"scribble"}, "p1": {"scribble"}, "p0": {None}}


def test_dense_for_some_and_scribbles_for_all_others(tmp_path: Path) -> None:
    assigned = assign(dense_first(write_order(tmp_path, "p1", "p0"), 1), training(2))
    assert assigned == {"p1_a": "dense", "p1_b": "dense", "p0_a": "scribble", "p0_b": "scribble"}


def test_each_case_of_a_patient_shows_the_best_it_has(tmp_path: Path) -> None:
    records = [record("p0_a", "p0", "dense", "scribble"), record("p0_b", "p0", "scribble")]
    assigned = assign(dense_first(write_order(tmp_path, "p0"), 1, 1), records)
    assert assigned == {"p0_a": "dense", "p0_b": "scribble"}


def test_budget_of_zero_hides_all_even_what_does_not_exist(tmp_path: Path) -> None:
    view = View([Supervision("pseudo/run", 0, write_order(tmp_path, "p0"))])
    assert assign(view, training(1)) == {}


@given(patients=st.integers(1, 9), budget=st.integers(0, 8), seed=st.integers(0, 99))
def test_larger_budgets_contain_the_smaller(
    tmp_path_factory: pytest.TempPathFactory, patients: int, budget: int, seed: int
) -> None:
    names = np.random.default_rng(seed).permutation([f"p{number}" for number in range(patients)])
    order = write_order(tmp_path_factory.mktemp("order"), *names)
    shown = [
        set(assign(View([Supervision("dense", size, order)]), training(patients)))
        for size in (min(budget, patients), min(budget + 1, patients))
    ]
    assert shown[0] <= shown[1]
    assert len(shown[0]) == 2 * min(budget, patients)


def test_committed_order_of_acdc() -> None:
    patients = [f"patient{number:03d}" for number in range(1, 101)]
    records = [record(f"{patient}_frame01", patient, "dense") for patient in patients[20:]]
    assigned = assign(View([Supervision("dense", 7, "acdc/order_seed0")]), records)
    expected = [patient for patient in load_order("acdc/order_seed0") if patient > "patient020"][:7]
    assert sorted(assigned) == sorted(f"{patient}_frame01" for patient in expected)


def test_budget_beyond_the_order_is_refused(tmp_path: Path) -> None:
    view = View([Supervision("dense", 3, write_order(tmp_path, "p0", "p1", "elsewhere"))])
    with pytest.raises(ConfigError, match=r"budget of 3 patients for 'dense'.*lists only 2 of the training patients"):
        assign(view, training(4))


def test_annotation_that_no_training_case_has_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no training case has an annotation 'dence'; the store has dense, scribble"):
        assign(View([Supervision("dence")]), training(2))
    with pytest.raises(ConfigError, match="the store has none"):
        assign(View(), [record("p0_a", "p0")])


def test_unknown_order_is_refused() -> None:
    with pytest.raises(DataError, match=r"no file and no committed list 'acdc/order_seed9'.*acdc/order_seed0"):
        assign(View([Supervision("dense", 1, "acdc/order_seed9")]), training(2))


def test_budget_needs_a_committed_order_and_a_size() -> None:
    with pytest.raises(ConfigError, match="needs 'order'"):
        Supervision("dense", 3)
    with pytest.raises(ConfigError, match="budget of -1 patients"):
        Supervision("dense", -1, "acdc/order_seed0")


def test_labels_as_they_are() -> None:
    mapping = map_labels(View(), LABELS)
    assert mapping.names == ("background", "core", "oedema", "enhancing")
    assert mapping.codes == ((), (1,), (2,), (4,))
    assert {code: int(mapping.table[code]) for code in (0, 1, 2, 4, IGNORE)} == {0: 0, 1: 1, 2: 2, 4: 3, IGNORE: IGNORE}


def test_merged_reordered_and_dropped_labels() -> None:
    mapping = map_labels(View(labels={"enhancing": [4], "whole": [2, 1]}), LABELS)
    target = make_target(Annotation(np.array([[[0, 1, 2, 4, IGNORE]]], np.uint8), Kind.DENSE), mapping)
    assert target.labels.tolist() == [[[0, 2, 2, 1, IGNORE]]]
    only_core = map_labels(View(labels={"core": [1]}), LABELS)
    target = make_target(Annotation(np.array([[[0, 1, 2, 4, IGNORE]]], np.uint8), Kind.DENSE), only_core)
    assert target.labels.tolist() == [[[0, 1, 0, 0, IGNORE]]]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"tumour": [1, 3]}, r"class 'tumour' names code 3; the store has 1 core, 2 oedema, 4 enhancing"),
        ({"a": [1, 2], "b": [2]}, r"code 2 is in class 'b' and in another"),
        ({"a": [1, 1]}, r"code 1 is in class 'a' and in another"),
        ({"background": [0]}, r"names code 0"),
        ({"a": []}, r"class 'a' names no code"),
    ],
)
def test_bad_classes_are_refused(labels: dict[str, list[int]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        map_labels(View(labels=labels), LABELS)


def test_covered_labels_say_which_classes_are_annotated() -> None:
    mapping = map_labels(View(labels={"whole": [1, 2], "enhancing": [4]}), LABELS)
    voxels = np.zeros((1, 2, 2), np.uint8)

    def annotated(covered: tuple[int, ...] | None) -> list[bool]:
        return make_target(Annotation(voxels, Kind.DENSE, covered_labels=covered), mapping).annotated_labels.tolist()

    assert annotated(None) == [True, True, True]
    assert annotated((1, 2)) == [True, True, False]
    assert annotated((1, 4)) == [True, False, True]  # half of a merged class is not the class
    assert annotated(()) == [True, False, False]


def test_slices_that_are_not_covered_become_unknown() -> None:
    voxels = np.ones((4, 2, 2), np.uint8)
    annotation = Annotation(voxels, Kind.DENSE, covered_slices=(1, 3))
    target = make_target(annotation, map_labels(View(), LABELS))
    assert target.labels[:, 0, 0].tolist() == [IGNORE, 1, IGNORE, 1]
    assert (voxels == 1).all()  # the annotation itself is left as it was


def test_confidence_goes_along() -> None:
    confidence = np.full((1, 2, 2), 0.25, np.float32)
    annotation = Annotation(np.zeros((1, 2, 2), np.uint8), Kind.PSEUDO, confidence=confidence)
    target = make_target(annotation, map_labels(View(), LABELS))
    assert target.kind is Kind.PSEUDO
    assert target.confidence is confidence


def test_channels() -> None:
    assert select_channels(View(), ("t1", "t2", "flair")) == (0, 1, 2)
    assert select_channels(View(channels=[2, 0]), ("t1", "t2", "flair")) == (2, 0)


@pytest.mark.parametrize("channels", [[2], [-1], []])
def test_channels_that_do_not_exist_are_refused(channels: list[int]) -> None:
    with pytest.raises(ConfigError, match=r"view\.channels is .*; choose among 0 t1, 1 t2"):
        select_channels(View(channels=channels), ("t1", "t2"))


def test_reference_must_exist_somewhere() -> None:
    records = [record("a", "p0", "scribble"), record("b", "p1", "dense", "scribble")]
    require_reference(View(), records, "test")
    require_reference(View(), [], "validation")
    with pytest.raises(ConfigError, match=r"no test case has an annotation 'dense'; they have scribble"):
        require_reference(View(), records[:1], "test")
