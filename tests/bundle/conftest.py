"""A tiny store, a run on it and its bundle."""

from pathlib import Path

import pytest
import torch
import yaml
from phantom_stores import PhantomStores

from lesslabel.bundle import Bundle, export_bundle
from lesslabel.command_words import read_settings
from lesslabel.runs.fitting import fit

REFERENCES = 4


@pytest.fixture(scope="session")
def store(phantom_store: PhantomStores) -> Path:
    """Sixteen phantom cases of 3×32×32: five patients train, one validates, two test."""
    return phantom_store(cases=16, size=32, depth=3)


@pytest.fixture(scope="session")
def run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighty iterations of full supervision on slices of 32×24."""
    folder = tmp_path_factory.mktemp("runs")
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
                "view": {"labels": {"heart": [2, 3], "RV": [1]}},
                "size_voxel": [32, 24],
                "intensity": {"name": "zscore"},
                "batch_size": 8,
                "steps_per_epoch": 40,
                "augmentation": {"turn_flip_probability": 0.0, "rotation_probability": 0.0},
            },
        },
        "trainer": {"accelerator": "cpu", "max_steps": 80, "log_every_n_steps": 10},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    fit(read_settings(["--config", str(folder / "config.yaml"), "--run", str(folder / "run")]))
    return folder / "run"


@pytest.fixture(scope="session")
def bundle(run: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The run's bundle; do not write to it."""
    torch.manual_seed(5)
    return export_bundle(run, tmp_path_factory.mktemp("bundles") / "bundle", store, n_references=REFERENCES, seed=3)
