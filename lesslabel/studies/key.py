"""Hashes that a job's key is made of, beside that of the sources."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from lesslabel.studies.sources import PACKAGE

LOCK = PACKAGE.parent / "constraints.txt"


def hash_lock(packages: Collection[str], lock: Path = LOCK) -> str:
    """The sha256 of the lines that pin what a job imports; empty without a lock file, as in an installed package.

    What those packages need in turn follows from their own versions; tools of the checks change no number.

    Args:
        packages: top-level names that are imported.
        lock: the file, a ``name==version`` a line.
    """
    if not lock.is_file():
        return ""
    known = _distributions()
    wanted = {_plain(name) for package in packages for name in known.get(package, [package])}
    pins = [line for line in lock.read_text(encoding="utf-8").splitlines() if _plain(line.partition("==")[0]) in wanted]
    return hashlib.sha256("\n".join(sorted(pins)).encode()).hexdigest()


def hash_values(values: Mapping[str, Any]) -> str:
    """The sha256 of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


@cache
def _distributions() -> Mapping[str, list[str]]:
    """What is installed under which top-level name; to look takes a second."""
    return packages_distributions()


def _plain(name: str) -> str:
    """The name of a distribution as an index compares it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
