"""What is printed: names of any kind as they are, on any terminal, and nothing when nobody reads."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from handmade_store import make_case, make_store

from lesslabel.cli import main
from lesslabel.data.findings import Finding
from lesslabel.data.verify.report import render_cases
from lesslabel.data.verify.store_check import render_findings
from lesslabel.evaluation import summarise
from lesslabel.plain_text import composed, is_one_line, visible
from lesslabel.printing import print_clicks, print_frame, print_summary
from lesslabel.terminal import print_table

NAMES = (
    "kidney [left]",
    "tumour [/necrosis]",
    "[bold red]x[/bold red]",
    "[link=a]b",
    ":warning: :heart:",
    r"back\slash \[x]",
    "الكلية اليسرى",
    "左肾",
    "e\u0301 ñ हिन्दी",
    "👩‍🔬 🫀",
)
NOT_ASCII = "1=左肾,2=الكلية"
SCREEN = ("a\x1b[31mred", "two\nlines", "bell\x07", "back\x08space", "right\u202eleft", "half\udcff", "tab\there")
PACKAGE = Path(__file__).resolve().parents[1] / "lesslabel"


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def frame_of(names: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(
        [{"uid": "a", "patient": "a", "label": name, "dice": 0.5, "hd95": 1.0, "asd": float("nan")} for name in names]
    )


def print_all(names: tuple[str, ...]) -> None:
    """Every function that prints names, with these."""
    print_summary(summarise(frame_of(names)))
    print_frame(frame_of(names), names[0])
    print_frame(pd.DataFrame([[1.0] * len(names)], columns=list(names)), names[0])
    measures = ("noc_dice_85", "noc_dice_90", "dice_first", "dice_20", "assd_mm_20")
    numbers = {"mean": 0.5, "failures": 0.0, "objects": 2.0, "patients": 1}
    print_clicks(
        {
            "protocol": {"cap": 20, "first": "robot"},
            "results": [{"label": name, "measure": measure, **numbers} for name in names for measure in measures],
            "seconds": {"first": 0.1, "correction": 0.1},
            "without_prompts": 0,
        }
    )
    print_table(render_findings([Finding.warning(name, name, name, name) for name in names]))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_printed_as_it_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert is_one_line(name)
    print_all((name,))
    text = capsys.readouterr().out
    assert text.count(name) == 10
    assert visible(name) == name


@pytest.mark.parametrize("name", SCREEN)
def test_control_characters_are_printed_as_escapes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert not is_one_line(name)
    print_all((name,))
    text = capsys.readouterr().out
    assert name not in text
    assert text.count(visible(name)) == 10
    assert visible(name).isprintable()


@pytest.mark.parametrize("name", NAMES)
def test_the_cases_of_a_store_are_printed_as_they_are(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case, name = make_case(0), composed(name)  # as a source names it
    renamed = replace(case, uid=name, patient=name, annotations={name: case.annotations["dense"]})
    store = make_store(tmp_path / "store", [renamed])
    print_table(render_cases(store, []))
    assert capsys.readouterr().out.count(name) == 3


def test_a_long_name_is_broken_over_lines_and_never_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    name = "".join(chr(ord("α") + number % 24) + chr(ord("а") + number % 32) for number in range(40))
    print_frame(frame_of((name,)), "distances in mm")
    text = capsys.readouterr().out
    assert "…" not in text
    assert name in "".join(re.findall(r"[α-ωа-я]", text))


def test_a_pipe_gets_the_whole_width(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("COLUMNS")
    name = "a label with a name of many words " * 5
    print_frame(frame_of((name,)), "distances in mm")
    assert name.strip() in capsys.readouterr().out


def test_an_error_is_one_line_whatever_it_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (*NAMES, "escape\x1b[31m", "separator\u2028here"):
        assert main(["verify", str(tmp_path / name)]) == 1
        text = capsys.readouterr().err
        assert text.count("\n") == 1
        assert visible(name).rpartition("/")[2] in text
        assert "\x1b" not in text


def test_rich_is_used_in_one_place() -> None:
    """Rich reads markup and emoji codes in every plain text; `lesslabel.terminal` hands it none."""
    allowed = {
        "terminal.py": ("Console", "Table", "Text", "SIMPLE_HEAD"),
        "printing.py": ("Progress",),
        "studies/progress.py": ("Console", "Live", "Table"),
        "data/verify/report.py": ("Table",),
        "data/verify/store_check.py": ("Table", "Text"),
    }
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(PACKAGE).as_posix()
        imported = re.findall(r"^from rich[.\w]* import (.*)$", text, re.MULTILINE)
        assert set(", ".join(imported).split(", ")) - {""} <= set(allowed.get(name, ())), name
        assert "import rich" not in text
        if name != "terminal.py":
            made = re.findall(r"(?<![\w.])(?:Console|Table|Text)\(|\.add_row\(|\.add_column\(", text)
            assert not made, f"{name}: {made}; use lesslabel.terminal"


def folder_of_masks(path: Path) -> Path:
    """A table of two raters, whose labels have names that terminals cannot show."""
    labels = np.zeros((24, 24, 8), dtype=np.uint8)
    labels[3:9, 3:9], labels[12:20, 12:20] = 1, 2
    for name, voxels in (("image", labels.astype(np.float32)), ("a", labels), ("b", np.roll(labels, 1, 0))):
        nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), path / f"{name}.nii.gz")
    (path / "table.csv").write_text("image,label_1,label_2\nimage.nii.gz,a.nii.gz,b.nii.gz\n")
    return path / "table.csv"


def run(arguments: list[str], **environment: str) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "lesslabel.cli", *arguments]
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONUTF8", "COLUMNS")}
    return subprocess.run(command, capture_output=True, env={**kept, **environment}, check=False)


def test_raters_with_brackets_in_their_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, store = folder_of_masks(tmp_path), tmp_path / "store"
    labels = "1=kidney [left],2=tumour [/necrosis]"
    assert main(["prepare", "folder", str(table), str(store), "--labels", labels, "--workers", "0"]) == 0
    assert main(["raters", str(store)]) == 0
    text = capsys.readouterr().out
    assert "kidney [left] (n = 1)" in text
    assert "tumour [/necrosis] (n = 1)" in text


@pytest.mark.parametrize(
    "environment", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"PYTHONIOENCODING": "latin-1"}]
)
def test_a_terminal_without_the_letters_gets_escapes(tmp_path: Path, environment: dict[str, str]) -> None:
    table, store = folder_of_masks(tmp_path), tmp_path / "store"
    made = run(["prepare", "folder", str(table), str(store), "--labels", NOT_ASCII, "--workers", "0"], **environment)
    assert made.returncode == 0, made.stderr
    for arguments in (["raters"], ["verify", "--cases", "--workers", "0"]):
        shown = run([arguments[0], str(store), *arguments[1:]], **environment)
        assert shown.returncode == 0, shown.stderr
        assert b"Traceback" not in shown.stderr
    failed = run(["verify", str(tmp_path / "左肾")], **environment)
    assert failed.returncode == 1
    assert b"no prepared store here" in failed.stderr


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    table, store = folder_of_masks(tmp_path), tmp_path / "store"
    assert main(["prepare", "folder", str(table), str(store), "--workers", "0"]) == 0
    commands = [
        ["--help"],
        ["verify", "--help"],
        ["fit", "--help"],
        ["raters", str(store)],
        ["verify", str(store), "--cases", "--workers", "0"],
        ["prepare", "phantom", "-", str(tmp_path / "phantom"), "--workers", "0", "--cases", "2"],
    ]
    for arguments in commands:
        reader, writer = os.pipe()
        os.close(reader)  # nobody reads from the first word on
        process = subprocess.Popen(
            [sys.executable, "-m", "lesslabel.cli", *arguments], stdout=writer, stderr=subprocess.PIPE
        )
        os.close(writer)
        _, said = process.communicate()
        assert process.returncode in (0, 141), (arguments, said)
        assert said == b"", (arguments, said)
    assert (tmp_path / "phantom" / "cases.csv").is_file()  # the work is done


def test_a_broken_pipe_of_a_worker_is_not_taken_for_a_reader_who_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> int:
        raise BrokenPipeError

    monkeypatch.setattr("lesslabel.cli.run_command", broken)
    assert main(["verify", str(tmp_path)]) == 1
    assert "ended early" in capsys.readouterr().err
