"""Stores of the phantom, each made once for all tests of a process."""

from collections.abc import Callable
from pathlib import Path

from lesslabel.data.sources.phantom import Phantom
from lesslabel.data.store.prepare import prepare

Content = dict[str, tuple[int, int]]


class PhantomStores:
    """Makes a store at the first call with its settings and finds it again at the next.

    A test that changes a store copies it first: `require_unchanged` fails for those that were written to.
    """

    def __init__(self, new_folder: Callable[[str], Path]) -> None:
        self.new_folder = new_folder
        self.made: dict[tuple[tuple[str, int], ...], tuple[Path, Content]] = {}

    def __call__(self, **settings: int) -> Path:
        """The store of `Phantom(**settings)`; do not write to it."""
        key = tuple(sorted(settings.items()))
        if key not in self.made:
            path = self.new_folder("stores") / "phantom"
            prepare(Phantom(**settings), path)
            self.made[key] = path, content_of(path)
        return self.made[key][0]

    def require_unchanged(self) -> None:
        for settings, (path, content) in self.made.items():
            assert content_of(path) == content, f"a test changed the store {dict(settings)} that others read; copy it"


def content_of(folder: Path) -> Content:
    """Size and time of change of every file, by its path in the folder."""
    found = {path.relative_to(folder).as_posix(): path.stat() for path in folder.rglob("*") if path.is_file()}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in found.items()}
