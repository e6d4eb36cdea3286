"""`lesslabel curve` declares a study and runs it."""

from pathlib import Path

import pytest
import yaml

from lesslabel.cli import main
from lesslabel.studies import Budgets, budget_study, read_study
from lesslabel.studies.reproduce import Launching
from lesslabel.tables import read_protocol, read_published


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, Launching]]:
    """What would have been reproduced."""
    reproduced: list[tuple[Path, Launching]] = []
    monkeypatch.setattr(
        budget_study, "reproduce", lambda experiment, *, launching: reproduced.append((experiment, launching)) or 0
    )
    return reproduced


def test_the_study_is_declared_and_run(
    config: Path, order: Path, tmp_path: Path, run: list[tuple[Path, Launching]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, other = tmp_path / "curve", tmp_path / "other.yaml"
    content = yaml.safe_load(config.read_text())
    other.write_text(yaml.safe_dump({**content, "name": "Another"}))
    command = ["curve", str(folder), "--config", str(config), "--config", str(other), "--order", str(order)]
    command += ["--budgets", "1", "2", "all", "--checkpoint", "last"]
    assert main(command) == 0
    study = read_study(folder)
    assert [method.name for method in study.methods] == ["MeanTeacher", "Another"]
    assert study.budgets == Budgets(str(order), (1, 2, None))
    assert (study.checkpoint, str(study.store)) == ("last", "elsewhere")
    assert read_protocol(folder)["checkpoint_rule"] == "last iteration"
    assert read_published(folder).empty
    assert main([*command, "--jobs", "2"]) == 0
    assert [(experiment, launching.jobs) for experiment, launching in run] == [(folder, 1), (folder, 2)]
    assert main([*command, "--seeds", "1"]) == 1
    assert "declares another study" in capsys.readouterr().err


def test_methods_of_two_stores_make_no_curve(
    config: Path, order: Path, tmp_path: Path, run: list[tuple[Path, Launching]], capsys: pytest.CaptureFixture[str]
) -> None:
    content = yaml.safe_load(config.read_text())
    content["data"]["init_args"]["store"] = "another"
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(content))
    command = ["curve", str(tmp_path / "curve"), "--config", str(config), "--config", str(tmp_path / "other.yaml")]
    assert main([*command, "--order", str(order)]) == 1
    assert "their stores differ (another, elsewhere)" in capsys.readouterr().err
    assert not run
    assert not (tmp_path / "curve").exists()
