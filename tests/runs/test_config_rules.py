"""A configuration, which may come from a stranger, writes into the run's folder alone and makes nothing of its own."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from running import fit, one_line, write_config

from lesslabel.cli import main
from lesslabel.errors import ConfigError
from lesslabel.runs.config_rules import leads_outside, require_own_folder


def callback(name: str, **settings: Any) -> dict[str, Any]:
    return {"trainer": {"callbacks": [{"class_path": name, "init_args": settings}]}}


CHECKPOINT = "pytorch_lightning.callbacks.ModelCheckpoint"
OUTSIDE = [
    ({"run": "/elsewhere/run"}, "run is named on the command line"),
    ({"run": "elsewhere"}, "run is named on the command line"),
    ({"config": "other.yaml"}, "config is named on the command line"),
    ({"trainer": {"default_root_dir": "/elsewhere"}}, "trainer.default_root_dir is decided"),
    ({"trainer": {"default_root_dir": "elsewhere"}}, "trainer.default_root_dir is decided"),
    ({"trainer": {"logger": {"class_path": "CSVLogger", "init_args": {"save_dir": "x"}}}}, "trainer.logger"),
    (callback(CHECKPOINT, dirpath="/elsewhere"), "init_args.dirpath"),
    (callback(CHECKPOINT, dirpath="elsewhere"), "init_args.dirpath"),
    (callback(CHECKPOINT, filename="../../x"), "init_args.filename"),
    (callback(CHECKPOINT, filename="a/b"), "init_args.filename"),
    (callback("stranger.Callback"), "is stranger.Callback"),
    (callback("os.system"), "is os.system"),
    ({"trainer": {"callbacks": {"class_path": "stranger.Callback"}}}, "is stranger.Callback"),
    ({"trainer": {"plugins": [{"class_path": "stranger.Plugin"}]}}, "is stranger.Plugin"),
    ({"trainer": {"strategy": {"class_path": "stranger.Strategy"}}}, "is stranger.Strategy"),
    (
        {"trainer": {"profiler": {"class_path": "pytorch_lightning.profilers.SimpleProfiler"}}}
        | {"trainer": {"profiler": {"init_args": {"dirpath": "x", "filename": "y"}}}},
        "init_args.dirpath",
    ),
]


@pytest.mark.parametrize(("content", "said"), OUTSIDE)
def test_a_place_outside_the_run_is_refused(content: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        require_own_folder(content, "a.yaml")
    assert said in str(raised.value)
    assert str(raised.value).startswith("a.yaml: ")


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"run": None, "config": None, "trainer": {"default_root_dir": None, "logger": None, "callbacks": None}},
        {"trainer": {"strategy": "ddp", "accelerator": "cpu", "profiler": "simple", "max_steps": 3}},
        callback("pytorch_lightning.callbacks.EarlyStopping", monitor="validation/dice", mode="max"),
        callback("EarlyStopping", monitor="validation/dice"),
        callback(CHECKPOINT, dirpath=None, filename="{step}"),
    ],
)
def test_settings_of_the_training_pass(content: dict[str, Any]) -> None:
    require_own_folder(content, "a.yaml")


@pytest.mark.parametrize(
    "path", ["/a", "../a", "a/../../b", "~", "~/a", "~root/a", "C:\\a", "C:a", "..\\a", "\\\\h\\s"]
)
def test_paths_that_lead_outside(path: str) -> None:
    assert leads_outside(path)


@pytest.mark.parametrize("path", ["a", "a/b", "a b/c..d", "fold-0", "..a"])
def test_paths_that_stay(path: str) -> None:
    assert not leads_outside(path)


@pytest.mark.parametrize(("content", "said"), OUTSIDE)
def test_fit_refuses_the_file_before_anything_is_written(
    content: dict[str, Any], said: str, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "stranger.py").write_text("import pathlib\npathlib.Path('ran').touch()\n")
    config = write_config(tmp_path / "a.yaml", store, lambda plain: plain.update(content))
    before = sorted(tmp_path.iterdir())
    assert fit(config, tmp_path / "run") == 1
    assert said in one_line(capsys)
    assert sorted(tmp_path.iterdir()) == before


def test_a_shared_part_is_looked_at_too(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "trainer.yaml").write_text(yaml.safe_dump({"default_root_dir": str(tmp_path / "elsewhere")}))
    config = write_config(tmp_path / "a.yaml", store, lambda plain: plain.update(trainer="trainer.yaml"))
    assert fit(config, tmp_path / "run") == 1
    assert "default_root_dir is decided" in one_line(capsys)


def test_a_run_folder_of_a_stranger_is_looked_at_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text(yaml.safe_dump(callback("stranger.Callback")))
    assert main(["test", "--run", str(run)]) == 1
    assert "is stranger.Callback" in one_line(capsys)


def test_no_configuration_sends_curves_away(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_config(tmp_path / "a.yaml", store, lambda plain: plain.update(wandb="online"))
    assert fit(config, tmp_path / "run") == 1
    assert "pass --wandb online" in one_line(capsys)
    assert not (tmp_path / "run").exists()
