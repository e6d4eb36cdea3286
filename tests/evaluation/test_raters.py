"""Agreement between raters: by hand, against medpy, on what is unknown, and through the command line."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from lesslabel.cli import main
from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.store import Store
from lesslabel.data.store.prepare import prepare
from lesslabel.errors import ConfigError, DataError
from lesslabel.evaluation import segmentation_metrics
from lesslabel.evaluation.raters import compare_raters, render_raters, summarise_raters, tabulate_raters

SHAPE = (3, 8, 10)
SPACING_MM = (4.0, 2.0, 1.0)


class Rated(Source):
    """Cases that are at hand already."""

    name = "rated"
    labels: Mapping[int, str] = {1: "GTV", 2: "node"}

    def __init__(self, cases: Sequence[Case], labels: Mapping[int, str]) -> None:
        self.raw, self.cases, self.labels = Path("rated"), {case.uid: case for case in cases}, labels

    def list_cases(self) -> list[RawCase]:
        return [RawCase(case.uid, case.patient) for case in self.cases.values()]

    def read(self, raw: RawCase) -> Case:
        return self.cases[raw.uid]


def bar(first: int, last: int, label: int = 1) -> NDArray[np.uint8]:
    """A bar along x in one row of the middle slice."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[1, 4, first:last] = label
    return labels


def make_case(uid: str, spacing_mm: tuple[float, float, float] = SPACING_MM, **labels: NDArray[np.uint8]) -> Case:
    annotations = {name: Annotation(array, Kind.DENSE) for name, array in labels.items()}
    shape = next(iter(labels.values())).shape if labels else SHAPE
    image = np.arange(np.prod(shape), dtype=np.float32).reshape(1, *shape)
    return Case(uid, uid.partition("_")[0], image, spacing_mm, annotations=annotations)


def change(case: Case, name: str, **settings: object) -> Case:
    """The case with an annotation made anew."""
    old = case.annotations[name]
    new = Annotation(**{"labels": old.labels, "kind": old.kind, **settings})
    return Case(case.uid, case.patient, case.image, case.spacing_mm, annotations={**case.annotations, name: new})


@pytest.fixture
def make_store(tmp_path: Path):
    def make(*cases: Case, labels: Mapping[int, str] = Rated.labels) -> Store:
        return prepare(Rated(cases, labels), tmp_path / "store")[0]

    return make


def scores(frame: pd.DataFrame, first: str, second: str, label: str = "GTV") -> list[list[float]]:
    rows = frame[(frame["first"] == first) & (frame["second"] == second) & (frame["label"] == label)]
    return rows[["dice", "hd95"]].to_numpy().tolist()


def test_pairs_by_hand(make_store) -> None:
    store = make_store(make_case("p1", a=bar(0, 4), b=bar(2, 6), c=bar(0, 4)))
    frame = compare_raters(store)
    assert list(frame.columns) == ["uid", "patient", "first", "second", "label", "dice", "hd95"]
    assert (
        list(zip(frame["first"], frame["second"], strict=True))
        == [("a", "b")] * 2 + [("a", "c")] * 2 + [("b", "c")] * 2
    )
    # four voxels each, two in common; the distances of both borders are 2, 1, 0, 0 and 0, 0, 1, 2 mm
    assert scores(frame, "a", "b") == [[0.5, pytest.approx(2.0)]]
    assert scores(frame, "a", "c") == [[1.0, 0.0]]
    assert scores(frame, "a", "b", "node") == [[pytest.approx(np.nan, nan_ok=True)] * 2]


def test_a_label_that_one_rater_left_out(make_store) -> None:
    store = make_store(make_case("p1", a=bar(0, 4), b=bar(0, 4, label=2)))
    diagonal_mm = np.linalg.norm(np.multiply(SHAPE, SPACING_MM))
    assert scores(compare_raters(store), "a", "b") == [[0.0, pytest.approx(diagonal_mm)]]


def test_the_order_of_a_pair_means_nothing(make_store) -> None:
    rng = np.random.default_rng(0)
    store = make_store(make_case("p1", **{name: rng.integers(0, 3, SHAPE).astype(np.uint8) for name in "ab"}))
    forth, back = compare_raters(store, ["a", "b"]), compare_raters(store, ["b", "a"])
    assert set(back["first"]) == {"b"}
    np.testing.assert_allclose(forth[["dice", "hd95"]], back[["dice", "hd95"]])


def test_agrees_with_medpy(make_store) -> None:
    binary = pytest.importorskip("medpy.metric.binary")
    rng = np.random.default_rng(1)
    blobs = {}
    for name in "abc":
        labels = np.zeros((6, 20, 24), np.uint8)
        z, y, x = rng.integers(1, 3), *rng.integers(2, 8, 2)
        labels[z : z + 3, y : y + 9, x : x + 8] = rng.random((3, 9, 8)) < 0.9
        blobs[name] = labels
    frame = compare_raters(make_store(make_case("p1", **blobs)))
    for first, second in ("ab", "ac", "bc"):
        dice = binary.dc(blobs[first], blobs[second])
        hd95 = binary.hd95(blobs[first], blobs[second], voxelspacing=SPACING_MM)
        assert scores(frame, first, second) == [[pytest.approx(dice), pytest.approx(hd95)]]


def test_a_case_of_one_slice_is_scored_in_2d(make_store) -> None:
    a, b = (np.zeros((1, 9, 9), np.uint8) for _ in range(2))
    a[0, 1:8, 1:8], b[0, 1:8, 1:8] = 1, 1
    b[0, 0, [1, 3, 5]] = 1  # more than 5 % of the voxels of the outlines, less of all voxels
    frame = compare_raters(make_store(make_case("p1", (100.0, 2.0, 1.0), a=a, b=b)))
    in_2d = segmentation_metrics(a[0], b[0], spacing=(2, 1))
    beyond = ((1, 1), (0, 0), (0, 0))
    in_3d = segmentation_metrics(np.pad(a, beyond), np.pad(b, beyond), spacing=(100, 2, 1))  # every voxel is border
    assert scores(frame, "a", "b") == in_2d[["dice", "hd95"]].to_numpy().tolist()
    assert in_2d["hd95"][0] != in_3d["hd95"][0]


def test_what_is_unknown_to_either_counts_for_neither(make_store) -> None:
    a, b = bar(0, 4), bar(2, 6)
    a[1, 4, 4:] = IGNORE  # hides what b has beyond
    b[1, 4, :2] = IGNORE  # hides what a has before
    store = make_store(make_case("p1", a=a, b=b))
    assert scores(compare_raters(store), "a", "b") == [[1.0, 0.0]]
    assert scores(compare_raters(store, ["b", "a"]), "b", "a") == [[1.0, 0.0]]


def test_a_mask_of_0_and_255_is_refused(make_store) -> None:
    mask = np.where(bar(0, 4) == 1, np.uint8(IGNORE), np.uint8(0))
    store = make_store(make_case("p1", a=mask, b=bar(0, 4)))
    with pytest.raises(DataError, match="annotation 'a' of case p1: known nowhere but in the background"):
        compare_raters(store)


def test_slices_and_labels_that_a_rater_does_not_speak_of(make_store) -> None:
    a, b = bar(0, 4) | bar(6, 8, 2), bar(0, 4) | bar(6, 8, 2)
    b[0] = 1
    case = change(make_case("p1", a=a, b=b), "a", covered_slices=(1, 2), covered_labels=(1,))
    frame = compare_raters(make_store(case))
    assert list(frame["label"]) == ["GTV"]
    assert scores(frame, "a", "b") == [[1.0, 0.0]]


def test_raters_who_speak_of_different_labels_have_nothing_in_common(make_store) -> None:
    case = change(make_case("p1", a=bar(0, 4), b=bar(0, 4, 2)), "a", covered_labels=(1,))
    with pytest.raises(DataError, match="no case has two of the dense annotations that cover one label"):
        compare_raters(make_store(change(case, "b", covered_labels=(2,))))


def test_scribbles_are_left_aside_unless_named(make_store) -> None:
    stroke = np.full(SHAPE, IGNORE, np.uint8)
    stroke[1, 4, 1] = 1
    case = change(make_case("p1", a=bar(0, 4), b=bar(2, 6), s=stroke), "s", kind=Kind.SCRIBBLE)
    store = make_store(case)
    assert set(compare_raters(store)["second"]) == {"b"}
    with pytest.raises(ConfigError, match="'s' of case p1 is scribble; compare dense ones"):
        compare_raters(store, ["a", "s"])


def test_replaced_annotations_are_left_aside_unless_named(make_store) -> None:
    store = make_store(make_case("p1", **{"a": bar(0, 4), "a@1": bar(0, 3), "b": bar(2, 6)}))
    assert list(compare_raters(store)["first"].unique()) == ["a"]
    assert scores(compare_raters(store, ["a", "a@1"]), "a", "a@1") == [[pytest.approx(6 / 7), pytest.approx(0.7)]]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a"], "annotations: a; name two or more, each once"),
        (["a", "b", "a"], "name two or more, each once"),
        (["a", "rater9"], "no case has 'rater9'; the store has a, b, c"),
    ],
)
def test_annotations_that_cannot_be_compared(make_store, names: list[str], message: str) -> None:
    store = make_store(make_case("p1", a=bar(0, 4), b=bar(2, 6)), make_case("p2", c=bar(0, 4)))
    with pytest.raises(ConfigError, match=message):
        compare_raters(store, names)


def test_no_case_with_two_of_them(make_store) -> None:
    store = make_store(make_case("p1", a=bar(0, 4)), make_case("p2", b=bar(0, 4)), make_case("p3"))
    with pytest.raises(DataError, match="no case has two of the dense annotations"):
        compare_raters(store)
    with pytest.raises(DataError, match="no case has two of a, b"):
        compare_raters(store, ["a", "b"])


@pytest.fixture
def three(make_store) -> Store:
    """Two raters of three patients, the first with two cases; a third rater of one patient."""
    return make_store(
        make_case("p1_1", a=bar(0, 4), b=bar(2, 6)),
        make_case("p1_2", a=bar(0, 4), b=bar(0, 4)),
        make_case("p2", a=bar(0, 4), b=bar(0, 4), c=bar(0, 2)),
        make_case("p3", a=bar(0, 0), b=bar(0, 0)),
        labels={1: "GTV"},
    )


def test_the_summary_is_over_patients(three: Store) -> None:
    summary = summarise_raters(compare_raters(three)).set_index(["first", "second", "label", "metric"])
    dice = summary.loc["a", "b", "GTV", "dice"]
    assert (dice["mean"], dice["patients"], dice["undefined"]) == ((0.75 + 1.0) / 2, 2, 1)
    assert dice["std"] == pytest.approx(np.std([0.75, 1.0], ddof=1))
    assert summary.loc["a", "c", "GTV", "dice"]["mean"] == pytest.approx(2 * 2 / 6)


def test_the_table_has_dice_below_and_hd95_above(three: Store) -> None:
    ((title, table),) = tabulate_raters(summarise_raters(compare_raters(three))).items()
    assert title == "GTV (n = 1 to 2)"
    assert list(table.columns) == ["", "a", "b", "c"]
    assert table.to_numpy().tolist() == [
        ["a", "–", "0.50 ± 0.71 (2)", "1.75 (1)"],
        ["b", "0.875 ± 0.177 (2)", "–", "1.75 (1)"],
        ["c", "0.667 (1)", "0.667 (1)", "–"],
    ]


def test_the_order_of_the_table_is_the_one_asked_for(three: Store) -> None:
    ((title, table),) = tabulate_raters(summarise_raters(compare_raters(three, ["b", "a"]))).items()
    assert title == "GTV (n = 2)"
    assert table.to_numpy().tolist() == [["b", "–", "0.50 ± 0.71"], ["a", "0.875 ± 0.177", "–"]]


def test_several_labels_have_a_table_each_and_one_for_the_mean(make_store) -> None:
    store = make_store(make_case("p1", a=bar(0, 4) | bar(6, 8, 2), b=bar(2, 6) | bar(6, 8, 2)))
    text = render_raters(summarise_raters(compare_raters(store)))
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## GTV (n = 1)",
        "## node (n = 1)",
        "## mean (n = 1)",
    ]
    assert "| b | 0.750 | – |" in text


def test_the_command_prints_and_writes(three: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("table.md", "table.csv"):
        assert main(["raters", str(three.path), "--annotations", "a", "b", "--output", str(tmp_path / name)]) == 0
    assert "0.875 ± 0.177" in capsys.readouterr().out
    text = (tmp_path / "table.md").read_text()
    assert "## GTV (n = 2)" in text
    assert "| b | 0.875 ± 0.177 | – |" in text
    written = pd.read_csv(tmp_path / "table.csv")
    expected = summarise_raters(compare_raters(three, ["a", "b"]))
    pd.testing.assert_frame_equal(written, expected, check_dtype=False)


def test_the_command_refuses_an_ending_before_it_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["raters", str(tmp_path / "nowhere"), "--output", "table.txt"]) == 1
    assert "table.txt is neither .md nor .csv" in capsys.readouterr().err
