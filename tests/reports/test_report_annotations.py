"""The page of annotations, from a store whose numbers are known."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from lesslabel.cli import main
from lesslabel.data.case import IGNORE, Annotation, Effort, Kind
from lesslabel.data.sources.phantom import Phantom
from lesslabel.data.store import Store
from lesslabel.data.store.prepare import prepare
from lesslabel.errors import DataError
from lesslabel.reports.annotations.numbers import annotated_cases, author_totals, prompt_counts


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Ann draws two cases densely, one of them from a prelabel; Ben scribbles the first."""
    store, _ = prepare(Phantom(cases=2, size=32, depth=3), tmp_path / "secret" / "store")
    first, second = store.records
    truth = {uid: store.read(uid).annotations["dense"].labels for uid in store.records}
    half = truth[first].copy()
    half[1:] = IGNORE
    prompts = (("brush", 2), ("click", 5))
    add(store, first, "mine", Annotation(half, Kind.DENSE, "ann", effort=Effort(90, 5, 2, 1, prompts, 0.9)))
    wrong = truth[second].copy()
    wrong[wrong == wrong.max()] = 0
    assert set(np.unique(truth[second])) == {0, 1, 2, 3}
    add(store, second, "mine", Annotation(wrong, Kind.DENSE, "ann", effort=Effort(30, 0, 1, 2, (("brush", 1),))))
    strokes = np.full_like(half, IGNORE)
    strokes[0, 0, :4] = 0
    strokes[1, 0, :4] = 1  # a corner of the phantom is background
    add(store, first, "mine/ben", Annotation(strokes, Kind.SCRIBBLE, "ben", effort=Effort(60, 0, 2, 2, ())))
    add(store, second, "import", Annotation(wrong, Kind.DENSE, "ann"))
    return Store(store.path)


def add(store: Store, uid: str, name: str, annotation: Annotation) -> None:
    store.add_annotation(uid, name, annotation)


def test_minutes_dice_and_revision(store: Store) -> None:
    cases = annotated_cases(store, ["mine"], "dense")
    first, second = store.records
    assert [(case.annotation, case.uid) for case in cases] == [("mine", first), ("mine", second), ("mine/ben", first)]
    half, wrong, strokes = cases
    assert (half.minutes, half.slices, half.clicks, half.strokes) == (1.5, 1, 5, 2)
    assert (half.dice, half.agreement) == (1.0, 1.0)
    assert half.revision == pytest.approx(10.0)
    assert half.dice_per_minute == pytest.approx(1 / 1.5)
    assert wrong.dice == pytest.approx(2 / 3)  # two labels of three, the third is missing
    assert math.isnan(wrong.revision)
    assert strokes.agreement == 0.5
    assert math.isnan(strokes.dice)
    ann, ben = author_totals(cases)
    assert (ann.cases, ann.minutes, ann.median_minutes, ann.slices) == (2, 2.0, 1.0, 4)
    assert ann.dice_per_minute == pytest.approx((1 + 2 / 3) / 2)
    assert (ben.author, ben.cases) == ("ben", 1)
    assert math.isnan(ben.dice_per_minute)
    assert prompt_counts(cases) == [("click", 5), ("brush", 3)]


def test_without_a_reference_there_is_no_dice(store: Store) -> None:
    assert all(math.isnan(case.dice) and math.isnan(case.agreement) for case in annotated_cases(store, ["mine"], "no"))


def test_what_was_not_counted_is_not_reported(store: Store) -> None:
    with pytest.raises(DataError, match="no case with an annotation 'import' whose cost was counted"):
        annotated_cases(store, ["import"], "dense")


def test_the_page_is_written_by_the_command(store: Store, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert main(["report", str(store.path), "--annotation", "mine", "--output", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "2 authors drew 3 cases, 6 slices of them, in 3.0 minutes." in text
    assert "secret" not in text
    assert not re.search(r"https?://|<script|nan", text)


@pytest.mark.parametrize(
    ("more", "said"), [([], "--output: name the page"), (["--output", "x.html"], "--annotation: goes with one store")]
)
def test_what_is_missing_is_said(store: Store, more: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [str(store.path)] * (1 + bool(more))
    assert main(["report", *folders, "--annotation", "mine", *more]) == 1
    assert said in capsys.readouterr().err
