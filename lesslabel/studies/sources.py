"""The sources of the package that the numbers of a job can depend on, and one hash of them.

They follow from imports: what a job starts with, whatever that imports, and so on. A package that only exports names of
its modules is seen through, so that one method does not stand for all. A text that names a module, as class paths do,
counts as an import.
"""

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
SILENT = ("lesslabel.cli", "lesslabel.printing", "lesslabel.report", "lesslabel.runs.messages", "lesslabel.studies")
"""Modules and rooms that say, draw or arrange: how they set up a job is in its configuration and steps."""

_LISTS = "data/lists"
_NAME = re.compile(r"lesslabel(?:\.\w+)*\.?")
_DOES = (ast.Expr, ast.If, ast.For, ast.While, ast.With, ast.Try)


class Sources:
    """A package as it lies on disk when first looked at.

    Args:
        package: folder of a package called ``lesslabel``, wherever it lies.
    """

    def __init__(self, package: Path = PACKAGE) -> None:
        self.package = package
        self._trees: dict[str, ast.Module] = {}
        self._texts: dict[str, str] = {}
        self._needs: dict[str, list[str]] = {}

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

    def named_in(self, texts: Iterable[str]) -> list[str]:
        """The class paths and committed lists that texts speak of, sorted."""
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
                waiting += self._needs_of(module)
        return sorted(found)

    def packages(self, names: Iterable[str]) -> set[str]:
        """The top-level names of the other packages that these modules import."""
        trees = [self._tree(module) for module in self.reached(names)]
        return {name.partition(".")[0] for tree in trees for name in _imported(tree)} - {"lesslabel"}

    def hash(self, names: Iterable[str]) -> str:
        """The sha256 of what modules, classes and committed lists of these names can compute.

        Docstrings, comments, layout and the words of errors are left out; annotations stay, since the parser and data
        classes read them.
        """
        names = list(names)
        texts = {module: self._text(module) for module in self.reached(names)}
        texts |= {name: self.lists[name].read_text(encoding="utf-8") for name in names if name in self.lists}
        digest = hashlib.sha256()
        for name, text in sorted(texts.items()):
            digest.update(f"{name}\0{len(text)}\0{text}".encode())
        return digest.hexdigest()

    def _tree(self, module: str) -> ast.Module:
        if module not in self._trees:
            self._trees[module] = _Bare().visit(ast.parse(self.modules[module].read_text(encoding="utf-8")))
        return self._trees[module]

    def _text(self, module: str) -> str:
        if module not in self._texts:
            self._texts[module] = ast.unparse(self._tree(module))
        return self._texts[module]

    def _needs_of(self, module: str) -> list[str]:
        if module not in self._needs:
            named = [found for name in _names_in(self._tree(module), module) for found in self._modules_of(name)]
            acting = [package for package in _above(module) if package in self.modules and self._acts(package)]
            self._needs[module] = [*dict.fromkeys([*named, *acting])]
        return self._needs[module]

    def _modules_of(self, name: str) -> Iterator[str]:
        """The module of that name, or the one in which a class or function of that name is defined."""
        if name in self.modules:
            yield name
            return
        module, _, member = name.rpartition(".")
        if module not in self.modules:
            return
        for node in self._tree(module).body if self.modules[module].name == "__init__.py" else ():
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if (alias.asname or alias.name) == member:
                        yield from self._modules_of(f"{node.module}.{alias.name}")
                        return
        yield module

    def _acts(self, package: str) -> bool:
        """Whether a package does something when it is imported, beside making names."""
        return any(isinstance(node, _DOES) for node in self._tree(package).body)


class _Bare(ast.NodeTransformer):
    """Takes out of a tree what computes nothing: docstrings, lists of names, the version, the words of errors."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        return None if {"__all__", "__version__"} & set(names) else self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc.args, node.exc.keywords = [], []
        return self.generic_visit(node)


def _imported(tree: ast.Module) -> Iterator[str]:
    """What a module imports, also inside functions, by its dotted name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _names_in(tree: ast.Module, module: str) -> Iterator[str]:
    """What a module imports of the package, and what its texts name."""
    yield from (name for name in _imported(tree) if _within(name, ("lesslabel",)))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    names = [text.rstrip(".") for text in texts if _NAME.fullmatch(text)]
    yield from (name for name in names if name not in (module, "lesslabel"))


def _above(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def _within(name: str, rooms: Iterable[str]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)
