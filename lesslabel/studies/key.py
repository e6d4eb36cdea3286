"""Hashes in a job's key, except that of the sources."""

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

    The versions of a package determine its requirements; tools for checks do not change results.

    Args:
        packages: top-level names that are imported.
        lock: the file, one ``name==version`` per line.
    """
    if not lock.is_file():
        return ""
    known = _distributions()
    wanted = {_plain(name) for package in packages for name in known.get(package, [package])}
    pins = [line for line in lock.read_text(encoding="utf-8").splitlines() if _plain(line.partition("==")[0]) in wanted]
    return hashlib.sha256("\n".join(sorted(pins)).encode()).hexdigest()


def hash_values(values: Mapping[str, Any]) -> str:
    """The sha256 of plain values, independent of the order of keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


@cache
def _distributions() -> Mapping[str, list[str]]:
    """The installed distributions by top-level name; this takes a second."""
    return packages_distributions()


def _plain(name: str) -> str:
    """The normalised name of a distribution."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
