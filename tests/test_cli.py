"""The command line itself: help that is there at once, configurations that can be fed back, tables that fit."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from lesslabel import __version__
from lesslabel.cli import main
from lesslabel.evaluation import summarise
from lesslabel.printing import print_summary

COMMANDS = (
    *("prepare", "verify", "scribble", "spread", "export", "import", "annotate", "fit", "validate", "test", "predict"),
    *("pseudo", "clicks", "clicker", "evaluate", "raters", "report", "bundle", "select", "adapt"),
    *("reproduce", "compare", "curve", "campaign", "plan", "demo"),
)
HEAVY = ("torch", "pytorch_lightning", "monai", "numba", "pandas", "jsonargparse")
MODEL = ["--model", "lesslabel.methods.DMPLS", "--model.num_classes", "4"]
DATA = ["--data", "lesslabel.data.PhantomDataModule", "--data.store", "nowhere"]


@pytest.mark.parametrize(
    "arguments", [["--help"], *([command, "--help"] for command in ("fit", "test", "report", "select", "adapt"))]
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print('heavy:', [name for name in {HEAVY} if name in sys.modules]))\n"
        "from lesslabel.cli import main\n"
        f"sys.exit(main({arguments}))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "usage: lesslabel" in result.stdout
    assert result.stdout.strip().endswith("heavy: []")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert all(f"\n  {command} " in text for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main([command, "--help"])
    except SystemExit as stopped:
        code = stopped.code
    assert code == 0
    text = capsys.readouterr().out
    assert f"lesslabel {command}" in text
    assert all(len(line) <= 100 for line in text.splitlines())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"lesslabel {__version__}\n"


def test_the_long_help_describes_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["fit", "--help-all"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("--trainer.max_steps", "--seed", "--run", "--wandb", "--model"))


def test_a_printed_configuration_can_be_fed_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = [*MODEL, *DATA, "--data.fold", "2", "--trainer.max_steps", "7", "--seed", "5"]
    printed = []
    for given in (settings, ["--config", str(tmp_path / "printed.yaml")]):
        with pytest.raises(SystemExit) as stopped:
            main(["fit", *given, "--print_config"])
        assert stopped.value.code == 0
        printed.append(capsys.readouterr().out)
        (tmp_path / "printed.yaml").write_text(printed[0])
    assert printed[0] == printed[1]
    content = yaml.safe_load(printed[0])
    assert content["model"]["init_args"]["network"]["init_args"]["channels"] == [16, 32, 64, 128, 256]
    assert (content["data"]["init_args"]["fold"], content["trainer"]["max_steps"], content["seed"]) == (2, 7, 5)


def test_the_table_of_a_test_fits_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    rows = [
        {"uid": f"{patient}{frame}", "patient": patient, "label": label, "dice": dice, "hd95": hd95, "asd": 1.5}
        for patient, dice, hd95 in (("a", 0.5, 100.0), ("b", 0.75, float("nan")))
        for frame in "12"
        for label in ("right ventricle", "Myo")
    ]
    print_summary(summarise(pd.DataFrame(rows)), "voxel")
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines) <= 80
    text = "\n".join(lines)
    assert "HD95 (voxel)" in text
    (row,) = [line for line in lines if "right ventricle" in line]
    assert [cell for cell in re.split(r"\s{2,}", row.strip()) if cell] == [
        "right ventricle",
        "0.625 ± 0.177",
        "0.500 – 0.750",
        "100.00",
        "1.50 ± 0.00",
    ]
    assert lines[-1] == "mean ± standard deviation over 2 patients; left out because undefined: hd95 4"


def test_the_table_of_one_patient_has_no_spread(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"uid": "a", "patient": "a", "label": "LV", "dice": 0.25, "hd95": float("nan"), "asd": float("inf")}
    print_summary(summarise(pd.DataFrame([row])))
    text = capsys.readouterr().out
    assert "HD95 (mm)" in text
    assert "undefined" in text
    assert "nan" not in text
    assert "over 1 patient;" in text
