"""The sources of the package that a result can depend on, and their hash.

They are found by imports: the modules of a job, the modules that these import, and so on. A package that only exports
names of its modules is replaced by the module of each name, so that one method does not import all. A text that names a
module, such as a class path, counts as an import.
"""

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
SILENT = (
    "lesslabel.cli",
    "lesslabel.printing",
    "lesslabel.terminal",
    "lesslabel.reports",
    "lesslabel.runs.messages",
    "lesslabel.studies",
)
"""Modules for messages, reports and scheduling: their effect on a job is in its configuration and steps."""

_LISTS = "data/lists"
_NAME = re.compile(r"lesslabel(?:\.\w+)*\.?")
_DOES = (ast.Expr, ast.If, ast.For, ast.While, ast.With, ast.Try)


class Sources:
    """A package on disk.

    Args:
        package: folder of a package called ``lesslabel``.
    """

    def __init__(self, package: Path = PACKAGE) -> None:
        self.package = package

    @cached_property
    def modules(self) -> dict[str, Path]:
        """Every module by its dotted name."""
        found = {}
        for path in sorted(self.package.rglob("*.py")):
            parts = path.relative_to(self.package).with_suffix("").parts
            found[".".join(("lesslabel", *(part for part in parts if part != "__init__")))] = path
        return found

    @cached_property
    def lists(self) -> dict[str, Path]:
        """The committed splits and orders by the name that a configuration gives."""
        folder = self.package / _LISTS
        files = (path for path in sorted(folder.rglob("*")) if path.is_file())
        return {path.relative_to(folder).with_suffix("").as_posix(): path for path in files}

    @cached_property
    def content(self) -> str:
        """The sha256 of every module and list as it is on disk: where it is equal, every `hash` is."""
        digest = hashlib.sha256()
        for name, path in sorted({**self.modules, **self.lists}.items()):
            content = path.read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()

    def named_in(self, texts: Iterable[str]) -> list[str]:
        """The class paths and committed lists that occur in texts, sorted."""
        joined = " ".join(texts)
        classes = {name.rstrip(".") for name in _NAME.findall(joined)}
        return sorted(classes | {name for name in self.lists if name in joined})

    def reached(self, names: Iterable[str]) -> list[str]:
        """The modules that are executed by modules and classes of these names, sorted."""
        found: set[str] = set()
        waiting = [module for name in names for module in self._modules_of(name)]
        while waiting:
            module = waiting.pop()
            if module not in found and not _within(module, SILENT):
                found.add(module)
                named = {*self._content(module).imports, *self._content(module).names} - {module, "lesslabel"}
                waiting += [target for name in named for target in self._modules_of(name)]
                waiting += [above for above in _above(module) if above in self.modules and self._content(above).acts]
        return sorted(found)

    def packages(self, names: Iterable[str]) -> set[str]:
        """The top-level names of the other packages that these modules import."""
        imports = [name for module in self.reached(names) for name in self._content(module).imports]
        return {name.partition(".")[0] for name in imports} - {"lesslabel"}

    def hash(self, names: Iterable[str]) -> str:
        """The sha256 of the code of modules, classes and committed lists of these names.

        Docstrings, comments, layout and error messages are excluded; annotations count, since the parser and data
        classes read them.
        """
        names = list(names)
        texts = {module: self._content(module).text for module in self.reached(names)}
        texts |= {name: self.lists[name].read_text(encoding="utf-8") for name in names if name in self.lists}
        digest = hashlib.sha256()
        for name, text in sorted(texts.items()):
            digest.update(f"{name}\0{len(text)}\0{text}".encode())
        return digest.hexdigest()

    def _content(self, module: str) -> "_Content":
        return _read(self.modules[module].read_text(encoding="utf-8"))

    def _modules_of(self, name: str) -> Iterator[str]:
        """The module of that name, or the one in which a class or function of that name is defined."""
        module, _, member = name.rpartition(".")
        if name in self.modules:
            yield name
        elif module in self.modules:
            is_package = self.modules[module].name == "__init__.py"
            exported = self._content(module).exports.get(member) if is_package else None
            yield from [module] if exported is None else self._modules_of(exported)


@dataclass(frozen=True)
class _Content:
    """The code of a module and the names in it.

    Attributes:
        text: its code in one layout, without parts that compute nothing.
        imports: dotted names that it imports, also inside functions.
        names: its texts that could be dotted names of the package.
        exports: the origin of the names that it imports at its top.
        acts: whether its import has an effect besides defining names.
    """

    text: str
    imports: frozenset[str]
    names: frozenset[str]
    exports: Mapping[str, str]
    acts: bool


@cache
def _read(source: str) -> _Content:
    whole = ast.parse(source)
    for_types = [node for branch in whole.body if _is_for_types(branch) for node in branch.body]  # type: ignore[attr-defined]  # an if
    tree = _Bare().visit(whole)
    imports = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            imports += [f"{node.module}.{alias.name}" for alias in node.names]
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    exports = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in (*tree.body, *for_types)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    names = frozenset(text.rstrip(".") for text in texts if _NAME.fullmatch(text))
    acts = any(isinstance(node, _DOES) for node in tree.body)
    return _Content(ast.unparse(tree), frozenset(imports), names, exports, acts)


class _Bare(ast.NodeTransformer):
    """Removes parts of a tree that compute nothing: docstrings, names and types, the version, error messages."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        return None if {"__all__", "__version__"} & set(names) else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "lazy_names":
            node.args = []  # the origin of names; a package that only exports them is skipped
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        return None if _is_for_types(node) else self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc.args, node.exc.keywords = [], []
        return self.generic_visit(node)


def _is_for_types(node: ast.AST) -> bool:
    """Whether only type checkers read this code; packages with lazy imports list their names so."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _above(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def _within(name: str, rooms: Iterable[str]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)
