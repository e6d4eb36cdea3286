"""From finished jobs of recipes to the experiment folder."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from studying import declare, made_up_job

from lesslabel.clicks.measures import CLICK_COLUMNS
from lesslabel.studies import Study, read_study
from lesslabel.studies.recipes import Clicked
from lesslabel.studies.results import write_results
from lesslabel.tables.label_costs import LabelCount

PROTOCOL = "name data split subset seeds iterations checkpoint_rule metrics hardware commands"


def study_of(folder: Path, step: str, **results: object) -> Study:
    recipes = {"r": {"steps": [step], **results}}
    declare(folder, methods=[{"name": "m", "recipes": ["r"]}], recipes=recipes)
    (folder / "protocol.yaml").write_text("".join(f"{key}: x\n" for key in PROTOCOL.split()))
    (folder / "published.csv").write_text("method,setting,metric,value,source\n")
    return read_study(folder)


def make_run(run: Path) -> None:
    run.mkdir(parents=True)
    (run / "environment.json").write_text('{"commit": "0123456789abc", "dirty": true}')
    (run / "data.json").write_text('{"fold": 4}')


def test_clicks_go_to_rows_with_the_commit_of_the_run_that_was_clicked(tmp_path: Path) -> None:
    step = "clicks --run {job}/run --out {job}/c"
    study = study_of(tmp_path / "experiment", step, clicks=[{"folder": "{job}/c", "set": "heart"}])
    clicks, run = tmp_path / "a" / "c", tmp_path / "a" / "run"
    make_run(run)
    clicks.mkdir()
    rows = [["x", "p", 1, "LV", turn, 4 * turn, 0.5 * turn, 1.0, 0.1] for turn in (0, 1)]
    pd.DataFrame(rows, columns=list(CLICK_COLUMNS)).to_csv(clicks / "clicks.csv", index=False)
    (clicks / "summary.json").write_text('{"protocol": {"seed": 2}}')
    played = (Clicked(str(clicks), "heart", "m", "0"),)
    made = {"commit": "0123456789-dirty", "fold": 0, "labels": vars(LabelCount(patients=2, cases=2, clicks=25))}
    jobs = []
    for seed, name in ((2, "a"), (2, "b"), (3, "c")):
        job = made_up_job(
            tmp_path,
            name,
            clicks=() if name == "b" else played,
            steps=(("clicks",),),
            labels=None,
            fold=None,
            seed=seed,
        )
        job.folder.path.mkdir(exist_ok=True)
        ended = {"minutes": 1.5, "hardware": f"machine {seed}", "runs": {"m": made}, "results": []}
        job.folder.done.write_text(json.dumps(ended))
        jobs.append(job)
    shutil.rmtree(run)  # it was of a job that others needed, and is in nobody's way
    assert "## heart" in write_results(study, jobs).read_text()
    line = (study.folder / "results.csv").read_text().splitlines()[1]
    assert line.startswith("heart,m,2,0,x,LV,1,p,0.5,1,4,0.1,")
    assert ",0123456789-dirty," in line
    table = (study.folder / "table.md").read_text()
    assert "All rows are of commit 0123456789-dirty." in table
    assert "| m | 2 | 2 | 1.0 | 0.5 | 2 | 2.2 | machine 2; machine 3 |" in table
    assert pd.read_csv(study.folder / "runs.csv")["minutes"].tolist() == [3.0, 1.5]
    assert write_results(study, []).read_text() == table


def test_scores_are_named_by_the_recipe_and_cost_what_the_job_counted(tmp_path: Path) -> None:
    step = "test --run {job}/stage"
    study = study_of(tmp_path / "experiment", step, scores={"{method}": "{job}/stage"})
    job = made_up_job(
        tmp_path, "a", steps=(("test",),), scores={"m": str(tmp_path / "a" / "stage")}, labels=None, fold=None
    )
    run = tmp_path / "a" / "stage"
    make_run(run)
    (run / "test").mkdir()
    (run / "test" / "metrics.csv").write_text("uid,patient,label,dice\nx,p,LV,0.5\n")
    scoring = {"part": "test", "unit": "mm", "hd95": "pooled", "empty": "diagonal", "nsd_tolerance": 1.0}
    (run / "test" / "summary.json").write_text(json.dumps({"method": "Fine-tuned", "seed": 0, **scoring}))
    made = {"commit": "0123456789", "fold": 4, "labels": vars(LabelCount(patients=2, cases=3, dense_slices=10))}
    ended = {"minutes": 1.5, "hardware": "one", "runs": {"m": made}, "results": []}
    job.folder.done.write_text(json.dumps(ended))
    write_results(study, [job])
    assert (study.folder / "results.csv").read_text().splitlines()[1] == "m,x,LV,4,0,dice,0.5,0123456789-dirty"
    runs = pd.read_csv(study.folder / "runs.csv").iloc[0]
    assert (runs["method"], runs["fold"], runs["patients"], runs["cases"], runs["minutes"]) == ("m", 4, 2, 3, 1.5)
    assert runs["annotation_minutes"] == pytest.approx(39.95)
