"""A user's own cases, listed in a CSV; no Python needs to be written."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lesslabel.data.case import IGNORE, Case
from lesslabel.data.nifti import read_label_map
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.nifti_case import label_roles, read_case, read_channels
from lesslabel.data.sources.table import list_table
from lesslabel.errors import ConfigError, DataError


class Folder(Source):
    """NIfTI images listed in a CSV with the column ``image`` and, all optional, these others.

    - ``label``: dense label map; 255 is unknown.
    - ``label_<rater>``: the same by one of several raters, as many columns as there are raters; an empty cell says that
      this one did not annotate the case. The annotation has the rater's name, ``rater1`` for ``label_1``.
    - ``scribble``: label map of which only strokes are known.
    - ``patient``: what splits are made by. **Without it every case is a patient of its own**: give it if any patient
      has more than one image, or the same patient may end up in training and in test.
    - ``centre``, ``modality``: free text. ``split``: the case's group, such as ``train`` or ``test``.
    - ``case``: the case's name; by default the first image's file name without its ending.

    Paths are relative to the CSV's folder, or absolute. Several images of one case, joined by ``|``, become its
    channels, as does the fourth dimension of an image.

    Args:
        raw: the CSV, UTF-8, comma separated.
        labels: codes and names, ``"1=RV,2=Myo"``. By default every value of the label maps becomes a label
            (``"label 1"``); they are all read once to find them.
        unknown: the value of an unannotated voxel in the scribbles, 255 by default.

    Raises:
        DataError: if the table or a file in it is at fault; the message names the row.
        ConfigError: if `labels` or `unknown` make no sense.
    """

    name = "folder"

    def __init__(self, raw: Path, labels: str | None = None, unknown: int | None = None) -> None:
        super().__init__(raw)
        self.unknown = IGNORE if unknown is None else unknown
        self._cases = list_table(self.raw)
        self.labels = parse_labels(labels) if labels is not None else self._find_labels()
        if self.unknown in self.labels:
            raise ConfigError(f"folder: {self.unknown} cannot be both a label and unknown; change LABELS or UNKNOWN")
        count = len(read_channels(self._cases[0]).array)
        self.channels: Sequence[str] = ["image"] if count == 1 else [f"image {index + 1}" for index in range(count)]

    def list_cases(self) -> list[RawCase]:
        """List the cases in the table's order; see `Source.list_cases`."""
        return list(self._cases)

    def read(self, raw: RawCase) -> Case:
        """Read one case; see `Source.read`."""
        return read_case(raw, self, self.unknown)

    def _find_labels(self) -> dict[int, str]:
        """Every value of the dense label maps, or of the scribbles where there are no dense ones."""
        paths, unknown = [case.files[role] for case in self._cases for role in label_roles(case)], IGNORE
        if not paths:
            paths, unknown = [case.files["scribble"] for case in self._cases if "scribble" in case.files], self.unknown
        found: set[int] = set()
        for path in paths:
            values = set(np.unique(read_label_map(path).array).tolist()) - {0, unknown}
            if strange := sorted(value for value in values if not 0 < value < IGNORE):
                raise DataError(
                    f"{path}: label value {strange[0]} is not within 1 to 254; correct the file or pass LABELS"
                )
            found |= values
        if not found:
            raise DataError(
                f"{self.raw}: no label found in columns 'label' and 'scribble'; pass LABELS, such as 1=RV,2=Myo"
            )
        return {code: f"label {code}" for code in sorted(found)}


def parse_labels(text: str) -> dict[int, str]:
    """Read ``"1=RV,2=Myo"``.

    Raises:
        ConfigError: if it is not of that form, a code is not within 1 to 254, or a code or name occurs twice.
    """
    labels: dict[int, str] = {}
    for part in text.split(","):
        code, _, name = (piece.strip() for piece in part.partition("="))
        if not (code.isdecimal() and 0 < int(code) < IGNORE and name):
            raise ConfigError(f"labels '{text}': '{part}' is not CODE=NAME with a code of 1 to 254; write 1=RV,2=Myo")
        if int(code) in labels or name in labels.values():
            raise ConfigError(f"labels '{text}': '{part}' repeats a code or a name")
        labels[int(code)] = name
    return labels
