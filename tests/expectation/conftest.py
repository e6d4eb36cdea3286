"""A run whose validation part has five patients, and its bundle."""

from pathlib import Path

import pytest
import yaml
from phantom_stores import PhantomStores

from lesslabel.bundle import Bundle, export_bundle
from lesslabel.command_words import read_settings
from lesslabel.data.store import Store
from lesslabel.runs.fitting import fit


@pytest.fixture(scope="session")
def store(phantom_store: PhantomStores) -> Path:
    """Twelve patients, two cases of 3×32×32 each."""
    return phantom_store(cases=24, size=32, depth=3)


@pytest.fixture(scope="session")
def run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 iterations on five patients; five validate, two test."""
    folder = tmp_path_factory.mktemp("runs")
    patients = sorted({record.patient for record in Store(store).records.values()})
    parts = {"train": patients[:5], "validation": patients[5:10], "test": patients[10:]}
    (folder / "split.yaml").write_text(yaml.safe_dump({"folds": {0: parts}}))
    config = {
        "model": {
            "class_path": "lesslabel.methods.Supervised",
            "init_args": {
                "num_classes": 3,
                "network": {"channels": [4, 8], "encoder_dropout": [0.0, 0.1], "normalisation": "instance"},
                "optimiser": {"name": "adam", "learning_rate": 0.03},
            },
        },
        "data": {
            "class_path": "lesslabel.data.PhantomDataModule",
            "init_args": {
                "store": str(store),
                "split": str(folder / "split.yaml"),
                "view": {"labels": {"cavities": [1, 3], "muscle": [2]}},
                "intensity": {"name": "zscore"},
                "batch_size": 8,
                "steps_per_epoch": 60,
                "augmentation": {"turn_flip_probability": 0.0, "rotation_probability": 0.0},
            },
        },
        "trainer": {"accelerator": "cpu", "max_steps": 120, "log_every_n_steps": 10},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    fit(read_settings(["--config", str(folder / "config.yaml"), "--run", str(folder / "run")]))
    return folder / "run"


@pytest.fixture(scope="session")
def bundle(run: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Do not write to it."""
    return export_bundle(run, tmp_path_factory.mktemp("bundles") / "bundle", store, n_references=4)
