"""The folder of a click protocol: every turn of every object, and what is needed to repeat it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lesslabel.clicks.measures import BOUNDARY_COLUMN, CLICK_COLUMNS, PHASE_COLUMNS, THIN_COLUMNS
from lesslabel.csv_table import read_csv
from lesslabel.errors import DataError
from lesslabel.files import read_json
from lesslabel.interaction.prompts import Prompt, prompt_from_json
from lesslabel.interaction.prompts.seeds import Mask

FORMAT = 1
CLICKS, PROMPTS, SUMMARY, WORST = "clicks.csv", "prompts.jsonl", "summary.json", "worst.h5"
MASKS = "predictions"
"""Folder of the label maps that the protocol ended with, where they are kept."""
ObjectKey = tuple[str, int, str]
"""uid, slice (-1 for a whole case) and label."""
WHOLE_COLUMNS = ("slice", "turn", "clicks")
REAL_COLUMNS = ("dice", "assd_mm", "seconds", BOUNDARY_COLUMN, *PHASE_COLUMNS, *THIN_COLUMNS)
Turns = tuple[tuple[Prompt, ...], ...]


@dataclass(frozen=True, eq=False)
class WorstObject:
    """One slice of an object with a low final Dice.

    Attributes:
        key: the object.
        z: the stored slice, on the network's grid.
        spacing_mm: (y, x).
        image: (y, x) float32, first channel of the network's input.
        truth: (y, x) bool.
        first: (y, x) bool, after the first prompts.
        last: (y, x) bool, after the last turn.
    """

    key: ObjectKey
    z: int
    spacing_mm: tuple[float, float]
    image: NDArray[np.float32]
    truth: Mask
    first: Mask
    last: Mask


def prompts_line(key: ObjectKey, turns: Sequence[Sequence[Prompt]]) -> str:
    """One object's line of `prompts.jsonl`."""
    uid, place, label = key
    written = [[prompt.to_json() for prompt in turn] for turn in turns]
    return json.dumps({"uid": uid, "slice": place, "label": label, "turns": written}, ensure_ascii=False) + "\n"


def write_worst(path: Path, worst: Sequence[WorstObject]) -> None:
    """Write the pictured objects, the worst first."""
    with h5py.File(path, "w") as file:
        for number, entry in enumerate(worst):
            group = file.create_group(f"{number:03d}")
            uid, place, label = entry.key
            group.attrs.update({"uid": uid, "slice": place, "label": label, "z": entry.z})
            group.attrs["spacing_mm"] = entry.spacing_mm
            for name in ("image", "truth", "first", "last"):
                group.create_dataset(name, data=getattr(entry, name), compression="gzip")


class ClickFolder:
    """A finished protocol in memory; prompts and pictures are read on access.

    Args:
        path: the folder that `lesslabel clicks` made.

    Raises:
        DataError: if there is none, or it is damaged or of another format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.summary: Mapping[str, Any] = read_json(path / SUMMARY, "the summary of a click protocol")
        found = self.summary.get("format") if isinstance(self.summary, dict) else None
        if found != FORMAT or not isinstance(self.summary.get("protocol"), dict):
            raise DataError(
                f"{path / SUMMARY}: format {found}, this version reads {FORMAT}; run `lesslabel clicks` again"
            )
        self.frame = _read_frame(path / CLICKS)

    def turns(self) -> dict[ObjectKey, Turns]:
        """The prompts of every object, turn by turn.

        Raises:
            DataError: if they cannot be read.
        """
        path = self.path / PROMPTS
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            return dict(_read_line(line) for line in lines)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: cannot be read ({error!r}); run `lesslabel clicks` again") from error

    def worst(self) -> list[WorstObject]:
        """The pictured objects, the worst first.

        Raises:
            DataError: if they cannot be read.
        """
        path = self.path / WORST
        try:
            with h5py.File(path, "r") as file:
                return list(_read_worst(file))
        except (OSError, KeyError) as error:
            raise DataError(f"{path}: cannot be read ({error}); run `lesslabel clicks` again") from error


def _read_frame(path: Path) -> pd.DataFrame:
    frame = read_csv(path, CLICK_COLUMNS, WHOLE_COLUMNS + REAL_COLUMNS, fix="run `lesslabel clicks` again")
    if damaged := [name for name in (*WHOLE_COLUMNS, "dice", "assd_mm") if not frame[name].notna().all()]:
        raise DataError(f"{path}: column {damaged[0]} has an empty cell; run `lesslabel clicks` again")
    return frame.astype(dict.fromkeys(WHOLE_COLUMNS, int))


def _read_line(line: str) -> tuple[ObjectKey, Turns]:
    content = json.loads(line)
    turns = tuple(tuple(prompt_from_json(prompt) for prompt in turn) for turn in content["turns"])
    return (str(content["uid"]), int(content["slice"]), str(content["label"])), turns


def _read_worst(file: h5py.File) -> Iterator[WorstObject]:
    for number in sorted(file):
        group = file[number]
        y_mm, x_mm = (float(side) for side in group.attrs["spacing_mm"])
        image, truth, first, last = (group[name][()] for name in ("image", "truth", "first", "last"))
        key = str(group.attrs["uid"]), int(group.attrs["slice"]), str(group.attrs["label"])
        yield WorstObject(key, int(group.attrs["z"]), (y_mm, x_mm), image, truth, first, last)
