"""The experiment folder: what goes in comes out, and the table says what was measured."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from lesslabel.errors import DataError, RunError
from lesslabel.evaluation import METRICS, summarise
from lesslabel.tables import add_results, add_run, read_cases, read_protocol, read_results, read_scores, write_table
from lesslabel.tables.results import ScoredRun, add_runs

PROTOCOL = {
    "name": "Scribbles on a phantom",
    "data": "phantom",
    "split": "by patient, 70/10/20",
    "subset": "80 of 100 patients",
    "seeds": [0, 1, 2],
    "iterations": 1500,
    "checkpoint_rule": "best on validation",
    "metrics": {"hd95": "pooled", "empty": "diagonal"},
    "hardware": "2 cores",
    "commands": ["lesslabel fit --config a.yaml", "lesslabel test"],
}


def metrics(seed, patients=6, shift=0.0):
    rng = np.random.default_rng(seed)
    rows = [
        {"uid": f"p{p}_{phase}", "patient": f"p{p}", "label": label}
        | {metric: rng.random() + shift for metric in METRICS}
        for p in range(patients)
        for phase in ("ed", "es")
        for label in ("rv", "myo")
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def folder(tmp_path):
    """An experiment of two methods and three seeds."""
    folder = tmp_path / "experiment"
    for seed in range(3):
        add_results(folder, metrics(seed), method="pce", fold="", seed=seed, commit="abc")
        add_results(folder, metrics(seed + 10, shift=0.5), method="dmpls", fold="", seed=seed, commit="abc")
    (folder / "protocol.yaml").write_text(yaml.safe_dump(PROTOCOL | {"baseline": "pce"}, sort_keys=False))
    (folder / "published.csv").write_text("method,setting,metric,value,source\nX,scribbles,dice,0.872 (0.06),a paper\n")
    return folder


def test_results_come_back_to_six_digits(folder):
    results = read_results(folder)
    assert list(results.columns) == ["method", "case", "label", "fold", "seed", "metric", "value", "commit"]
    assert len(results) == 6 * 24 * len(METRICS)
    scores = read_scores(folder)
    one = scores[(scores["method"] == "dmpls") & (scores["seed"] == 2)].sort_values(["uid", "label"])
    expected = metrics(12, shift=0.5).sort_values(["uid", "label"])
    np.testing.assert_allclose(one[list(METRICS)], expected[list(METRICS)], rtol=5e-6)
    assert list(one["patient"]) == list(expected["patient"])
    assert len(read_cases(folder)) == 12
    assert not list(folder.glob(".*"))


def test_the_same_run_again_replaces_its_rows_only(folder):
    before = read_results(folder)
    add_results(folder, metrics(99), method="pce", fold="", seed=1, commit="def")
    after = read_results(folder)
    assert len(after) == len(before)
    changed = after["commit"] == "def"
    assert set(after.loc[changed, "method"]) == {"pce"}
    assert set(after.loc[changed, "seed"]) == {1}
    untouched = ~((before["method"] == "pce") & (before["seed"] == 1))
    pd.testing.assert_frame_equal(after[~changed].reset_index(drop=True), before[untouched].reset_index(drop=True))
    add_results(folder, metrics(99), method="pce", fold="1", seed=1, commit="def")
    assert len(read_results(folder)) == len(before) + 24 * len(METRICS)


def test_undefined_values_and_plain_names_survive(tmp_path):
    frame = metrics(0, patients=1).assign(uid=["007", "007", "NA", "NA"], patient="01")
    frame.loc[0, "hd95"] = np.nan
    frame.loc[1, "hd95"] = np.inf
    add_results(tmp_path, frame, method="None", fold="", seed=0, commit="")
    scores = read_scores(tmp_path)
    assert set(scores["uid"]) == {"007", "NA"}
    assert set(scores["patient"]) == {"01"}
    assert list(scores.sort_values(["uid", "label"])["hd95"].isna()) == [False, True, False, False]
    assert np.isinf(scores["hd95"]).sum() == 1


def test_the_table_states_protocol_results_test_and_published_figures(folder):
    text = write_table(folder).read_text()
    order = [
        "# Scribbles on a phantom",
        "- **data**: phantom",
        "## Results",
        "### Dice per label",
        "## Published figures",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert "- **metrics**: hd95: pooled; empty: diagonal" in text
    assert "All rows are of commit abc." in text
    assert "- **commands**: lesslabel fit --config a.yaml; lesslabel test" in text
    assert "| method | patients | cases | seeds | dice |" in text
    summary = summarise(read_scores(folder), by=("method",)).set_index(["method", "label", "metric"])
    row = summary.loc[("dmpls", "mean", "dice")]
    cell = f"{row['mean']:.3f} ± {row['std']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
    assert f"| dmpls | 6 | 12 | 3 | {cell} |" in text
    assert "### Paired against pce" in text
    assert "| dmpls | dice | +" in text
    assert "Context only" in text
    assert "| X | scribbles | dice | 0.872 (0.06) | – | – | a paper |" in text
    assert write_table(folder).read_text() == text


def test_the_table_tells_rows_of_several_commits_apart(folder):
    add_results(folder, metrics(20), method="pce", fold="", seed=9, commit="def-dirty")
    assert "a former one. abc: dmpls, pce; def-dirty: pce." in write_table(folder).read_text()


def test_a_table_without_a_baseline_has_no_paired_test(folder):
    (folder / "protocol.yaml").write_text(yaml.safe_dump(PROTOCOL))
    assert "Paired" not in write_table(folder).read_text()


def test_each_baseline_is_tested_against_the_methods_it_is_fair_for(folder):
    add_results(folder, metrics(20, shift=0.2), method="dmpls, few", fold="", seed=0, commit="abc")
    add_results(folder, metrics(21), method="pce, few", fold="", seed=0, commit="abc")
    whole = write_table(folder).read_text()
    assert "| dmpls, few | dice | +" in whole.partition("### Paired against pce\n")[2]
    baselines = {"pce": ["dmpls"], "pce, few": ["*, few"]}
    (folder / "protocol.yaml").write_text(yaml.safe_dump(PROTOCOL | {"baseline": baselines}, sort_keys=False))
    text = write_table(folder).read_text()
    assert "- **baseline**: pce: dmpls; pce, few: *, few" in text
    against, _, rest = text.partition("### Paired against pce\n")[2].partition("### Paired against pce, few\n")
    against_few = rest.partition("## Published")[0]
    tables = [[line for line in part.splitlines()[3:] if line.startswith("|")] for part in (against, against_few)]
    methods = [{line.split(" | ")[0] for line in table} for table in tables]
    assert methods == [{"| dmpls"}, {"| dmpls, few"}]
    line = next(line for line in against.splitlines() if line.startswith("| dmpls | dice"))
    *same, corrected, t_test, _, _, _ = line.split(" | ")
    assert " | ".join(same) in whole
    assert corrected == same[-1], "there is no other test"
    assert float(t_test) < 1


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ({"pce": "dmpls"}, r"baseline pce names no list of methods; write pce: \['\*'\]"),
        ({"pce": ["pce", "Dmpls"]}, "baseline pce is for pce, Dmpls, and no other method is called so"),
        ({"dmpls": ["*"], "nothing": ["*"]}, "baseline nothing has no results; the methods are dmpls, pce"),
    ],
)
def test_a_baseline_that_is_none_is_refused(folder, baseline, message):
    (folder / "protocol.yaml").write_text(yaml.safe_dump(PROTOCOL | {"baseline": baseline}))
    with pytest.raises(DataError, match=message):
        write_table(folder)


def test_the_table_says_when_methods_lack_seeds_of_others(folder):
    warning = "**The methods do not have the same folds and seeds**"
    assert warning not in write_table(folder).read_text()
    add_results(folder, metrics(7), method="pce", fold="", seed=3, commit="abc")
    assert f"{warning} (runs: dmpls 3, pce 4)" in write_table(folder).read_text()
    add_results(folder, metrics(8), method="dmpls", fold="", seed=4, commit="abc")
    assert f"{warning} (runs: dmpls 4, pce 4)" in write_table(folder).read_text()


def test_a_run_folder_is_taken_in(tmp_path):
    run = tmp_path / "run"
    (run / "test").mkdir(parents=True)
    metrics(0).to_csv(run / "test" / "metrics.csv", index=False)
    (run / "test" / "summary.json").write_text(json.dumps({"method": "DMPLS", "seed": 3}))
    (run / "environment.json").write_text(json.dumps({"commit": "0123abc", "dirty": True}))
    add_run(tmp_path / "experiment", run, fold="2")
    results = read_results(tmp_path / "experiment")
    assert results[["method", "fold", "seed", "commit"]].drop_duplicates().values.tolist() == [
        ["DMPLS", "2", 3, "0123abc-dirty"]
    ]
    add_run(tmp_path / "experiment", run, fold="2", method="DMPLS, fixed α")
    assert set(read_results(tmp_path / "experiment")["method"]) == {"DMPLS", "DMPLS, fixed α"}
    (run / "test" / "summary.json").write_text("{")
    with pytest.raises(RunError, match=r"summary\.json: damaged file"):
        add_run(tmp_path / "experiment", run)
    (run / "test" / "summary.json").write_text(json.dumps({"method": "DMPLS"}))
    with pytest.raises(RunError, match="lacks method or seed"):
        add_run(tmp_path / "experiment", run)
    (run / "test" / "metrics.csv").unlink()
    with pytest.raises(RunError, match="not tested"):
        add_run(tmp_path / "experiment", run)


def test_many_runs_are_taken_in_at_once_as_one_by_one(tmp_path, monkeypatch):
    runs = []
    for seed in (2, 0, 1):
        run = tmp_path / f"run{seed}"
        (run / "test").mkdir(parents=True)
        metrics(seed).to_csv(run / "test" / "metrics.csv", index=False)
        (run / "test" / "summary.json").write_text(json.dumps({"method": "m", "seed": seed}))
        (run / "environment.json").write_text(json.dumps({"commit": "a"}))
        runs.append(ScoredRun(run, fold="1"))
    runs.append(ScoredRun(tmp_path / "run1", fold="1", seed=2))  # in the place of the first
    one_by_one, together = tmp_path / "one-by-one", tmp_path / "together"
    for run in runs:
        add_run(one_by_one, run.path, fold=run.fold, seed=run.seed)
    add_runs(together, runs[:1])
    read = []
    monkeypatch.setattr(
        "lesslabel.tables.results.read_results", lambda folder: read.append(folder) or read_results(folder)
    )
    add_runs(together, runs)
    assert len(read) == 1
    for name in ("results.csv", "cases.csv", "scoring.json"):
        assert (together / name).read_text() == (one_by_one / name).read_text()
    (tmp_path / "run0" / "test" / "metrics.csv").unlink()
    before = (together / "results.csv").read_text()
    with pytest.raises(RunError, match="run0: not tested"):
        add_runs(together, [ScoredRun(tmp_path / "run1", fold="1", method="new"), runs[1]])
    assert (together / "results.csv").read_text() == before


@pytest.mark.parametrize("key", ["seeds", "commands", "checkpoint_rule"])
def test_a_protocol_without_a_required_key_names_it(folder, key):
    (folder / "protocol.yaml").write_text(yaml.safe_dump({k: v for k, v in PROTOCOL.items() if k != key}))
    with pytest.raises(DataError, match=rf"protocol\.yaml: {key} missing"):
        read_protocol(folder)


def test_damaged_or_missing_files_are_named(folder):
    (folder / "protocol.yaml").write_text("name: [")
    with pytest.raises(DataError, match=r"protocol\.yaml: cannot be read as YAML") as caught:
        write_table(folder)
    assert "\n" not in str(caught.value)
    (folder / "protocol.yaml").write_text(yaml.safe_dump(PROTOCOL | {"baseline": "nothing"}))
    with pytest.raises(DataError, match=r"baseline nothing has no results; the methods are dmpls, pce"):
        write_table(folder)
    (folder / "published.csv").unlink()
    with pytest.raises(DataError, match=r"published\.csv: no such file"):
        write_table(folder)
    (folder / "results.csv").write_text("method,case\n")
    with pytest.raises(DataError, match=r"results\.csv, line 1: column label, fold"):
        read_results(folder)
    (folder / "results.csv").write_text("method,case,label,fold,seed,metric,value,commit\na,b,c,,0,dice,good,\n")
    with pytest.raises(DataError, match=r"results\.csv, line 2, column value: 'good' is no number"):
        read_results(folder)


def test_a_case_without_or_with_two_patients_is_an_error(folder):
    (folder / "cases.csv").write_text("case,patient\np0_ed,p0\n")
    with pytest.raises(DataError, match=r"cases\.csv: case p0_es has no patient"):
        write_table(folder)
    with pytest.raises(DataError, match=r"case p0_ed has another patient"):
        add_results(folder, metrics(0).assign(patient="q"), method="pce", fold="", seed=0, commit="")


def test_a_case_tested_twice_is_an_error(folder):
    twice = pd.concat([metrics(0), metrics(0).head(1)])
    with pytest.raises(DataError, match="case p0_ed has the same label twice"):
        add_results(folder, twice, method="pce", fold="", seed=0, commit="")
    text = (folder / "results.csv").read_text()
    (folder / "results.csv").write_text(text + text.splitlines()[1] + "\n")
    with pytest.raises(DataError, match="is there twice"):
        write_table(folder)


def test_a_failed_write_leaves_the_old_file(folder, monkeypatch):
    before = (folder / "results.csv").read_text()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\)"):
        add_results(folder, metrics(5), method="pce", fold="", seed=0, commit="")
    assert (folder / "results.csv").read_text() == before
    assert not list(folder.glob(".*"))
