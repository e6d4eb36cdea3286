"""What the repository as a whole keeps to: sizes, paths, links, versions, reasons."""

import os
import re
import subprocess
import tomllib
from pathlib import Path, PurePath

import pytest
import yaml

import lesslabel

ROOT = Path(__file__).resolve().parents[1]
LARGEST_FILE_BYTES = 300_000
LARGEST_FIGURE_BYTES = 400_000
"""Of an experiment: a dot with its name for every patient and method."""
LARGEST_RESULTS_BYTES = 4_000_000  # a row for each of 90 trainings, 30 cases, 3 labels and 6 metrics
"""Of an experiment's results.csv: a row for each method, case, label, seed and metric, from which its table is made."""
# Written in two pieces, so that this file does not hold what it looks for. The homes of jane, a and b are made up:
# tests use them to show that no report prints a path.
MACHINE_PATHS = re.compile(
    r"(?<![\w.\-])(?:"
    + "|".join(("/wo" + r"rk\b", "/tm" + r"p\b", "/ro" + "ot/", r"/(?:home|Users)/(?!jane\b|[ab]/)\w"))
    + ")"
)
CUDA_OR_VISION = re.compile(r"^(?:nvidia|cuda|triton|torchvision|torchaudio)", re.MULTILINE)


def tracked_files(*options: str) -> list[Path]:
    try:
        result = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", *options], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [
        ROOT / os.fsdecode(name) for name in result.stdout.split(b"\0") if name and (ROOT / os.fsdecode(name)).is_file()
    ]


def texts() -> dict[Path, str]:
    contents = {path: path.read_bytes() for path in tracked_files("--cached", "--others", "--exclude-standard")}
    return {path: content.decode("utf-8") for path, content in contents.items() if b"\0" not in content}


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path, text in texts().items()
        for number, line in enumerate(text.splitlines(), start=1)
        if MACHINE_PATHS.search(line)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("line", "caught"),
    [
        ("see /wo" + "rk/main", True),
        ("cd /tm" + "p", True),
        ("'/ro" + "ot/.cache'", True),
        ("/home/" + "someone/data", True),
        ("/home/jane/data", False),
        ("../shared/data", False),
        ("the lesson/work-sheet and frame/work", False),
        ("RUN/test/tmp", False),
    ],
)
def test_paths_of_machines_are_recognised(line: str, caught: bool) -> None:
    assert bool(MACHINE_PATHS.search(line)) is caught


def test_no_tracked_file_is_large() -> None:
    limits = dict.fromkeys((ROOT / "experiments").glob("*/results.csv"), LARGEST_RESULTS_BYTES)
    limits |= dict.fromkeys((ROOT / "experiments").glob("*/dice.svg"), LARGEST_FIGURE_BYTES)
    weights = {ROOT / "lesslabel" / "general" / "weights" / "general.safetensors"}  # come with the package
    large = [
        path.name
        for path in tracked_files()
        if path not in weights and path.stat().st_size > limits.get(path, LARGEST_FILE_BYTES)
    ]
    assert not large


def test_files_that_a_wheel_holds_are_named_in_rooms_that_exist() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    for pattern in settings["package-data"]["lesslabel"]:
        assert (ROOT / "lesslabel" / pattern.partition("/")[0]).exists(), pattern


def test_a_wheel_holds_the_page_when_it_is_built() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    held = {path for pattern in settings["package-data"]["lesslabel"] for path in (ROOT / "lesslabel").glob(pattern)}
    static = ROOT / "lesslabel" / "annotating" / "static"
    assert set(static.glob("**/*")) <= held
    assert any(PurePath("annotating/static/page.js").match(each) for each in settings["package-data"]["lesslabel"])


def test_no_tracked_file_is_one_that_git_ignores() -> None:
    assert tracked_files("--cached", "--ignored", "--exclude-standard") == []


def anchors_of(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")], ids=lambda page: page.name)
def test_links_resolve(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("https://"):
            continue
        target, _, anchor = link.partition("#")
        linked = (page.parent / target).resolve() if target else page
        assert linked.is_relative_to(ROOT), link
        assert linked.exists(), link
        assert not anchor or anchor in anchors_of(linked), link


def test_one_version_everywhere() -> None:
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    newest = re.search(r"^## \[([\d.]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert {metadata["project"]["version"], str(citation["version"]), newest[1]} == {lesslabel.__version__}
    assert citation["license"] == metadata["project"]["license"] == "Apache-2.0"


def test_every_dependency_has_a_reason_and_a_lower_bound() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    extras = [name for names in project["optional-dependencies"].values() for name in names]
    lines = text.splitlines()
    for dependency in [*project["dependencies"], *extras]:
        (line,) = [line for line in lines if f'"{dependency}"' in line]
        assert re.search(r"#\s*\w.{4,}", line), f"{dependency}: say why"
        assert ">=" in dependency or dependency.startswith("lesslabel["), dependency


def test_constraints_pin_every_direct_dependency_and_no_accelerator() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in constraints.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.\-]+==[\w.]+", line) for line in lines)
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    extras = [name for names in project["optional-dependencies"].values() for name in names]
    for dependency in [*project["dependencies"], *extras]:
        name = re.match(r"[\w.\-]+", dependency)[0].lower().replace("_", "-")
        assert name in pinned | {"lesslabel"}, name
    assert not CUDA_OR_VISION.search(constraints)


def test_the_continuous_integration_runs_the_same_command() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text(encoding="utf-8")
    assert "\nmake test\n" in text
    assert "make test OPTIONS=--require-page\n" in text, "the tests of the page must not be skipped unseen"
