"""Reads run folders: every file of a run, when it is needed, without torch.

`lesslabel.runs.folder` writes them; see `docs/formats.md`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from lesslabel.csv_table import read_csv
from lesslabel.errors import RunError

CONFIG, DATA, ENVIRONMENT = "config.yaml", "data.json", "environment.json"
SCORES = ("dice", "hd95", "asd")
"""The columns of ``test/metrics.csv`` that are read."""

_TYPES = {"label_names": list, "parts": dict, "labelled": dict, "patients": dict, "view": dict}
_TYPES |= {"labelled_slices": dict, "labelled_patches": dict, "overlays": list}
_AGAIN = "test or train the run again"


@dataclass(frozen=True)
class RunFiles:
    """The files of one run folder; each is read once.

    An absent description is empty, since runs of older versions lack some; a damaged one is an error.

    Args:
        path: the run folder.
    """

    path: Path

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """``config.yaml``: the resolved configuration."""
        return read_mapping(self.path / CONFIG)

    @cached_property
    def data(self) -> Mapping[str, Any]:
        """``data.json``: the data of the run."""
        content = read_mapping(self.path / DATA)
        for key, of_type in _TYPES.items():
            if content.get(key) is not None and not isinstance(content[key], of_type):
                raise RunError(
                    f"{self.path / DATA}: '{key}' is no {of_type.__name__}; restore it or train the run again"
                )
        return content

    @cached_property
    def environment(self) -> Mapping[str, Any]:
        """``environment.json``: versions and machine of the run."""
        return read_mapping(self.path / ENVIRONMENT)

    @cached_property
    def summary(self) -> Mapping[str, Any]:
        """``test/summary.json``: how the run was tested."""
        return read_mapping(self.path / "test" / "summary.json")

    @property
    def metrics_file(self) -> Path:
        """``test/metrics.csv``; it exists after the test."""
        return self.path / "test" / "metrics.csv"

    @property
    def is_tested(self) -> bool:
        """Whether the run was tested."""
        return self.metrics_file.is_file()

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """The scores of the test, one row per case and label: ``uid, patient, label`` (a name) and `SCORES`.

        Raises:
            RunError: if the file is absent or damaged, or a case and label has two rows.
        """
        return _read_scores(self.metrics_file, [str(name) for name in self.data.get("label_names") or []])

    @cached_property
    def history(self) -> pd.DataFrame:
        """``logs/metrics.csv`` with one column per logged name; empty if there is no log."""
        return _read_history(self.path / "logs" / "metrics.csv")

    @property
    def checkpoints(self) -> Mapping[str, Path]:
        """The files in ``checkpoints/`` by name, such as ``best`` and ``last``."""
        return {path.stem: path for path in sorted((self.path / "checkpoints").glob("*.ckpt"))}

    @property
    def store(self) -> Path | None:
        """The store that the configuration names, None if it names none."""
        try:
            return Path(self.config["data"]["init_args"]["store"])
        except (KeyError, TypeError):
            return None

    @property
    def commit(self) -> str:
        """The commit of the code that made the run, shortened; ``-dirty`` if files differed from it.

        Raises:
            RunError: if the run does not record it.
        """
        if "commit" not in self.environment:
            raise RunError(f"{self.path / ENVIRONMENT}: no commit in it; restore it or train the run again")
        return shown_commit(self.environment)

    @property
    def fold(self) -> Any:
        """The fold of the split, None if the run does not record it."""
        return self.data.get("fold")


def read_mapping(path: Path) -> dict[str, Any]:
    """JSON or YAML; an absent file is empty.

    Raises:
        RunError: if it is damaged.
    """
    if not path.is_file():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise RunError(f"{path}: damaged file ({_one_line(error)}); restore it or train the run again") from error
    if not isinstance(content, dict):
        raise RunError(f"{path}: expected a mapping, found {type(content).__name__}; restore it or train the run again")
    return content


def _read_scores(path: Path, label_names: Sequence[str]) -> pd.DataFrame:
    table = _read_csv(path)
    missing = [column for column in ("uid", "patient", "label", *SCORES) if column not in table.columns]
    if missing:
        raise RunError(f"{path}: column {', '.join(missing)} missing; test the run again")
    if table.empty:
        raise RunError(f"{path}: no row; test the run again")
    table = table[["uid", "patient", "label", *SCORES]].copy()
    if table[["uid", "patient", "label"]].isna().any(axis=None):
        raise RunError(f"{path}: a row names no case, patient or label; test the run again")
    for column in SCORES:
        try:
            table[column] = table[column].astype(float)
        except ValueError as error:
            raise RunError(f"{path}: column {column} is not a number ({error}); test the run again") from error
    table["label"] = [_label_name(label, label_names) for label in table["label"]]
    if table.duplicated(["uid", "label"]).any():
        uid, label = table.loc[table.duplicated(["uid", "label"]), ["uid", "label"]].iloc[0]
        raise RunError(f"{path}: case {uid}, label {label} has two rows; test the run again")
    return table


def _label_name(label: str, names: Sequence[str]) -> str:
    """The name of a label code; names are returned unchanged."""
    if label in names or not label.isdecimal() or int(label) >= len(names):
        return label
    return names[int(label)]


def _read_history(path: Path) -> pd.DataFrame:
    """The long log (step, name, value) as one column per logged name; empty if there is no log."""
    if not path.is_file() or not path.stat().st_size:
        return pd.DataFrame()
    rows = _read_csv(path)
    if not {"step", "name", "value"} <= set(rows.columns):
        raise RunError(f"{path}: not a training log with columns step, name, value; train the run again")
    rows["step"] = pd.to_numeric(rows["step"], errors="coerce")
    rows["value"] = pd.to_numeric(rows["value"], errors="coerce")
    history = rows.dropna().pivot_table(index="step", columns="name", values="value", sort=False, aggfunc="last")
    return history.sort_index().reset_index()


def _read_csv(path: Path) -> pd.DataFrame:
    """Read every cell as text, so that a uid ``007`` keeps its zeros; only an empty cell is missing."""
    return read_csv(path, fix=_AGAIN, error=RunError).replace("", np.nan)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def shown_commit(state: Mapping[str, Any]) -> str:
    """A commit as tables show it: shortened, and ``-dirty`` if files differed from it.

    Args:
        state: with ``commit``, None if it is unknown, and ``dirty``.
    """
    return str(state["commit"] or "unknown")[:10] + ("-dirty" if state.get("dirty") else "")
