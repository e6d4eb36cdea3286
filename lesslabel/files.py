"""Atomic writing of files, and checks of paths."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from lesslabel.errors import DataError

_MERGE = "tag:yaml.org,2002:merge"


@contextmanager
def written_aside(path: Path, *, synced: bool = False) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` if the block succeeds, and is removed otherwise.

    The block may create a file or a folder there. A folder never replaces an existing one.

    Args:
        path: what is written.
        synced: whether it is on the disk when the block ends, so that a power cut loses nothing of it.

    Raises:
        DataError: if writing fails (disk full, read-only, no permission); names the file and the fix.
    """
    aside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove(aside)
        yield aside
        if synced:
            sync(aside)
        aside.replace(path)
        if synced:
            sync_alone(path.parent)
    except OSError as error:
        if error.filename is not None and not Path(str(error.filename)).is_relative_to(path.parent):
            raise DataError(f"{error.filename}: {error.strerror}; needed to write {path}") from error
        reason = " ".join(str(error.strerror or error).split())
        raise DataError(f"{path}: cannot be written ({reason}); check the free space and rights") from error
    finally:
        remove(aside)


def sync(path: Path) -> None:
    """Wait until a file, or a folder with all that it holds, is on the disk."""
    if path.is_dir():
        for inner in path.iterdir():
            sync(inner)
    sync_alone(path)


def sync_alone(path: Path) -> None:
    """Wait until a file, or which names a folder holds, is on the disk; some file systems cannot say so of a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or not path.is_dir():
            raise
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, UTF-8."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON atomically."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path, what: str) -> Any:
    """Read JSON.

    Args:
        path: the file.
        what: name of the content in error messages.

    Raises:
        DataError: if it is absent or damaged.
    """
    require_regular(path)
    try:
        return parse_json(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; expected {what}") from error
    except (OSError, ValueError, RecursionError) as error:  # too deeply nested brackets
        raise DataError(f"{path}: not readable as {what} ({error})") from error


def parse_json(text: str | bytes) -> Any:
    """The content of JSON, in which no key is there twice: the first value would be lost.

    Raises:
        ValueError: if it is damaged, or a key is there twice.
        RecursionError: if it is nested too deeply.
    """
    return json.loads(text, object_pairs_hook=_of_single_keys)


def _of_single_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        twice = next(key for index, (key, _) in enumerate(pairs) if key in [other for other, _ in pairs[:index]])
        raise ValueError(f"key '{twice[:40]}' is there twice; keep one")
    return content


def parse_yaml(text: str) -> Any:
    """The content of YAML without tags, in which no key is there twice: the first value would be lost.

    Raises:
        yaml.YAMLError: if it is damaged, or a key is there twice.
    """
    return yaml.load(text, Loader=_SingleKeys)


class _SingleKeys(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The safe loader, which refuses a key that is there twice; the one in C is ten times as fast."""

    def get_single_node(self) -> yaml.Node | None:
        """The composed tree; of two equal keys the constructor would take the last without a word.

        They are looked for before anything is constructed: that writes merged keys into the tree.
        """
        root: yaml.Node | None = super().get_single_node()
        seen: set[int] = set()
        waiting = [] if root is None else [root]
        while waiting:
            node = waiting.pop()
            if id(node) in seen or not isinstance(node, yaml.CollectionNode):
                continue
            seen.add(id(node))  # an alias is its anchor's node, which may be an ancestor
            if isinstance(node, yaml.MappingNode):
                _require_single_keys(node)
                waiting += [part for pair in node.value for part in pair]
            else:
                waiting += node.value
        return root


def _require_single_keys(node: yaml.MappingNode) -> None:
    seen: set[tuple[str, str]] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
            continue
        if (key.tag, key.value) in seen:
            problem = f"key '{key.value[:40]}' is there twice; keep one"
            raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
        seen.add((key.tag, key.value))


def require_regular(path: Path) -> None:
    """Raise an error for a folder, a device or a pipe, and for a link to one; an absent path is allowed.

    Raises:
        DataError: if the path exists and is not a file.
    """
    if path.exists() and not path.is_file():
        raise DataError(f"{path}: not a file but a folder, a device or a pipe; copy the file there")


def is_file(path: Path) -> bool:
    """Whether a file exists; False, not an error, for a name that is too long."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether a folder exists, like `is_file`."""
    try:
        return path.is_dir()
    except OSError:
        return False


def remove(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.exists() or path.is_symlink():
        path.unlink()


def hash_file(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
