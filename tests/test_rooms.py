"""The rooms of the package: who may import whom, and how large a file may be. Imports inside functions count."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "lesslabel"
LONGEST_FILE, MOST_FILES_OF_DATA = 300, 12
FOUNDATION = {"errors", "files", "lazy", "processes", "privacy", "csv_table", "markdown", "plain_text", "terminal"}
"""Modules at the top that know no room."""
ALLOWED = {
    "kernels": {"errors"},
    "data": FOUNDATION,
    "networks": {"data", *FOUNDATION},
    "losses": {"data", "kernels", *FOUNDATION},
    "selection": {"kernels", *FOUNDATION},
    "interaction": {"data", "kernels", *FOUNDATION},
    "evaluation": {"data", "kernels", *FOUNDATION},
    "methods": {"data", "networks", "losses", "interaction", "evaluation", *FOUNDATION},
}
"""What the lower rooms may import; the upper ones only have no circle."""
CALLERS = {"verbs", "cli", "demo"}
"""What stands at the top: only these import one another, and nothing else imports them."""


@cache
def modules() -> Mapping[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


@cache
def imports() -> Mapping[str, set[str]]:
    """The modules of the package that each of them imports when it is executed."""
    return {name: set(_imported(name, path)) - {name} for name, path in modules().items()}


def _imported(name: str, path: Path) -> Iterator[str]:
    for node in _executed(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules())
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{name}: a relative import"
            if node.module.partition(".")[0] == "lesslabel":
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    yield inner if inner in modules() else node.module


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those for the type checker alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield from (other, *_executed(other))
        else:
            yield child
            yield from _executed(child)


def room(module: str) -> str:
    """The first level below the package; the package itself is a room of its own."""
    return module.split(".")[1] if "." in module else module


@cache
def rooms() -> Mapping[str, set[str]]:
    """The rooms that each room imports."""
    found: dict[str, set[str]] = {room(module): set() for module in modules()}
    for module, imported in imports().items():
        found[room(module)] |= {room(other) for other in imported} - {room(module)}
    return found


@cache
def subrooms() -> Mapping[str, set[str]]:
    """What the packages inside the rooms import of one another; a file beside them is a node of its own."""
    found: dict[str, set[str]] = {subroom(module): set() for module in modules()}
    for module, imported in imports().items():
        found[subroom(module)] |= {subroom(other) for other in imported} - {subroom(module)}
    return found


def subroom(module: str) -> str:
    """The package or file below the room: ``lesslabel.data.store`` of ``lesslabel.data.store.records``."""
    return ".".join(module.split(".")[:3])


def circles(graph: Mapping[str, set[str]]) -> list[str]:
    """Nodes that reach themselves: what is left when nodes without a way on are taken away again and again."""
    left = {node: set(targets) for node, targets in graph.items()}
    while ends := [node for node, targets in left.items() if not targets & left.keys()]:
        for node in ends:
            del left[node]
    sources = {node: {other for other, targets in left.items() if node in targets} for node in left}
    while starts := [node for node, callers in sources.items() if not callers & sources.keys()]:
        for node in starts:
            del sources[node]
    return sorted(sources)


def test_circles_are_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}
    assert circles(graph) == ["b", "c"]
    assert circles({"a": {"b"}, "b": set()}) == []


def test_imports_inside_functions_count_and_those_of_the_type_checker_do_not(tmp_path):
    path = tmp_path / "x.py"
    path.write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import lesslabel.data\n"
        "def f():\n    from lesslabel.errors import DataError\n"
    )
    assert list(_imported("x", path)) == ["lesslabel.errors"]


def test_no_modules_import_one_another_in_a_circle():
    assert circles(imports()) == []


def test_no_rooms_import_one_another_in_a_circle():
    assert circles(rooms()) == []


def test_no_packages_inside_a_room_import_one_another_in_a_circle():
    assert circles(subrooms()) == []


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_a_lower_room_imports_only_what_lies_below_it(name):
    assert rooms()[name] <= ALLOWED[name]


def test_nothing_imports_what_the_command_line_is_made_of():
    for module, imported in imports().items():
        above = {other for other in imported if room(other) in CALLERS}
        assert not above or room(module) in CALLERS, f"{module} imports {above}"


def test_only_its_command_imports_the_annotation_server():
    for module, imported in imports().items():
        served = {other for other in imported if room(other) == "annotate"}
        assert not served or room(module) in ("annotating", "verbs"), f"{module} imports {served}"


def test_foundations_know_no_room():
    for name in sorted(FOUNDATION):
        assert rooms()[name] <= FOUNDATION, name


def test_files_are_short_and_few_at_the_top_of_data():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules().values()}
    assert {str(path): length for path, length in lengths.items() if length > LONGEST_FILE} == {}
    assert len(list((PACKAGE / "data").glob("*.py"))) <= MOST_FILES_OF_DATA
