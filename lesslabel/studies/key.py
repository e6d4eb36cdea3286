"""What a job's result depends on, as one hash: package sources, configuration, data and lock file."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
LOCK = PACKAGE.parent / "constraints.txt"
_SOURCES = ("*.py", "data/lists/**/*")
"""Code, and the committed splits and orders. Documentation, tests and the report's style sheets change no number."""


def hash_sources(package: Path = PACKAGE) -> str:
    """The sha256 of the names and contents of a package's sources, wherever it lies."""
    digest = hashlib.sha256()
    files = {path for pattern in _SOURCES for path in package.rglob(pattern) if path.is_file()}
    for path in sorted(files, key=lambda path: path.relative_to(package).as_posix()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(package).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def hash_lock(lock: Path = LOCK) -> str:
    """The sha256 of the file that pins the dependencies; empty where there is none, as in an installed package."""
    return hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else ""


def hash_values(values: Mapping[str, Any]) -> str:
    """The sha256 of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()
