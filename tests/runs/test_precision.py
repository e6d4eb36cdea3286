"""`trainer.precision: auto` is bf16 where the machine has a unit for it, and float32 elsewhere."""

from pathlib import Path

import pytest
import torch
import yaml
from running import fit

from lesslabel.runs import parsing
from lesslabel.runs.parsing import parse_run
from lesslabel.runs.precision import Precision, choose_precision
from lesslabel.runs.settings import settings_of
from lesslabel.studies import read_study
from lesslabel.studies.fit_jobs import FitJobs
from lesslabel.studies.job import Machines
from lesslabel.studies.sources import Sources

BF16 = Precision("bf16-mixed", "the processor has amx_bf16")


@pytest.mark.parametrize(
    ("flags", "name"),
    [("fma avx512f amx_bf16", "bf16-mixed"), ("fma avx512_bf16", "bf16-mixed"), ("fma avx512f", "32-true")],
)
def test_the_processor_decides_where_there_is_no_gpu(tmp_path: Path, flags: str, name: str) -> None:
    processor = tmp_path / "cpuinfo"
    processor.write_text(f"processor : 0\nflags : {flags}\n")
    assert choose_precision("cpu", processor).name == name
    assert choose_precision("cpu", tmp_path / "absent").name == "32-true"


@pytest.mark.parametrize("capable", [True, False])
def test_the_gpu_decides_where_there_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capable: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: capable)
    assert choose_precision("auto", tmp_path / "absent").name == ("bf16-mixed" if capable else "32-true")
    assert choose_precision("cpu", tmp_path / "absent").reason == "the processor has no amx_bf16 or avx512_bf16"
    assert choose_precision("mps", tmp_path / "absent").name == "32-true"


@pytest.fixture
def automatic(config: Path, tmp_path: Path) -> Path:
    """The small configuration with the precision left to the machine."""
    content = yaml.safe_load(config.read_text())
    path = tmp_path / "auto.yaml"
    path.write_text(yaml.safe_dump({**content, "trainer": {**content["trainer"], "precision": "auto"}}))
    return path


@pytest.fixture
def bf16_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "choose_precision", lambda _: BF16)


@pytest.mark.usefixtures("bf16_machine")
def test_the_last_setting_holds(automatic: Path, config: Path) -> None:
    def chosen(*settings) -> tuple[str, Precision | None]:
        run = parse_run(settings_of(*settings))
        return run.config["trainer.precision"], run.precision

    assert chosen(automatic) == ("bf16-mixed", BF16)
    assert chosen(config, {"trainer.precision": "auto"}) == ("bf16-mixed", BF16)
    assert chosen(yaml.safe_load(automatic.read_text())) == ("bf16-mixed", BF16)
    assert chosen(automatic, {"trainer.precision": "64-true"}) == ("64-true", None)
    assert chosen([automatic, config]) == ("bf16-mixed", BF16)


@pytest.mark.usefixtures("bf16_machine")
def test_the_run_says_which_and_why_and_keeps_it(
    automatic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(automatic, tmp_path / "run", "--trainer.max_steps", "1") == 0
    assert "bf16-mixed, the processor has amx_bf16" in capsys.readouterr().out
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["trainer"]["precision"] == "bf16-mixed"


def test_a_run_goes_on_in_the_precision_it_began_with(
    automatic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on a machine where another one would be chosen, and by the command that started it."""
    monkeypatch.setattr(parsing, "choose_precision", lambda _: Precision("32-true", "a first machine"))
    assert fit(automatic, tmp_path / "run", "--trainer.max_steps", "2") == 0
    monkeypatch.setattr(parsing, "choose_precision", lambda _: BF16)
    assert fit(automatic, tmp_path / "run", "--trainer.max_steps", "2", "--ckpt_path", "last") == 0
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["trainer"]["precision"] == "32-true"


@pytest.mark.usefixtures("bf16_machine")
def test_the_jobs_of_a_study_have_the_precision_of_their_key(automatic: Path, tmp_path: Path) -> None:
    store = yaml.safe_load(automatic.read_text())["data"]["init_args"]["store"]
    methods = [{"name": "a", "configs": [str(automatic)]}]
    content = {"store": store, "methods": methods, "seeds": [0], "selection": {"checkpoint": "last"}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
    jobs = FitJobs(read_study(tmp_path), tmp_path / "jobs", Path(store), Sources(), Machines())
    (job,) = jobs.add(read_study(tmp_path).methods[0])
    place = job.arguments.index("--trainer.precision")
    assert job.arguments[place + 1] == "bf16-mixed"
