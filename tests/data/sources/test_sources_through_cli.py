"""Every public layout goes the whole way by the command line: prepared, verified, trained two steps, tested."""

import csv
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import replicas_public
from real_data import REAL_DATA

from lesslabel.cli import main
from lesslabel.data.store import Store
from lesslabel.data.verify.store_check import verify_store

NETWORK = ["--model.network.channels", "[4, 8]", "--model.network.encoder_dropout", "[0, 0]"]
SHORT = [
    *("--data.batch_size", "2", "--data.steps_per_epoch", "2", "--data.workers", "0"),
    *("--trainer.max_steps", "2", "--trainer.log_every_n_steps", "1", "--trainer.accelerator", "cpu"),
]

# folder of the real files; what `prepare` is told; data module; its settings
REAL: dict[str, tuple[str, str, dict[str, Any]]] = {
    "acdc": ("acdc", "ACDC", {"size_voxel": [64, 64]}),
    "la": ("la", "LA", {"size_voxel": [64, 64]}),
    "mscmr": ("mscmr", "MSCMR", {"split": "mscmr/five_fold", "fold": 1, "allow_missing": True, "size_voxel": [64, 64]}),
    "hippocampus": ("msd", "MSD", {"size_voxel": [32, 32]}),
}

# replica; what `prepare` is told; data module; its settings
LAYOUTS: dict[str, tuple[Callable[[Path], Path], list[str], str, dict[str, Any]]] = {
    "word": (
        replicas_public.word,
        ["word"],
        "WORD",
        {"split": "groups", "view": {"supervision": [{"annotation": "scribble"}]}},
    ),
    "msd": (replicas_public.msd_4d, ["msd"], "MSD", {"view": {"channels": [1]}}),
    "msd by slice": (replicas_public.msd_4d, ["msd", "--slices_of", "2"], "MSD", {}),
    "brats": (
        replicas_public.brats,
        ["brats"],
        "BraTS",
        {"view": {"channels": [0], "labels": {"whole tumour": [1, 2, 4]}}},
    ),
    "brats 2023": (replicas_public.brats_2023, ["brats"], "BraTS", {"intensity": {"name": "zscore"}}),
    "btcv": (replicas_public.btcv, ["btcv"], "BTCV", {"split": "btcv/published_18_12", "allow_missing": True}),
    "chaos": (
        lambda raw: replicas_public.chaos(raw, "t1dual"),
        ["chaos", "--sequence", "t1dual"],
        "CHAOS",
        {"size_voxel": [32, 32]},
    ),
    "kits": (replicas_public.kits, ["kits"], "KiTS", {"view": {"labels": {"kidney": [1], "lesion": [2, 3]}}}),
    "promise12": (replicas_public.promise12, ["promise12"], "PROMISE12", {}),
    "hc18": (replicas_public.hc18, ["hc18"], "HC18", {}),
    "medscribble": (
        replicas_public.medscribble,
        ["medscribble"],
        "MedScribble",
        {"view": {"supervision": [{"annotation": "scribble2"}]}},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_whole_way(layout: str, tmp_path: Path) -> None:
    make, (source, *options), module, settings = LAYOUTS[layout]
    raw, path = tmp_path / "raw", tmp_path / "store"
    raw.mkdir()
    assert main(["prepare", source, str(make(raw)), str(path), *options]) == 0
    assert main(["verify", str(path), "--split", settings.get("split", "random")]) == 0
    run = train(tmp_path, path, module, settings)
    assert main(["test", "--run", str(run)]) == 0


def test_the_study_on_slices_leaks_patients_and_says_so(tmp_path: Path, capsys) -> None:
    """As the committed lists do it, with fewer slices."""
    path, split = tmp_path / "store", tmp_path / "leaking_slices.yaml"
    raw = replicas_public.msd_4d(tmp_path / "raw")
    assert main(["prepare", "msd", str(raw), str(path), "--slices_of", "2"]) == 0
    split.write_text("unit: case\ndraw: {train: 15, test: 10}\n")
    assert main(["verify", str(path), "--split", str(split)]) == 1
    with pytest.raises(AssertionError):
        train(tmp_path, path, "MSD", {"split": str(split)})
    said = capsys.readouterr().err
    assert "has this patient in train and in test; keep the patient in one part; or, to repeat a published" in said
    split.write_text("unit: case\nleak: as published\ndraw: {train: 15, test: 10}\n")
    assert main(["verify", str(path), "--split", str(split)]) == 0
    found = [one for one in verify_store(path, split=str(split)) if one.case.startswith("prostate")]
    assert {(one.severity, one.cause) for one in found} == {
        ("warning", "the lists were not made by patient; the split says: as published")
    }
    run = train(tmp_path, path, "MSD", {"split": str(split)})
    recorded = json.loads((run / "data.json").read_text())
    assert recorded["split"].endswith("leaking_slices.yaml")
    assert [len(recorded["parts"][part]) for part in ("train", "validation", "test")] == [15, 0, 10]
    patients = [{recorded["patients"][uid] for uid in recorded["parts"][part]} for part in ("train", "test")]
    assert patients[0] & patients[1]


@pytest.mark.real
def test_real_scribbles_go_the_whole_way(tmp_path: Path) -> None:
    script, path = REAL_DATA / "unpack.py", tmp_path / "store"
    if not script.exists() or not (REAL_DATA / "medscribble.tar.xz").exists():
        pytest.skip(f"the real data are not at hand: no medscribble beside {script}")
    subprocess.run([sys.executable, script, tmp_path, "medscribble"], check=True)
    assert main(["prepare", "medscribble", str(tmp_path / "medscribble"), str(path)]) == 0
    store = Store(path)
    assert len(store.records) == 28
    assert len({record.centre for record in store.records.values()}) == 12
    assert all(len(record.annotation_names) == 4 for record in store.records.values())
    assert main(["verify", str(path), "--split", "random"]) == 0
    disagreeing = {one.case for one in verify_store(path) if "disagrees with 'dense'" in one.problem}
    assert any(case.startswith("STARE") for case in disagreeing)  # a pen is wider than a vessel
    view = {"supervision": [{"annotation": "scribble1"}]}
    run = train(tmp_path, path, "MedScribble", {"view": view, "size_voxel": [64, 64]})
    assert main(["test", "--run", str(run)]) == 0


@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
def test_real_files_go_the_whole_way(name: str, real_data: Path, tmp_path: Path) -> None:
    (source, module, settings), raw, path = REAL[name], real_data / name, tmp_path / "store"
    if name == "hippocampus":
        raw = tmp_path / "raw"
        for image in sorted((real_data / name / "imagesTr").iterdir())[:4]:
            for folder in ("imagesTr", "labelsTr"):
                (raw / folder).mkdir(parents=True, exist_ok=True)
                shutil.copy(real_data / name / folder / image.name, raw / folder)
    if "split" not in settings:  # of so few cases
        split = tmp_path / "halves.yaml"
        split.write_text("unit: case\ndraw: {train: 1, test: 1}\nleak: two cases may be of one patient\n")
        settings = {**settings, "split": str(split)}
    assert main(["prepare", source, str(raw), str(path)]) == 0
    assert main(["verify", str(path)]) == 0
    run = train(tmp_path, path, module, settings)
    assert main(["test", "--run", str(run)]) == 0


def train(folder: Path, store: Path, module: str, settings: dict[str, Any]) -> Path:
    """Two steps of a narrow network; the run."""
    view, config, run = settings.get("view", {}), folder / "config.yaml", folder / "run"
    model = {
        "num_classes": 1 + len(view.get("labels") or Store(store).labels),
        "in_channels": len(view.get("channels") or Store(store).channels),
    }
    data_module = f"lesslabel.data.{module}DataModule"
    content = {
        "model": {"class_path": "lesslabel.methods.Supervised", "init_args": model},
        "data": {"class_path": data_module, "init_args": {"store": str(store), **settings}},
    }
    config.write_text(json.dumps(content))
    assert main(["fit", "--config", str(config), "--run", str(run), *NETWORK, *SHORT]) == 0
    with (run / "logs/metrics.csv").open() as file:
        losses = [float(row["value"]) for row in csv.DictReader(file) if row["name"] == "train/loss"]
    assert len(losses) == 2
    assert all(math.isfinite(loss) for loss in losses)
    return run
