"""Parts that several configurations share: found beside the file that names them, overridden, resolved, refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from running import SETTINGS, fit

from lesslabel.cli import main
from lesslabel.command_words import read_settings
from lesslabel.runs.config_files import read_config, shared_files
from lesslabel.runs.parsing import parse_run


@pytest.fixture
def shared(store: Path, tmp_path: Path) -> Path:
    """A configuration whose data and trainer are files in a folder beside its own."""
    content: dict[str, Any] = yaml.safe_load(yaml.safe_dump(SETTINGS))
    content["data"]["init_args"]["store"] = str(store)
    (tmp_path / "_data").mkdir()
    for group in ("data", "trainer"):
        (tmp_path / "_data" / f"{group}.yaml").write_text(yaml.safe_dump(content[group]))
        content[group] = f"../_data/{group}.yaml"
    (tmp_path / "own").mkdir()
    config = tmp_path / "own" / "config.yaml"
    config.write_text(yaml.safe_dump(content))
    return config


def data_of(*arguments: str) -> dict[str, Any]:
    settings: dict[str, Any] = parse_run(read_settings(arguments)).plain_config()["data"]["init_args"]
    return settings


@pytest.mark.parametrize("place", ["elsewhere", "beside", "relative"])
def test_paths_begin_at_the_file_that_names_them(place: str, shared: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir({"elsewhere": tmp_path / "work", "beside": shared.parent, "relative": tmp_path}[place])
    given = {"elsewhere": str(shared), "beside": "config.yaml", "relative": "own/config.yaml"}[place]
    assert data_of("--config", given)["batch_size"] == SETTINGS["data"]["init_args"]["batch_size"]


def test_single_settings_are_laid_over_a_shared_part(shared: Path, tmp_path: Path) -> None:
    whole = data_of("--config", str(shared))
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("data: {init_args: {steps_per_epoch: 9, view: {reference: scribble}}}")
    given = data_of("--config", str(shared), "--config", str(overlay), "--data.batch_size", "3", "--data.fold", "2")
    assert given.pop("view") == {**whole.pop("view"), "reference": "scribble"}
    assert given == {**whole, "steps_per_epoch": 9, "batch_size": 3, "fold": 2}


def test_a_run_keeps_the_resolved_configuration_and_resumes_by_it(shared: Path, tmp_path: Path) -> None:
    assert fit(shared, tmp_path / "run") == 0
    kept = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert kept == parse_run(read_settings(["--config", str(shared)])).plain_config()
    assert kept["data"]["init_args"]["store"] == read_config(shared)["data"]["init_args"]["store"]
    for part in (tmp_path / "_data").iterdir():
        part.unlink()
    assert main(["test", "--run", str(tmp_path / "run")]) == 0


def test_a_shared_configuration_is_printed_whole(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fit", "--config", str(shared), "--print_config"])
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["data"]["init_args"]["batch_size"] == SETTINGS["data"]["init_args"]["batch_size"]
    assert printed["trainer"]["max_steps"] == SETTINGS["trainer"]["max_steps"]


def test_every_file_that_settings_come_from_is_known(shared: Path, tmp_path: Path) -> None:
    content = yaml.safe_load(shared.read_text())
    content["model"]["init_args"]["network"] = "network.yaml"
    shared.write_text(yaml.safe_dump(content))
    (shared.parent / "network.yaml").write_text("channels: [4, 8]\nencoder_dropout: [0, 0]")
    files = [path.resolve() for path in shared_files(shared)]
    assert sorted(files) == sorted(
        [tmp_path / "_data" / "data.yaml", tmp_path / "_data" / "trainer.yaml", tmp_path / "own" / "network.yaml"]
    )
    network = parse_run(read_settings(["--config", str(shared)])).plain_config()["model"]["init_args"]["network"]
    assert network["init_args"]["channels"] == [4, 8]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "data.yaml is no file; paths begin at the configuration that names them"),
        ("folder", "data.yaml is no file"),
        (b"class_path: [1\ninit_args: {", "data.yaml: not a YAML file (line 2, column 10"),
        (b"../_data/data.yaml", "data.yaml: a configuration holds the keys class_path and init_args"),
        (b"secret", "data.yaml: a configuration holds the keys class_path and init_args"),
        (bytes(range(256)), "data.yaml: not a YAML file"),
    ],
)
def test_a_shared_part_that_is_none_costs_a_line(
    content: bytes | str | None, said: str, shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = tmp_path / "_data" / "data.yaml"
    part.unlink()
    if isinstance(content, bytes):
        part.write_bytes(content)
    elif content == "folder":
        part.mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert fit(shared, tmp_path / "run") == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"lesslabel fit: {shared}: data: ")
    assert said in line
    assert "secret" not in line
    assert sorted(tmp_path.rglob("*")) == before


def test_a_wrong_setting_is_looked_for_in_the_shared_part(shared: Path, tmp_path: Path, capsys) -> None:
    part = tmp_path / "_data" / "data.yaml"
    part.write_text(part.read_text().replace("batch_size", "batchsize"))
    assert fit(shared, tmp_path / "run") == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "_data/data.yaml: unknown setting 'data.batchsize'; did you mean 'data.batch_size'?" in line
