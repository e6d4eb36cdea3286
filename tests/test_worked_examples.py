"""The worked examples of CONTRIBUTING.md, tried as a contributor would: in a copy of the repository, as printed.

A block says what becomes of it: ``file PATH`` writes it, ``after PATH LINE`` puts it after that line, ``end PATH`` at
the end of the file, ``run`` runs its commands.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_docs import ROOT, SMALL, marked

CONTRACTS = {
    "mask_guided": ("tests/methods/test_interactive_contract.py", "guided", 22),
    "information_density": ("tests/selection/test_selection_contract.py", "information-density", 8),
    "npz": ("tests/data/sources/test_sources_contract.py", "npz", 10),
}
"""The contract suite of each example, which of its tests are its own, and how many those are at least."""


def call(tree: Path, *command: object) -> str:
    """Run a command in the copy."""
    environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-m", *map(str, command)], cwd=tree, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, f"{shlex.join(map(str, command))}\n{result.stdout[-4000:]}{result.stderr[-4000:]}"
    return result.stdout


def copied(tree: Path) -> Path:
    for folder in ("lesslabel", "tests", "configs"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    return tree


def apply_block(tree: Path, marker: tuple[str, ...], text: str) -> None:
    action, name, *where = marker[2:]
    path = tree / name
    if action == "file":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return
    lines = path.read_text().splitlines(keepends=True)
    if action == "end":
        path.write_text("".join([*lines, "\n\n", text]))
        return
    (line,) = where
    place = lines.index(f"{line}\n")
    path.write_text("".join([*lines[: place + 1], text, *lines[place + 1 :]]))


def test_every_example_has_a_contract() -> None:
    assert {block.marker[1] for block in marked("example")} == set(CONTRACTS)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTRACTS)
def test_the_example_works_as_printed(name: str, tmp_path: Path) -> None:
    tree = copied(tmp_path / "tree")
    blocks = [block for block in marked("example") if block.marker[1] == name]
    written = []
    for block in blocks:
        if block.marker[2] != "run":
            apply_block(tree, block.marker, block.text)
            written.append(tree / block.marker[3])
    sources = [path for path in dict.fromkeys(written) if path.suffix == ".py" and "lesslabel" in path.parts]
    call(tree, "ruff", "check", *sources)
    call(tree, "ruff", "format", "--check", *sources)
    suite, ours, least = CONTRACTS[name]
    out = call(tree, "pytest", "-p", "no:cacheprovider", "-n", "0", suite, "-k", ours)
    assert int(re.findall(r"(\d+) passed", out)[-1]) >= least
    for block in blocks:
        for line in block.text.splitlines() if block.marker[2] == "run" else ():
            _, command, *arguments = shlex.split(line)
            call(tree, "lesslabel.cli", command, *arguments, *SMALL.get(command, []))
