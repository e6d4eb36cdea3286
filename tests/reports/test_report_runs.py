"""Reading run folders, refusing what cannot be compared, grouping seeds."""

import json

import pytest

from lesslabel.errors import RunError
from lesslabel.reports.runs.methods import group_methods
from lesslabel.reports.runs.read import read_run, read_runs
from lesslabel.reports.runs.results import label_cost


def test_an_untested_run_says_what_to_do(make_run):
    run = make_run()
    (run / "test" / "metrics.csv").unlink()
    with pytest.raises(RunError) as error:
        read_run(run)
    assert str(error.value) == f"{run}: not tested yet; run `lesslabel test --run {run}` first"


def test_no_run_an_absent_run_and_a_run_given_twice_are_errors(make_run, tmp_path):
    with pytest.raises(RunError, match="no run folder given"):
        read_runs([])
    with pytest.raises(RunError, match="gone: no such run folder"):
        read_runs([tmp_path / "gone"])
    run = make_run()
    with pytest.raises(RunError, match="given twice"):
        read_runs([run, run.parent / ".." / "runs" / run.name])


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (
            {"dice": {"p1_ED": (0.5,) * 3, "p2_ED": (0.5,) * 3}},
            r"different cases \(only the first: p1_ES, p3_ED; .*: none\)",
        ),
        (
            {"dice": dict.fromkeys(("p1_ED", "p1_ES", "p2_ED", "p3_ED"), (0.5, 0.5))},
            r"different labels \(.*first: LV; ",
        ),
        ({"summary": {"hd95": "max-of-directed"}}, r"another HD95 convention \(pooled; max-of-directed\)"),
        ({"summary": {"empty": "nan"}}, r"another empty-mask policy \(diagonal; nan\)"),
        ({"summary": {"unit": "voxel"}}, r"another unit of distances \(mm; voxel\)"),
        ({"summary": {"part": "validation"}}, r"another part \(test; validation\)"),
        ({"data": {"view": {"reference": "rater2"}}}, r"another reference annotation \(dense; rater2\)"),
    ],
)
def test_runs_that_cannot_be_compared_are_named_with_the_difference(make_run, change, difference):
    first, second = make_run("first"), make_run("second", **change)
    with pytest.raises(RunError, match=difference) as error:
        read_runs([first, second])
    assert str(error.value).startswith(f"{first} and {second} were ")
    assert "\n" not in str(error.value)


def test_one_case_with_two_patients_is_refused(make_run):
    first, second = make_run("first"), make_run("second")
    table = second / "test" / "metrics.csv"
    table.write_text(table.read_text().replace("Max Doe", "Ann Poe"))
    with pytest.raises(RunError, match="same test cases to different patients"):
        read_runs([first, second])


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("data.json", "{", "data.json: damaged file"),
        ("data.json", "[1]", "data.json: expected a mapping, found list"),
        ("data.json", '{"labelled": ["t0"]}', "data.json: 'labelled' is no dict"),
        ("config.yaml", "a: [", "config.yaml: damaged file"),
        ("test/metrics.csv", "", "metrics.csv: the table cannot be read"),
        ("test/metrics.csv", "uid,label\n", "metrics.csv: column patient, dice, hd95, asd missing"),
        ("test/metrics.csv", "uid,patient,label,dice,hd95,asd\n", "metrics.csv: no row"),
        ("test/metrics.csv", "uid,patient,label,dice,hd95,asd\na,,LV,1,0,0\n", "names no case, patient or label"),
        ("test/metrics.csv", "uid,patient,label,dice,hd95,asd\na,b,LV,good,0,0\n", "column dice is not a number"),
        (
            "test/metrics.csv",
            "uid,patient,label,dice,hd95,asd\n" + "a,b,LV,1,0,0\n" * 2,
            "case a, label LV has two rows",
        ),
    ],
)
def test_a_damaged_file_is_named_in_one_line(make_run, file, content, message):
    run = make_run()
    (run / file).write_text(content)
    with pytest.raises(RunError, match=message) as error:
        read_run(run)
    assert str(run / file) in str(error.value)
    assert "\n" not in str(error.value)


def test_names_that_look_like_numbers_or_nothing_stay_names(make_run):
    run = make_run()
    table = run / "test" / "metrics.csv"
    table.write_text("uid,patient,label,dice,hd95,asd\n007,NA,1,0.5,inf,\n007,NA,3,1,0,0\n")
    metrics = read_run(run).metrics
    assert metrics["uid"].tolist() == ["007", "007"]
    assert metrics["patient"].tolist() == ["NA", "NA"]
    assert metrics["label"].tolist() == ["RV", "LV"]
    assert metrics["hd95"].tolist() == [float("inf"), 0.0]
    assert metrics["asd"].isna().tolist() == [True, False]


def test_runs_that_differ_in_their_seed_alone_become_one_method(make_run):
    runs = read_runs([make_run(f"s{seed}", seed=seed) for seed in (3, 1, 2)])
    (method,) = group_methods(runs)
    assert (method.name, method.seeds) == ("pCE", [1, 2, 3])


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"annotation": "dense"},
        {"model": {"lr": 0.1}},
        {"summary": {"seed": None}, "environment": {"seed": None}},
    ],
)
def test_other_runs_of_one_name_are_told_apart_by_their_folder(make_run, change):
    runs = read_runs([make_run("a", seed=1), make_run("b", **({"seed": 2} | change))])
    assert [method.name for method in group_methods(runs)] == ["pCE · a", "pCE · b"]


def test_seeds_are_averaged_case_by_case(make_run):
    low, high = {"p1_ED": (0.2, 0.4, 0.6)}, {"p1_ED": (0.4, 0.8, float("nan"))}
    (method,) = group_methods(read_runs([make_run("a", dice=low), make_run("b", seed=2, dice=high)]))
    assert method.scores["dice"].tolist() == pytest.approx([0.3, 0.6, 0.6])
    assert method.case_dice()["p1_ED"] == pytest.approx(0.5)
    assert method.dice_of("p1_ED") == {"RV": 0.2, "MYO": 0.4, "LV": 0.6}


def test_label_cost_counts_training_cases_and_their_patients(make_run):
    labelled = {"t0": "dense", "t1": "scribble", "t2": "scribble", "p1_ED": "dense"}
    (method,) = group_methods([read_run(make_run(data={"labelled": labelled}))])
    expected = "dense on 1 case of 1 patient, scribble on 2 cases of 2 patients, 1 case without labels"
    assert label_cost(method) == expected


def test_label_cost_names_no_patients_where_they_are_unknown(make_run):
    run = make_run()
    data = json.loads((run / "data.json").read_text())
    del data["patients"], data["parts"]
    (run / "data.json").write_text(json.dumps(data))
    assert label_cost(group_methods([read_run(run)])[0]) == "scribble on 3 cases"
