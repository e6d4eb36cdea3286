"""A user's own cases, listed in a CSV; no Python needs to be written."""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.nifti import NiftiVolume, read_image, read_label_map, require_same_grid
from lesslabel.data.sources.base import RawCase, Source
from lesslabel.data.sources.checks import to_codes
from lesslabel.errors import ConfigError, DataError

COLUMNS = ("image", "label", "scribble", "patient", "centre", "split", "modality", "case")
"""The columns that are read; others are left aside."""

_UID = re.compile(r"\w[\w.\- ]*")


@dataclass(frozen=True)
class _Row:
    """One line of the table; every column is present, empty if not given."""

    number: int
    cells: Mapping[str, str]


class Folder(Source):
    """NIfTI images listed in a CSV with the column ``image`` and, all optional, these others.

    - ``label``: dense label map; 255 is unknown.
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
        self._cases = _list_rows(self.raw)
        self.labels = parse_labels(labels) if labels is not None else self._find_labels()
        if self.unknown in self.labels:
            raise ConfigError(f"folder: {self.unknown} cannot be both a label and unknown; change LABELS or UNKNOWN")
        count = len(_read_channels(self._cases[0]).array)
        self.channels: Sequence[str] = ["image"] if count == 1 else [f"image {index + 1}" for index in range(count)]

    def list_cases(self) -> list[RawCase]:
        """List the cases in the table's order; see `Source.list_cases`."""
        return list(self._cases)

    def read(self, raw: RawCase) -> Case:
        """Read one case; see `Source.read`."""
        image = _read_channels(raw)
        if len(image.array) != len(self.channels):
            raise DataError(
                f"{image.path}: case {raw.uid} has {len(image.array)} channels, the first case {len(self.channels)}; "
                "every case needs the same ones in the same order"
            )
        annotations = {}
        if "dense" in raw.files:
            values = _read_aligned(raw.files["dense"], image)
            annotations["dense"] = Annotation(to_codes(values.array, self.labels, values.path, IGNORE), Kind.DENSE)
        if "scribble" in raw.files:
            annotations["scribble"] = self._scribble(_read_aligned(raw.files["scribble"], image))
        return Case(
            uid=raw.uid,
            patient=raw.patient,
            image=image.array,
            spacing_mm=image.spacing_mm,
            affine=image.affine,
            centre=raw.centre,
            modality=raw.modality,
            group=raw.group,
            annotations=annotations,
        )

    def _scribble(self, values: NiftiVolume) -> Annotation:
        if not (values.array == self.unknown).any():
            raise DataError(
                f"{values.path}: no voxel is {self.unknown}, the value of unknown; pass UNKNOWN, "
                "or name the file in column 'label' if every voxel is annotated"
            )
        return Annotation(to_codes(values.array, self.labels, values.path, self.unknown), Kind.SCRIBBLE)

    def _find_labels(self) -> dict[int, str]:
        """Every value of the dense label maps, or of the scribbles where there are no dense ones."""
        role, unknown = ("dense", IGNORE)
        if not any(role in case.files for case in self._cases):
            role, unknown = ("scribble", self.unknown)
        found: set[int] = set()
        for path in (case.files[role] for case in self._cases if role in case.files):
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


def _list_rows(table: Path) -> list[RawCase]:
    cases: dict[str, tuple[int, RawCase]] = {}
    for row in _read_table(table):
        case = _locate(table, row)
        if case.uid in cases:
            raise DataError(
                f"{table}, row {row.number}: case '{case.uid}' is also in row {cases[case.uid][0]}; rename one"
            )
        cases[case.uid] = row.number, case
    if not cases:
        raise DataError(f"{table}: the table has no rows; add one per case")
    return [case for _, case in cases.values()]


def _read_table(table: Path) -> list[_Row]:
    """Rows with their line number in the file; the header is row 1."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey="", strict=True)
            _check_header(table, reader.fieldnames or [])
            rows = []
            for cells in reader:
                if "" in cells:
                    raise DataError(
                        f"{table}, row {reader.line_num}: more cells than columns; quote a cell that holds a comma"
                    )
                known = {column: (cells.get(column) or "").strip() for column in COLUMNS}
                rows.append(_Row(reader.line_num, known))
            return rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: not a readable CSV ({error}); save it as comma separated UTF-8") from error


def _check_header(table: Path, header: Iterable[str]) -> None:
    columns = list(header)
    if "image" not in columns:
        raise DataError(f"{table}, row 1: column 'image' is missing; the columns are {', '.join(COLUMNS)}")
    for column in columns:
        if column not in COLUMNS and (meant := get_close_matches(column.lower(), COLUMNS, n=1)):
            raise DataError(f"{table}, row 1: column '{column}' is not known; rename it to '{meant[0]}' or remove it")


def _locate(table: Path, row: _Row) -> RawCase:
    where = f"{table}, row {row.number}"
    images = [table.parent / name.strip() for name in row.cells["image"].split("|") if name.strip()]
    if not images:
        raise DataError(f"{where}: no image; name a NIfTI file, or several joined by |")
    files = {"image" if index == 0 else f"image {index + 1}": path for index, path in enumerate(images)}
    for column, role in (("label", "dense"), ("scribble", "scribble")):
        if row.cells[column]:
            files[role] = table.parent / row.cells[column]
    for path in files.values():
        if not path.is_file():
            raise DataError(f"{where}: {path}: no such file; paths are relative to the table's folder")
        if not path.name.endswith((".nii", ".nii.gz")):
            raise DataError(f"{where}: {path}: not a NIfTI file; convert it to .nii.gz")
    uid = row.cells["case"] or images[0].name.removesuffix(".gz").removesuffix(".nii")
    if not _UID.fullmatch(uid):
        raise DataError(f"{where}: case name '{uid}' cannot name a file; use letters, digits, '_', '-' and '.'")
    return RawCase(
        uid=uid,
        patient=row.cells["patient"] or uid,
        files=files,
        group=row.cells["split"],
        centre=row.cells["centre"],
        modality=row.cells["modality"],
    )


def _read_channels(raw: RawCase) -> NiftiVolume:
    """All channels of a case, stacked in the table's order."""
    volumes = [read_image(path) for role, path in raw.files.items() if role.startswith("image")]
    first = volumes[0]
    for volume in volumes[1:]:
        require_same_grid(first, volume)
    return NiftiVolume(np.concatenate([volume.array for volume in volumes]), first.spacing_mm, first.affine, first.path)


def _read_aligned(path: Path, image: NiftiVolume) -> NiftiVolume:
    label_map = read_label_map(path)
    require_same_grid(image, label_map)
    return label_map
