"""Cases listed in a CSV with their files."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from lesslabel.csv_table import CsvTable, read_rows
from lesslabel.data.formats.endings import has_ending
from lesslabel.data.formats.reading import ENDINGS, without_ending
from lesslabel.data.patient_lists import GROUP_PARTS
from lesslabel.data.sources.base import RawCase
from lesslabel.data.sources.checks import is_case_name
from lesslabel.data.sources.nifti_case import WORDS_FOR_A_FILE, name_annotation
from lesslabel.errors import DataError
from lesslabel.files import is_file, is_folder
from lesslabel.plain_text import is_one_line, visible

COLUMNS = ("image", "label", "scribble", "patient", "centre", "split", "modality", "case", "same_grid")
"""The columns that are read, with ``image_<channel>`` and ``label_<rater>``; others are ignored."""

_MISTAKEN = {
    "split": (
        "set",
        "subset",
        "part",
        "partition",
        "group",
        "istrain",
        "istraining",
        "isval",
        "isvalidation",
        "istest",
    ),
    "label": ("mask", "seg", "segmentation", "annotation", "groundtruth", "gt"),
    "patient": ("subject", "patientid", "subjectid", "participant", "participantid", "pid", "mrn"),
    "centre": ("hospital", "institution", "institute", "clinic"),
}
"""Names that say what a column is read for, by that column; without capitals, spaces and signs."""
_FOLD = ("fold", "folds")
_NO_VALUE = ("nan", "na", "n/a", "none", "null", "<na>")
"""As programs write a cell without a value."""
_SIZES = ("spacing", "voxelspacing", "pixelspacing", "voxelsize", "pixelsize")
_LEAST_LIKENESS = 0.8
"""Of a name that may be a slip of the pen; `age` is not meant to be `image`, nor `phase` to be `case`."""
_LONGEST_CELL, _LONGEST_SHOWN = 10_000, 500
_CHANNEL, _RATER = "image_", "label_"


@dataclass(frozen=True)
class _Row:
    """One line of the table; every column is present, empty if not given."""

    number: int
    cells: Mapping[str, str]


def list_table(table: Path, required: Sequence[str] = ("image",), *, parts: bool = False) -> list[RawCase]:
    """List the cases of a table in its order.

    Args:
        table: UTF-8, comma separated; paths in it are relative to its folder, or absolute.
        required: columns that must exist and be filled in every row; ``image`` may be one of several
            ``image_<channel>``, all of them filled.
        parts: whether the column ``split``, if it is used, must name every row's part.

    Raises:
        DataError: if the table or a file in it has an error; the message names the row.
    """
    cases: dict[str, tuple[int, RawCase]] = {}
    for row in _read_rows(table, required):
        where = f"{table}, row {row.number}"
        case = locate_case(row.cells, table.parent, where)
        if case.uid in cases:
            raise DataError(f"{where}: case '{case.uid}' is also in row {cases[case.uid][0]}; rename one")
        cases[case.uid] = row.number, case
    if not cases:
        raise DataError(f"{table}: the table has no rows; add one per case")
    if parts and any(case.group for _, case in cases.values()):
        _require_parts(table, list(cases.values()))
    return [case for _, case in cases.values()]


def name_channels(table: Path) -> list[str]:
    """The channels that a table's columns ``image_<channel>`` name, in their order; empty if it has none.

    Raises:
        DataError: if the table cannot be read.
    """
    rows = _read_rows(table, ())
    return [column.removeprefix(_CHANNEL) for column in rows[0].cells if column.startswith(_CHANNEL)] if rows else []


def locate_case(cells: Mapping[str, str], folder: Path, where: str) -> RawCase:
    """The case of a row, or of another mapping with the same fields.

    Args:
        cells: text by column; absent and empty are the same.
        folder: the folder that paths are relative to.
        where: the row, for messages.

    Raises:
        DataError: if a file is absent or of an unsupported format, or a name is not valid.
    """
    for column, cell in cells.items():
        if not is_one_line(cell) or len(cell) > _LONGEST_CELL:
            raise DataError(f"{where}: '{column}' is '{visible(cell[:60])}'; use one short line of text")
    if (patient := cells.get("patient", "")).lower() in _NO_VALUE:  # many cases would be of one patient
        raise DataError(f"{where}: 'patient' is '{patient}', which stands for no value; leave it empty")
    images = _list_images(cells, where)
    files = {"image" if index == 0 else f"image {index + 1}": folder / name for index, name in enumerate(images)}
    for column, cell in cells.items():
        if not cell or not (column in ("label", "scribble") or column.startswith(_RATER)):
            continue
        files["scribble" if column == "scribble" else name_annotation(column, where)] = folder / cell
    for role, path in files.items():
        _require_readable(path, where, role)
    uid = cells.get("case") or without_ending(Path(images[0]).name)
    if not is_case_name(uid):
        raise DataError(
            f"{where}: case name '{uid[:60]}' cannot name a file; use letters, digits, '_', '-' and '.', at most 200"
        )
    return RawCase(
        uid=uid,
        patient=cells.get("patient") or uid,
        files=files,
        group=cells.get("split", ""),
        centre=cells.get("centre", ""),
        modality=cells.get("modality", ""),
        same_grid=_is_yes(cells.get("same_grid", ""), where),
    )


def _is_yes(cell: str, where: str) -> bool:
    if cell.lower() not in ("", "yes", "no", "true", "false", "1", "0"):
        raise DataError(f"{where}: 'same_grid' is '{cell}'; write yes or no")
    return cell.lower() in ("yes", "true", "1")


def _read_rows(table: Path, required: Sequence[str]) -> list[_Row]:
    """Rows with their line number in the file; the header is row 1."""
    if table.is_dir():
        raise DataError(f"{table}: a folder; name the table in it, such as {table / 'table.csv'}")
    content = read_rows(table)
    columns = _check_header(table, content.columns, required)
    aside = [column for column in content.columns if column not in columns]
    if not any(row.cells.get("split", "").strip() for row in content.rows):
        _require_no_parts(table, content, aside)
    rows = []
    for row in content.rows:
        for column in aside:
            if has_ending(row.cells.get(column, "").strip(), ENDINGS):
                raise DataError(
                    f"{table}, row {row.line}: column '{column}' names a file and is not read; rename it to image, "
                    "label, scribble or label_<rater>, or remove it"
                )
        known = {column: row.cells.get(column, "").strip() for column in columns}
        if empty := [column for column in required if column != "image" and not known[column]]:
            raise DataError(f"{table}, row {row.line}: no {empty[0]}; fill in column '{empty[0]}'")
        rows.append(_Row(row.line, known))
    return rows


def _require_no_parts(table: Path, content: CsvTable, aside: Sequence[str]) -> None:
    """Refuse a column that is not read and holds the parts of cases, two of them at least."""
    for column in aside:
        cells = {cell for row in content.rows if (cell := row.cells.get(column, "").strip())}
        parts = {GROUP_PARTS.get(cell.lower()) for cell in cells}
        if len(parts) > 1 and None not in parts:
            held = ", ".join(sorted(cells))
            raise DataError(
                f"{table}, row 1: column '{column}' holds parts ({held}) and is not read; rename it to 'split' or "
                "remove it"
            )


def _check_header(table: Path, header: Iterable[str], required: Sequence[str]) -> list[str]:
    """The columns to read: those that are known, one for every channel and one for every rater."""
    columns = list(header)
    if twice := [column for index, column in enumerate(columns) if column in columns[:index]]:
        raise DataError(f"{table}, row 1: column '{twice[0]}' is there twice; remove one")
    channels = [column for column in columns if column.startswith(_CHANNEL) and column != _CHANNEL]
    if channels and channels[0].removeprefix(_CHANNEL).lower() in WORDS_FOR_A_FILE:
        raise DataError(f"{table}, row 1: column '{channels[0]}' names no channel; rename it to 'image'")
    if channels and "image" in columns:
        raise DataError(f"{table}, row 1: 'image' and '{channels[0]}' are both there; keep the one or the others")
    for column in required:
        if column not in columns and not (column == "image" and channels):
            raise DataError(f"{table}, row 1: column '{column}' is missing{_say_why(columns, column)}")
    raters = {column: name_annotation(column, f"{table}, row 1") for column in columns if column.startswith(_RATER)}
    for index, (column, rater) in enumerate(raters.items()):
        if rater in list(raters.values())[:index]:
            raise DataError(f"{table}, row 1: column '{column}' is '{rater}', as is another; keep one")
    special = [*channels, *raters]
    for column in columns:
        if column in COLUMNS or column in special:
            continue
        _require_meant(table, column, columns)
        if meant := find_close(column, COLUMNS):
            raise DataError(f"{table}, row 1: column '{column}' is not known; rename it to '{meant}' or remove it")
    return [*COLUMNS, *special]


def _require_meant(table: Path, column: str, columns: Sequence[str]) -> None:
    """Refuse a column that would change what the data mean if it were read."""
    if is_size(column):
        raise DataError(f"{table}, row 1: column '{column}' is not read, sizes are those of the files; remove it")
    meant = find_mistaken(column)
    if meant and not any(known == meant or known.startswith(f"{meant}_") for known in columns):
        raise DataError(f"{table}, row 1: column '{column}' is not read; rename it to '{meant}' or remove it")


def find_mistaken(name: str) -> str:
    """The column that says what a name seems to say; empty if there is none."""
    plain = _plain(name)
    if plain.endswith(_FOLD):
        return "split"
    return next((meant for meant, others in _MISTAKEN.items() if plain in others), "")


def find_close(name: str, known: Sequence[str]) -> str:
    """The known name of which another one is a slip of the pen; empty if there is none."""
    return next(iter(get_close_matches(name.strip().lower(), known, n=1, cutoff=_LEAST_LIKENESS)), "")


def is_size(name: str) -> bool:
    """Whether a name says the size of a voxel."""
    return _plain(name).removesuffix("mm").rstrip("xyz") in _SIZES


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


def _say_why(columns: Sequence[str], column: str) -> str:
    """The reason why a column is missing, from the header, and the fix."""
    for name, separator in (("semicolons", ";"), ("tabs", "\t")):
        if any(separator in found for found in columns):
            return f", cells are separated by {name}; save it separated by commas"
    written = {found.strip().lower(): found for found in columns}
    if meant := get_close_matches(column, written, n=1):
        return f"; rename '{written[meant[0]]}' to it"
    return f"; the columns are {', '.join(COLUMNS)}"


def _list_images(cells: Mapping[str, str], where: str) -> list[str]:
    """The files of all channels, from one cell or one for each."""
    channels = {column: cell for column, cell in cells.items() if column.startswith(_CHANNEL)}
    for column, cell in channels.items():
        if not cell or "|" in cell or ";" in cell:
            raise DataError(f"{where}: '{column}' is '{cell}'; name one file, every case needs the same channels")
    images = list(channels.values()) or [name.strip() for name in re.split(r"[|;]", cells.get("image", ""))]
    if not all(images):
        raise DataError(f"{where}: no image; name a file or the folder of a DICOM series, or several joined by ;")
    return images


def _require_readable(path: Path, where: str, role: str) -> None:
    if not is_file(path) and role.startswith("image") and is_folder(path):
        return
    if not is_file(path):
        raise DataError(f"{where}: {_shorten(path)}: no such file; paths are relative to the table's folder")
    if not has_ending(path, ENDINGS):
        raise DataError(f"{where}: {path}: not a format that is read; convert it to .nii.gz")


def _shorten(path: Path) -> str:
    text = str(path)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _require_parts(table: Path, cases: Sequence[tuple[int, RawCase]]) -> None:
    """Refuse splits that cannot be used: a row without a part, an unknown part, or a patient in two parts."""
    known = f"write {', '.join(GROUP_PARTS)}"
    part_of: dict[str, tuple[int, str]] = {}
    for number, case in cases:
        if (part := GROUP_PARTS.get(case.group.lower())) is None:
            raise DataError(f"{table}, row {number}: split '{case.group}' names no part; {known}, or empty the column")
        first, other = part_of.setdefault(case.patient, (number, part))
        if other != part:
            raise DataError(
                f"{table}, row {number}: patient {case.patient} is in {part}, and in {other} by row {first}; keep a "
                "patient in one part"
            )
