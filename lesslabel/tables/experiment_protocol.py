"""The files that a person writes into an experiment folder first: ``protocol.yaml`` and ``published.csv``."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from lesslabel.csv_table import read_csv
from lesslabel.errors import DataError
from lesslabel.files import parse_yaml

PUBLISHED_COLUMNS = ("method", "setting", "metric", "value", "source")
PROTOCOL_KEYS = (
    "name",
    "data",
    "split",
    "subset",
    "seeds",
    "iterations",
    "checkpoint_rule",
    "metrics",
    "hardware",
    "commands",
)


def read_published(folder: Path) -> pd.DataFrame:
    """Read ``published.csv``, published figures as text; empty without any.

    Raises:
        DataError: if it is missing or damaged.
    """
    return read_csv(folder / "published.csv", PUBLISHED_COLUMNS)


def published_number(value: str) -> float:
    """The number that a published figure begins with, such as 0.872 of ``0.872 (0.068)``; NaN if there is none."""
    number = re.match(r"\d+(?:\.\d+)?", value)
    return float(number[0]) if number else math.nan


def read_protocol(folder: Path) -> Mapping[str, Any]:
    """Read ``protocol.yaml``: at least `PROTOCOL_KEYS`; ``baseline`` names a method to test the others against.

    Raises:
        DataError: if it is missing, damaged, or a key is missing or empty.
    """
    path = folder / "protocol.yaml"
    try:
        protocol = parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; write it with the keys {', '.join(PROTOCOL_KEYS)}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read as YAML ({reason}); correct it") from error
    if not isinstance(protocol, dict):
        raise DataError(f"{path}: expected keys and values; write {', '.join(PROTOCOL_KEYS)}")
    missing = [key for key in PROTOCOL_KEYS if protocol.get(key) in (None, "", [])]
    if missing:
        raise DataError(f"{path}: {', '.join(missing)} missing; a table states its whole protocol")
    return protocol


def list_protocol(protocol: Mapping[str, Any]) -> str:
    """The protocol as a list in Markdown, `PROTOCOL_KEYS` first; without the name, which is the heading."""
    keys = [*PROTOCOL_KEYS, *(key for key in protocol if key not in PROTOCOL_KEYS)]
    return "\n".join(f"- **{str(key).replace('_', ' ')}**: {_in_words(protocol[key])}" for key in keys if key != "name")


def _in_words(value: object) -> str:
    """A value on one line; the entries of a list may hold commas."""
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_in_words(part)}" for key, part in value.items())
    if isinstance(value, list):
        return "; ".join(_in_words(part) for part in value)
    return " ".join(str(value).split())
