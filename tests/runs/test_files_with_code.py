"""Files that could carry code do nothing but be refused, whatever reads them: pickles, YAML tags, arrays of objects."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from running import fit, write_config

from lesslabel.cli import main


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (str(self.path), "w"))


def zipped(path: Path, content: object) -> None:
    torch.save(content, path)


def legacy(path: Path, content: object) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


def plain(path: Path, content: object) -> None:
    path.write_bytes(pickle.dumps(content))


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    return tmp_path / "opened"


@pytest.mark.parametrize("write", [zipped, legacy, plain])
@pytest.mark.parametrize("ending", ["ckpt", "pt", "pth", "safetensors"])
@pytest.mark.parametrize("flag", ["--weights", "--model.network.pretrained"])
def test_weights_of_a_training(
    write: Callable[[Path, object], None], ending: str, flag: str, store: Path, tmp_path: Path, trap: Path
) -> None:
    path = tmp_path / f"trap.{ending}"
    write(path, {"state_dict": {"a": Trap(trap)}, "b": Trap(trap)})
    config = write_config(tmp_path / "a.yaml", store)
    network = ["--model.network.class_path", "ResNetUNet"] if "pretrained" in flag else []
    assert fit(config, tmp_path / "run", *network, flag, str(path)) == 1
    assert not trap.exists()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("write", [zipped, legacy, plain])
@pytest.mark.parametrize("command", ["test", "validate", "predict"])
def test_the_checkpoint_of_a_run(
    write: Callable[[Path, object], None], command: str, plain_run: Path, tmp_path: Path, trap: Path
) -> None:
    run = Path(shutil.copytree(plain_run, tmp_path / "run"))
    for path in (run / "checkpoints").iterdir():
        write(path, {"state_dict": {"a": Trap(trap)}, "pytorch-lightning_version": "2", "global_step": 1})
    output = ["--output", str(tmp_path / "out")] if command == "predict" else []
    assert main([command, "--run", str(run), *output]) == 1
    assert not trap.exists()


TAG = "!!python/object/apply:builtins.open ['{}', 'w']\n"


@pytest.mark.parametrize("name", ["config.yaml", "study.yaml", "protocol.yaml", "split.yaml", "zoo.yaml"])
def test_tags_in_yaml(name: str, store: Path, tmp_path: Path, trap: Path) -> None:
    path = tmp_path / name
    path.write_text(f"a: {TAG.format(trap)}")
    config = write_config(tmp_path / "sound.yaml", store)
    commands = {
        "config.yaml": ["fit", "--config", str(path), "--run", str(tmp_path / "run")],
        "study.yaml": ["reproduce", str(tmp_path)],
        "protocol.yaml": ["report", str(tmp_path), "--experiment", str(tmp_path)],
        "split.yaml": ["fit", "--config", str(config), "--run", str(tmp_path / "run"), "--data.split", str(path)],
        "zoo.yaml": ["bundle", "verify", str(tmp_path), "--zoo", str(tmp_path)],
    }
    assert main(commands[name]) == 1
    assert not trap.exists()
    assert not (tmp_path / "run").exists()


def test_the_configuration_of_a_run(plain_run: Path, tmp_path: Path, trap: Path) -> None:
    run = Path(shutil.copytree(plain_run, tmp_path / "run"))
    (run / "config.yaml").write_text(f"a: {TAG.format(trap)}")
    assert main(["test", "--run", str(run)]) == 1
    assert not trap.exists()


def test_arrays_of_objects(store: Path, tmp_path: Path, trap: Path) -> None:
    path = tmp_path / "quantiles.npy"
    array = np.empty((1, 256), dtype=object)
    array[0, 0] = Trap(trap)
    np.save(path, array, allow_pickle=True)
    config = write_config(tmp_path / "a.yaml", store)
    assert fit(config, tmp_path / "run", "--data.intensity.match", str(path)) == 1
    assert not trap.exists()
