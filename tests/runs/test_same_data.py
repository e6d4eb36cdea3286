"""A run is scored on the data it was divided into, or not at all."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from lesslabel.cli import main
from lesslabel.data.case import Annotation, Case
from lesslabel.data.loading.case_loader import CaseLoader, Grid
from lesslabel.data.loading.datasets import EvaluationSet
from lesslabel.data.loading.intensity import Intensity
from lesslabel.data.store import Store
from lesslabel.data.store.case_file import read_case, write_case
from lesslabel.data.view import View, map_labels
from lesslabel.errors import RunError
from lesslabel.methods import Prediction
from lesslabel.runs.folder import RunFolder
from lesslabel.runs.recorder import TestRecorder
from lesslabel.tables import add_run, read_results


@pytest.mark.parametrize("command", ["test", "validate"])
def test_another_fold_would_test_training_patients_and_is_refused(command, plain_run, capsys):
    capsys.readouterr()
    assert main([command, "--run", str(plain_run), "--data.fold", "1"]) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "the division into training, validation and test changed" in message


def test_another_store_is_refused_for_testing(plain_run, phantom_store, capsys):
    other = phantom_store(cases=8, size=32, depth=2)
    assert main(["test", "--run", str(plain_run), "--data.store", str(other)]) == 1
    assert "the content of the store changed" in capsys.readouterr().err


@pytest.mark.parametrize(
    "key", ["data_hash", "label_names", "parts", "labelled", "labelled_slices", "labelled_patches"]
)
def test_each_part_of_the_data_is_compared(key, plain_run):
    folder = RunFolder(plain_run)
    recorded = json.loads(folder.data.read_text())
    folder.require_same_data(recorded)
    with pytest.raises(RunError, match="changed since the run started"):
        folder.require_same_data(recorded | {key: "something else"})


def test_folds_lie_beside_one_another_and_other_scoring_is_refused(plain_run, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(plain_run, first)
    assert main(["test", "--run", str(first)]) == 0
    shutil.copytree(first, second)
    data = json.loads((second / "data.json").read_text())
    (second / "data.json").write_text(json.dumps(data | {"fold": 3}))
    experiment = tmp_path / "experiment"
    add_run(experiment, first)
    add_run(experiment, second)
    rows = read_results(experiment)
    assert sorted(set(rows["fold"])) == ["0", "3"]
    assert (rows["fold"] == "0").sum() == (rows["fold"] == "3").sum()
    summary = json.loads((second / "test/summary.json").read_text())
    (second / "test/summary.json").write_text(json.dumps(summary | {"unit": "voxel"}))
    with pytest.raises(RunError, match="unit voxel, not mm"):
        add_run(experiment, second)


def test_a_label_that_the_reference_does_not_speak_of_is_not_scored(store, tmp_path):
    copy = tmp_path / "store"
    shutil.copytree(store, copy)
    uid = next(iter(Store(copy).records))
    case = read_case(Store(copy).case_path(uid))
    dense = case.annotations["dense"]
    partial = Annotation(dense.labels, dense.kind, covered_labels=(1,))
    write_case(
        Store(copy).case_path(uid),
        Case(case.uid, case.patient, case.image, case.spacing_mm, annotations={"dense": partial}),
    )
    view = View()
    mapping = map_labels(view, Store(copy).labels)
    loader = CaseLoader(Store(copy), view, mapping, Grid(), Intensity())
    batch = EvaluationSet(loader, (uid,), "dense")[0]
    prediction = Prediction(uid, batch["reference"], batch["image"][0], batch)
    frame: pd.DataFrame = TestRecorder(tmp_path, mapping.names, "mm", {})._score(prediction)
    dice = dict(zip(frame["label"], frame["dice"], strict=True))
    assert dice["RV"] == 1.0
    assert np.isnan(dice["Myo"])
    assert np.isnan(dice["LV"])


def test_predictions_of_two_runs_never_mix(plain_run, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    capsys.readouterr()
    assert main(["predict", "--run", str(plain_run), "--output", str(tmp_path / "out")]) == 1
    assert "exists already" in capsys.readouterr().err
