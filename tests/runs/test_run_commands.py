"""test, validate, predict and evaluate of a trained run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import replicas
import torch
import yaml
from running import checkpoint, curves, fit, write_config

from lesslabel.cli import main
from lesslabel.data.sources import ACDC, MSCMR
from lesslabel.data.sources.base import Source
from lesslabel.data.store import Store
from lesslabel.data.store.prepare import prepare
from lesslabel.errors import RunError
from lesslabel.evaluation import segmentation_metrics
from lesslabel.runs.reopening import load_model, load_run

COLUMNS = ["uid", "patient", "label", "dice", "jaccard", "hd95", "asd", "assd", "nsd"]
NAMES = {1: "RV", 2: "Myo", 3: "LV"}


def parts_of(run: Path) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = json.loads((run / "data.json").read_text())["parts"]
    return parts


def read_labels(path: Path) -> np.ndarray:
    """(z, y, x)"""
    return np.asarray(nib.load(path).dataobj).transpose(2, 1, 0)


def test_test_scores_every_case_of_the_part(trained_run: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "--run", str(trained_run)]) == 0
    folder = trained_run / "test"
    frame = pd.read_csv(folder / "metrics.csv")
    tested = parts_of(trained_run)["test"]
    assert list(frame.columns) == COLUMNS
    assert len(tested) == 4
    assert frame["uid"].tolist() == [uid for uid in sorted(tested) for _ in NAMES]
    assert frame["dice"].max() > 0.05, "the run found nothing, so the rest of this test says nothing"
    for uid, rows in frame.groupby("uid"):
        case = Store(store).read(str(uid))
        found = read_labels(folder / "predictions" / f"{uid}.nii.gz")
        expected = segmentation_metrics(found, case.annotations["dense"].labels, spacing=case.spacing_mm, labels=NAMES)
        pd.testing.assert_frame_equal(
            rows[expected.columns].reset_index(drop=True), expected, check_dtype=False, rtol=1e-12
        )
        assert set(rows["patient"]) == {case.patient}
    summary = json.loads((folder / "summary.json").read_text())
    best = checkpoint(trained_run, "best")["global_step"]
    assert summary.pop("minutes") >= 0
    assert summary == {
        "method": "DMPLS",
        "checkpoint": "best",
        "checkpoint_rule": "highest validation Dice",
        "iteration": best,
        "max_iterations": 60,
        "part": "test",
        "unit": "mm",
        "hd95": "pooled",
        "empty": "diagonal",
        "nsd_tolerance": 1.0,
        "seed": 0,
    }
    assert f"{frame[frame['label'] == 'RV'].groupby('patient')['dice'].mean().mean():.3f} ±" in capsys.readouterr().out


def test_test_twice_replaces_the_first(trained_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained_run, tmp_path / "run"))
    assert main(["test", "--run", str(run)]) == 0
    stale = run / "test" / "predictions" / "stale.nii.gz"
    stale.touch()
    (run / "validation").mkdir()
    assert main(["test", f"--run={run}", "--unit", "voxel", "--empty", "nan", "--ckpt_path", "last"]) == 0
    assert not stale.exists()
    assert (run / "validation").exists()
    summary = json.loads((run / "test" / "summary.json").read_text())
    assert (summary["unit"], summary["empty"], summary["checkpoint"]) == ("voxel", "nan", "last")
    assert summary["iteration"] == 60
    assert not list(run.glob(".*"))


def test_the_validation_part_leaves_the_test_part_alone(trained_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained_run, tmp_path / "run", ignore=shutil.ignore_patterns("test")))
    assert main(["test", "--run", str(run), "--part", "validation"]) == 0
    assert not (run / "test").exists()
    frame = pd.read_csv(run / "validation" / "metrics.csv")
    assert sorted(set(frame["uid"])) == sorted(parts_of(run)["validation"])
    # the Dice that training logged at the best checkpoint is the mean of what the test finds, class by class
    step = checkpoint(run, "best")["global_step"] - 1
    logged = curves(run)[curves(run)["step"] == step].set_index("name")["value"]
    for code, name in NAMES.items():
        mean = frame[frame["label"] == name]["dice"].mean()
        assert f"{mean:.6g}" == f"{logged[f'validation/dice_{code}']:.6g}"


def test_validate_prints_the_dice_that_was_logged(trained_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--run", str(trained_run), "--ckpt_path", "last"]) == 0
    printed = dict(line.split() for line in capsys.readouterr().out.strip().splitlines())
    logged = curves(trained_run).query("step == 59 and name.str.startswith('validation')").set_index("name")["value"]
    assert printed == {name: f"{value:.4f}" for name, value in logged.items()}
    assert float(printed["validation/dice"]) > 0.0


def test_a_part_without_cases_is_an_error(
    config: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    patients = {record.patient for record in Store(store).records.values()}
    split = tmp_path / "split.yaml"
    split.write_text(yaml.safe_dump({"folds": {0: {"train": sorted(patients)}}}))
    run = tmp_path / "run"
    assert fit(config, run, "--data.split", str(split)) == 0
    for command in (["validate"], ["test"], ["predict", "--output", str(tmp_path / "out")]):
        assert main([*command, "--run", str(run)]) == 1
        part = "validation" if command == ["validate"] else "test"
        assert f"the {part} part holds no case of {store}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_case_without_reference_cannot_be_tested(
    trained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(trained_run, tmp_path / "run", ignore=shutil.ignore_patterns("test")))
    assert main(["test", "--run", str(run), "--data.view.reference", "rater1"]) == 1
    assert "rater1" in capsys.readouterr().err
    assert not (run / "test").exists()
    assert not list(run.glob(".*"))


@pytest.mark.parametrize(
    ("source", "write", "module", "split"),
    [(ACDC, replicas.acdc_nifti, "ACDCDataModule", "random"), (MSCMR, replicas.mscmr, "MSCMRDataModule", "groups")],
)
def test_predictions_keep_the_geometry_of_the_images(
    source: type[Source], write: Callable[[Path], Path], module: str, split: str, tmp_path: Path
) -> None:
    raw, output, run = write(tmp_path / "raw"), tmp_path / "out", tmp_path / "run"
    store, _ = prepare(source(raw), tmp_path / "store")

    def change(content: dict) -> None:
        content["data"]["class_path"] = f"lesslabel.data.{module}"
        content["data"]["init_args"] |= {"split": split, "size_voxel": [32, 32]}
        content["trainer"]["max_steps"] = 4

    assert fit(write_config(tmp_path / "config.yaml", store.path, change), run) == 0
    predict = ["predict", "--run", str(run), "--output", str(output), "--part", "all", "--probabilities"]
    assert main(predict) == 0
    images = {path.name.removesuffix(".nii.gz"): path for path in raw.rglob("*.nii.gz") if path.stat().st_size}
    assert sorted(path.name for path in output.glob("*.nii.gz")) == sorted(
        f"{uid}{suffix}.nii.gz" for uid in store.records for suffix in ("", "_probabilities")
    )
    for uid in store.records:
        image, labels = nib.load(images[uid]), nib.load(output / f"{uid}.nii.gz")
        probabilities = nib.load(output / f"{uid}_probabilities.nii.gz")
        assert labels.shape == image.shape
        assert labels.get_data_dtype() == np.uint8
        np.testing.assert_allclose(labels.affine, image.affine, rtol=0, atol=1e-5)
        assert labels.header.get_zooms() == pytest.approx(image.header.get_zooms(), abs=1e-5)
        assert probabilities.shape == (*image.shape, 4)
        np.testing.assert_allclose(probabilities.affine, image.affine, rtol=0, atol=1e-5)
        values = np.asarray(probabilities.dataobj)
        np.testing.assert_allclose(values.sum(axis=-1), 1.0, atol=1e-5)
        assert values.min() >= 0.0
        np.testing.assert_array_equal(values.argmax(axis=-1), np.asarray(labels.dataobj))


def test_evaluate_of_predictions_equals_test(trained_run: Path, store: Path, tmp_path: Path) -> None:
    out, references, table = tmp_path / "out", tmp_path / "references", tmp_path / "scores.csv"
    assert main(["predict", "--run", str(trained_run), "--output", str(out)]) == 0
    for path in out.iterdir():
        labels = Store(store).read(path.name.removesuffix(".nii.gz")).annotations["dense"].labels
        replicas.write_nifti(references / path.name, labels, nib.load(path).affine)
    assert main(["evaluate", str(out), str(references), "--csv", str(table)]) == 0
    assert main(["test", "--run", str(trained_run)]) == 0
    ours, theirs = pd.read_csv(trained_run / "test" / "metrics.csv"), pd.read_csv(table)
    metrics = COLUMNS[3:]
    np.testing.assert_allclose(theirs[metrics], ours[metrics], rtol=1e-5)
    assert len(ours) == 12


def test_another_store_can_be_predicted(trained_run: Path, tmp_path: Path) -> None:
    raw = replicas.acdc_nifti(tmp_path / "raw", patients=1)
    store, _ = prepare(ACDC(raw), tmp_path / "store")
    settings = ["--data", "lesslabel.data.SegmentationDataModule", "--data.store", str(store.path)]
    out = tmp_path / "out"
    arguments = ["predict", "--run", str(trained_run), "--output", str(out), "--part", "all", *settings]
    assert main([*arguments, "--data.size_voxel", "[32, 32]"]) == 0
    assert sorted(path.name.removesuffix(".nii.gz") for path in out.iterdir()) == sorted(store.records)


def test_a_model_comes_back_without_its_data(trained_run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(trained_run, tmp_path / "run")
    config = yaml.safe_load((copy / "config.yaml").read_text(encoding="utf-8"))
    config["data"]["init_args"]["store"] = str(tmp_path / "gone")
    (copy / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    model = load_model(copy)
    expected = load_run(trained_run).model
    assert not model.training
    assert model.state_dict().keys() == expected.state_dict().keys()
    assert all(torch.equal(value, expected.state_dict()[name]) for name, value in model.state_dict().items())


def test_a_folder_without_a_run_gives_no_model(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run here"):
        load_model(tmp_path)
