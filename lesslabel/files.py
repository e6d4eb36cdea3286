"""Files that are either whole or absent, and names that lead to no file."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lesslabel.errors import DataError


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a path beside `path`, which takes the place of `path` when the block ends well and is removed otherwise.

    The block may make a file or a folder there. A folder replaces only an absent one.

    Raises:
        DataError: if the disk refuses (full, read-only, no permission); names the file and the fix.
    """
    aside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove(aside)
        yield aside
        aside.replace(path)
    except OSError as error:
        if error.filename is not None and not Path(str(error.filename)).is_relative_to(path.parent):
            raise DataError(f"{error.filename}: {error.strerror}; needed to write {path}") from error
        reason = " ".join(str(error.strerror or error).split())
        raise DataError(f"{path}: cannot be written ({reason}); check the free space and rights") from error
    finally:
        remove(aside)


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step, UTF-8."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write readable JSON in one step."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path, what: str) -> Any:
    """Read JSON.

    Args:
        path: the file.
        what: what it is, for the error message.

    Raises:
        DataError: if it is absent or damaged.
    """
    require_regular(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; expected {what}") from error
    except (OSError, ValueError, RecursionError) as error:  # brackets may be nested deeper than Python goes
        raise DataError(f"{path}: not readable as {what} ({error})") from error


def require_regular(path: Path) -> None:
    """Refuse a folder, a device or a pipe, and a link to one; what is absent passes.

    Raises:
        DataError: if there is something that is not a file.
    """
    if path.exists() and not path.is_file():
        raise DataError(f"{path}: not a file but a folder, a device or a pipe; copy the file there")


def is_file(path: Path) -> bool:
    """Whether a file is there; False, not an error, for what is too long to name one."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether a folder is there, as `is_file`."""
    try:
        return path.is_dir()
    except OSError:
        return False


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.exists() or path.is_symlink():
        path.unlink()
