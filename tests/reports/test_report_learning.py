"""The learning curve of runs that are rounds of one growing annotation."""

import re
from pathlib import Path

import pytest

from lesslabel.cli import main
from lesslabel.errors import ConfigError, DataError
from lesslabel.reports import write_report
from lesslabel.tables.planning import plan

ROUNDS = {"first": (0,), "second": (0, 1), "third": (0, 1, 2), "fourth": (0, 1, 2, 3)}
DICE = {"first": 0.50, "second": 0.64, "third": 0.69, "fourth": 0.715}


@pytest.fixture
def rounds(make_run, store) -> list[Path]:
    """Four rounds on one training case: one slice more in each; the Dice rises along a power law."""
    runs = []
    for name, slices in ROUNDS.items():
        data = {"labelled": {"t0": "dense"}, "labelled_slices": {"t0": {"dense": list(slices)}}}
        dice = {
            uid: (DICE[name] + shift,) * 3
            for uid, shift in zip(("p1_ED", "p2_ED", "p3_ED"), (-0.02, 0.0, 0.02), strict=True)
        }
        runs.append(make_run(name, store=store, data=data, dice=dice, annotation="dense"))
    return runs


def shown(page) -> str:
    return page.text.partition("What more annotation would buy")[2].partition("Best, median and worst")[0]


def test_rounds_get_their_learning_curve(report, rounds, tmp_path):
    page = report(rounds, tmp_path / "report.html", minutes=8.0)
    assert "learning" in [tag["id"] for name, tag in page.tags if name == "section"]
    (expected,) = plan(rounds, minutes=8.0)
    after = f"{expected.next.dice:.3f} [{expected.next.low:.3f}, {expected.next.high:.3f}]"
    assert f"8 more minutes of annotation, beyond 15.98, would bring the Dice to {after}:" in shown(page)
    assert f"+{expected.gain:.3f} on the curve" in shown(page)
    assert re.search(
        r"The rounds before predict 0\.\d{3} \[.*\] for the last one, and it is 0\.715: inside", shown(page)
    )
    assert "Learning curve of pCE" in page.attributes("aria-label")


def test_a_curve_that_did_not_predict_its_last_round_is_a_warning(report, rounds, make_run, store, tmp_path):
    data = {"labelled": {"t0": "dense"}, "labelled_slices": {"t0": {"dense": [0, 1, 2, 3]}}}
    better = dict.fromkeys(("p1_ED", "p2_ED", "p3_ED"), (0.95,) * 3)
    worse = make_run("better", store=store, data=data, dice=better)
    page = report([*rounds[:3], worse], tmp_path / "report.html")
    assert "it is 0.950: outside, so do not rely on this curve." in shown(page)


def test_three_rounds_are_drawn_and_not_checked(report, rounds, tmp_path):
    page = report(rounds[:3], tmp_path / "report.html")
    assert "Not checked: it takes 4 rounds to hold one out." in shown(page)


def test_runs_that_are_no_rounds_get_no_plan(rounds, make_run, store):
    dice = dict.fromkeys(("p1_ED", "p2_ED", "p3_ED"), (0.7,) * 3)
    elsewhere = {"labelled": {"t1": "dense"}, "labelled_slices": {"t1": {"dense": [0, 1, 2]}}}
    other_labels = make_run("other", store=store, data=elsewhere, dice=dice)
    third = {"labelled": {"t0": "dense"}, "labelled_slices": {"t0": {"dense": [0, 1, 2]}}}
    other_model = make_run("again", store=store, data=third, dice=dice, model={"lr": 0.02})
    with pytest.raises(DataError, match=r"other: lacks labels of .*second; name rounds of one growing annotation"):
        plan([*rounds[:2], other_labels])
    with pytest.raises(DataError, match=r"again: another model than .*first; name runs of one configuration"):
        plan([*rounds[:2], other_model])


def test_what_is_no_series_of_rounds_has_no_curve(report, rounds, make_run, store, tmp_path):
    dice = dict.fromkeys(("p1_ED", "p2_ED", "p3_ED"), (0.7,) * 3)
    elsewhere = {"labelled": {"t1": "dense"}, "labelled_slices": {"t1": {"dense": [0, 1, 2]}}}
    other_labels = make_run("other", store=store, data=elsewhere, dice=dice)
    third = {"labelled": {"t0": "dense"}, "labelled_slices": {"t0": {"dense": [0, 1, 2]}}}
    other_method = make_run("method", method="DMPLS", store=store, data=third, dice=dice)
    same_cost = make_run("again", store=store, data=third, dice=dice, model={"lr": 0.02})
    for last in (other_labels, other_method, same_cost):
        assert not shown(report([*rounds[:2], last], tmp_path / "report.html"))
    assert not shown(report(rounds[:2], tmp_path / "report.html"))


def test_series_of_one_name_are_told_apart(report, rounds, make_run, store, tmp_path):
    others = []
    for name, slices in ROUNDS.items():
        data = {"labelled": {"t0": "dense"}, "labelled_slices": {"t0": {"dense": list(slices)}}}
        dice = dict.fromkeys(("p1_ED", "p2_ED", "p3_ED"), (DICE[name],) * 3)
        others.append(make_run(f"large-{name}", store=store, data=data, dice=dice, model={"lr": 0.02}))
    page = report([*rounds, *others], tmp_path / "report.html")
    titles = [label for label in page.attributes("aria-label") if label.startswith("Learning curve of")]
    assert titles == ["Learning curve of pCE · first", "Learning curve of pCE · large-first"]


def test_other_patches_of_the_same_slices_do_not_grow(report, rounds, make_run, store, tmp_path):
    runs = []
    for name, boxes in {"a": [[0, 0, 0, 1, 2, 2]], "b": [[0, 2, 2, 1, 2, 2], [1, 0, 0, 1, 2, 2]]}.items():
        slices = sorted({z for z, *_ in boxes})
        data = {
            "labelled": {"t0": "dense"},
            "labelled_slices": {"t0": {"dense": slices}},
            "labelled_patches": {"t0": {"dense": boxes}},
        }
        dice = dict.fromkeys(("p1_ED", "p2_ED", "p3_ED"), (0.6,) * 3)
        runs.append(make_run(name, store=store, data=data, dice=dice))
    assert not shown(report([*runs, rounds[3]], tmp_path / "report.html"))


def test_one_patient_has_no_curve(report, make_run, store, tmp_path):
    runs = []
    for name, slices in ROUNDS.items():
        data = {"labelled": {"t0": "dense"}, "labelled_slices": {"t0": {"dense": list(slices)}}}
        runs.append(make_run(name, store=store, data=data, dice={"p1_ED": (DICE[name],) * 3}))
    assert not shown(report(runs, tmp_path / "report.html"))


def test_without_the_labels_the_page_stands_without_the_curve(report, rounds, store, tmp_path):
    (store / "cases.csv").write_text((store / "cases.csv").read_text().replace("\nt0,", "\ns0,"))
    assert not shown(report(rounds, tmp_path / "report.html"))


def test_the_command_takes_the_minutes(rounds, tmp_path, capsys):
    page = tmp_path / "page.html"
    words = ["report", *map(str, rounds), "--output", str(page), "--minutes"]
    assert main([*words, "30"]) == 0
    assert "30 more minutes of annotation" in page.read_text(encoding="utf-8")
    assert main([*words, "0"]) == 1
    assert "--minutes: 0.0; pass minutes above 0" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="--minutes: -1"):
        write_report(rounds, page, minutes=-1)
