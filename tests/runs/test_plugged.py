"""Feature-aware attention behind a plain network that is already trained."""

from pathlib import Path
from typing import Any

import pytest
import torch
from running import checkpoint, fit, one_line, write_config

from lesslabel.runs.weights import save_weights

STEPS = ("--trainer.max_steps", "4", "--data.steps_per_epoch", "4")


def supervised(content: dict[str, Any]) -> None:
    """The small configuration with dense labels."""
    content["model"]["class_path"] = "lesslabel.methods.Supervised"
    content["data"]["init_args"]["view"]["supervision"] = [{"annotation": "dense"}]
    content["data"]["init_args"]["intensity"] = {"name": "zscore"}


def feature_aware(content: dict[str, Any]) -> None:
    """The same for clicks, in front of the same network."""
    supervised(content)
    content["model"]["class_path"] = "lesslabel.methods.FeatureAware"
    settings = content["model"]["init_args"]
    del settings["num_classes"]
    settings |= {"size_voxel": [32, 32], "stride": 4, "width": 4, "own_clicks": 1, "frozen": True, "network_classes": 4}


@pytest.fixture(scope="module")
def plain(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    assert fit(write_config(folder / "plain.yaml", store, supervised), folder / "run", *STEPS) == 0
    save_weights(checkpoint(folder / "run")["state_dict"], folder / "weights.safetensors")
    return folder


@pytest.mark.parametrize("frozen", [True, False])
def test_the_module_is_trained_behind_a_trained_network(store: Path, plain: Path, tmp_path: Path, frozen: bool) -> None:
    config = write_config(tmp_path / "clicks.yaml", store, feature_aware)
    more = (*STEPS, "--weights", str(plain / "weights.safetensors"), "--model.frozen", str(frozen).lower())
    assert fit(config, tmp_path / "run", *more) == 0
    given, found = checkpoint(plain / "run")["state_dict"], checkpoint(tmp_path / "run")["state_dict"]
    same = [torch.equal(given[name], found[name]) for name in given if name.startswith("network.")]
    assert all(same) if frozen else not any(same)
    assert any(name.startswith("attention.") for name in found)
    fresh = write_config(tmp_path / "fresh.yaml", store, feature_aware)
    assert fit(fresh, tmp_path / "fresh", *STEPS) == 0
    again = checkpoint(tmp_path / "fresh")["state_dict"]
    assert any(not torch.equal(again[name], found[name]) for name in found if name.startswith("attention."))


def test_weights_of_another_number_of_classes_say_which_setting_to_change(
    store: Path, plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path / "clicks.yaml", store, feature_aware)
    weights = ("--weights", str(plain / "weights.safetensors"))
    assert fit(config, tmp_path / "run", *weights, "--model.network_classes", "2") == 1
    assert "network.head" in (line := one_line(capsys))
    assert "model.network_classes" in line
