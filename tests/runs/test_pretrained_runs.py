"""Runs whose encoder starts from a file: the file is read once, when the training begins."""

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from running import fit, one_line, write_config

from lesslabel.bundle import export_bundle, load_bundle
from lesslabel.cli import main
from lesslabel.networks.resnet import ResNetEncoder
from lesslabel.runs.reopening import load_model

STAND_STILL = ("--model.init_args.optimiser.learning_rate", "1e-30")


def write_encoder(path: Path) -> Path:
    torch.manual_seed(9)
    torch.save(ResNetEncoder(2, 3, 10).state_dict() | {"fc.bias": torch.zeros(1000)}, path)
    return path


def pretrained_config(path: Path, store: Path, file: Path) -> Path:
    def change(content: dict[str, Any]) -> None:
        settings = {"depth": 10, "decoder_channels": [4, 4, 4, 4, 4], "pretrained": str(file)}
        network = {"class_path": "lesslabel.networks.ResNetUNet", "init_args": settings}
        content["model"] = {
            "class_path": "lesslabel.methods.Supervised",
            "init_args": {"num_classes": 4, "network": network, "optimiser": {"name": "adam", "learning_rate": 0.01}},
        }
        content["data"]["init_args"]["view"] = {"supervision": [{"annotation": "dense"}]}

    return write_config(path, store, change)


@pytest.mark.filterwarnings("ignore:.*tensors taken")
def test_a_run_starts_from_the_file_and_does_not_need_it_again(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, run = write_encoder(tmp_path / "resnet.pt"), tmp_path / "run"
    config = pretrained_config(tmp_path / "config.yaml", store, file)
    assert fit(config, run, *STAND_STILL, "--trainer.max_steps", "4") == 0
    expected = torch.load(file, weights_only=True)["layer4.0.conv2.weight"]
    assert torch.equal(load_model(run).network.encoder.layer4[0].conv2.weight, expected)
    recorded = json.loads((run / "environment.json").read_text())["pretrained"]
    assert recorded == {"file": "resnet.pt", "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    assert yaml.safe_load((run / "config.yaml").read_text())["model"]["init_args"]["network"]["init_args"][
        "pretrained"
    ] == str(file)

    file.unlink()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*tensors taken")
        assert main(["test", "--run", str(run)]) == 0
        assert torch.equal(load_model(run).network.encoder.layer4[0].conv2.weight, expected)
        resumed = [*STAND_STILL, "--trainer.max_steps", "4", "--ckpt_path", "last"]
        assert fit(config, run, *resumed) == 0
    capsys.readouterr()
    assert fit(config, tmp_path / "another") == 1
    assert f"network.pretrained: no file {file}" in one_line(capsys)
    assert not (tmp_path / "another").exists()


@pytest.mark.filterwarnings("ignore:.*tensors taken")
def test_a_bundle_holds_the_weights_and_no_path(store: Path, tmp_path: Path) -> None:
    file, run = write_encoder(tmp_path / "resnet.pt"), tmp_path / "run"
    config = pretrained_config(tmp_path / "config.yaml", store, file)
    assert fit(config, run, "--trainer.max_steps", "24") == 0
    file.unlink()
    export_bundle(run, tmp_path / "bundle", store, n_references=2, seed=0, min_patients=1)
    assert str(file) not in (tmp_path / "bundle" / "bundle.json").read_text()
    made = load_bundle(tmp_path / "bundle").build_method()
    trained = load_model(run)
    image = torch.randn(1, 1, 32, 32)
    assert torch.equal(made.logits(image), trained.logits(image))
