"""Compiled networks train as the others do, and their checkpoints are the same files."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from running import fit

from lesslabel.runs import compilation
from lesslabel.runs.callbacks import SafeCheckpointIO

COMPILED = "--trainer.callbacks+=lesslabel.runs.compilation.CompiledNetworks"


@pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="there is no C++ compiler")
def test_compiled_networks_learn_the_same(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled_modules: list[torch.nn.Module] = []
    compile_module = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module,
        "compile",
        lambda self, **given: (compiled_modules.append(self), compile_module(self, **given)),
    )
    steps = ["--trainer.max_steps", "2", "--trainer.accelerator", "cpu"]
    assert fit(config, tmp_path / "eager", *steps) == 0
    assert not compiled_modules
    assert fit(config, tmp_path / "compiled", *steps, COMPILED) == 0
    assert compiled_modules
    eager, compiled = (
        SafeCheckpointIO().load_checkpoint(tmp_path / name / "checkpoints" / "last.ckpt")["state_dict"]
        for name in ("eager", "compiled")
    )
    assert list(eager) == list(compiled)
    for name, weight in eager.items():
        torch.testing.assert_close(compiled[name], weight, rtol=1e-3, atol=1e-4)


def test_a_cpu_without_a_compiler_is_told_so(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compilation.shutil, "which", lambda _: None)
    assert fit(config, tmp_path / "run", "--trainer.max_steps", "1", "--trainer.accelerator", "cpu", COMPILED) == 1
    assert "on a CPU and found none; install it" in capsys.readouterr().err


def test_networks_in_lists_are_compiled_too() -> None:
    module = torch.nn.Module()
    module.heads = torch.nn.ModuleList([torch.nn.Linear(2, 2), torch.nn.Conv2d(1, 1, 1)])
    module.network = torch.nn.Sequential(torch.nn.Linear(2, 2))
    assert [type(network).__name__ for network in compilation._networks(module)] == ["Linear", "Conv2d", "Sequential"]
