"""Data lists of MONAI: a JSON of cases by part, each with the paths of its image and label map."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lesslabel.data.formats.endings import has_ending
from lesslabel.data.formats.reading import ENDINGS, without_ending
from lesslabel.data.patient_lists import GROUP_PARTS
from lesslabel.data.sources.base import RawCase
from lesslabel.data.sources.checks import is_code, is_name, require_within
from lesslabel.data.sources.listed import Listed
from lesslabel.data.sources.table import COLUMNS, find_close, find_mistaken, is_size, locate_case
from lesslabel.errors import DataError
from lesslabel.files import read_json

_PARTS = {"training": "train", "validation": "validation", "testing": "test", "test": "test"}
_FOLD, _LONGEST_FOLD, _SHOWN = "fold", 6, 20


class Datalist(Listed):
    """A data list of MONAI, such as ``dataset.json`` of the Decathlon or what Auto3DSeg takes.

    Its keys ``training``, ``validation`` and ``testing`` (or ``test``), in capitals or not, hold lists of
    ``{"image": path, "label": path}``, or of bare paths; an image that is a list of paths has channels. The part is the
    case's group, so that split ``groups`` goes by it. Entries may also have the other columns of `Folder`:
    ``scribble``, ``label_<rater>``, ``patient``, ``centre``, ``modality``, ``case``. Without ``case`` a case has the
    name of its (first) image, and where two images share a name that of the folders too. ``labels`` and ``modality`` of
    the list name labels and channels, if they are there. Lists of cases and files under other keys are refused.

    Args:
        raw: the JSON.
        base: folder that paths are relative to; by default that of the JSON.
        within: folder that must contain every file, by default `base`: a list from
            elsewhere cannot name other files.
        fold: entries of ``training`` with this ``fold`` (a number or text) are the group ``validation``; every entry of
            ``training`` must have one then, and at least one this.
        labels: codes and names, ``"1=RV,2=Myo"``; comes before what the list says.
        unknown: the value of an unannotated voxel: in the scribbles 255 by default; in ``label``, where a list of MONAI
            knows every voxel, none.

    Raises:
        DataError: if the list or a file in it has an error; the message names the entry.
        ConfigError: if `labels` or `unknown` is not valid.
    """

    name = "datalist"

    def __init__(
        self,
        raw: Path,
        base: Path | None = None,
        fold: int | None = None,
        labels: str | None = None,
        unknown: int | None = None,
        within: Path | None = None,
    ) -> None:
        self.dense_unknown = unknown
        path = self._require_raw(raw)
        content = read_json(path, "a data list of MONAI")
        if not isinstance(content, dict):
            raise DataError(f"{path}: not readable as a data list of MONAI; expected an object with 'training'")
        folder = path.parent if base is None else Path(base)
        listed = list(_list_cases(path, content, folder, fold))
        require_within(listed, folder if within is None else within, path)
        cases = _name_apart(listed, folder)
        if not cases:
            raise DataError(f"{path}: no case listed; expected lists under {', '.join(_PARTS)}")
        self.warnings = _warn_of(path, content, fold)
        named = _read_labels(content, path) if labels is None else None
        super().__init__(
            raw, cases, _read_channels(content, path), labels=labels if named is None else named, unknown=unknown
        )


def _list_cases(path: Path, content: Mapping[str, Any], folder: Path, fold: int | None) -> Iterator[RawCase]:
    parts = _entries_of_parts(path, content)
    if fold is not None:
        _require_fold(path, parts, fold)
    for key, group, entries in parts:
        for number, entry in enumerate(entries, start=1):
            where = f"{path}, {key} {number}"
            fields = _own_keys({"image": entry} if isinstance(entry, str) else entry, where)
            held_out = fold is not None and group == "train" and _fold_of(fields, where) == fold
            _require_part(fields, "validation" if held_out else group, where)
            cells = _read_entry(fields, where)
            yield locate_case({**cells, "split": "validation" if held_out else group}, folder, where)


def _entries_of_parts(path: Path, content: Mapping[str, Any]) -> list[tuple[str, str, list[Any]]]:
    """Key, group and entries of every part; a list of cases under another key is refused."""
    parts: dict[str, tuple[str, str, list[Any]]] = {}
    for key, entries in content.items():
        part = key.strip().lower()
        if part not in _PARTS:
            if isinstance(entries, list) and any(_is_entry(entry) for entry in entries):
                raise DataError(f"{path}: '{key}' lists cases and is no part; name it one of {', '.join(_PARTS)}")
            continue
        if not isinstance(entries, list):
            raise DataError(f"{path}: '{key}' is no list; expected [{{'image': …, 'label': …}}]")
        if part in parts:
            raise DataError(f"{path}: '{parts[part][0]}' and '{key}' are one part; join them")
        parts[part] = (key, _PARTS[part], entries)
    return [parts[part] for part in _PARTS if part in parts]


def _warn_of(path: Path, content: Mapping[str, Any], fold: int | None) -> tuple[str, ...]:
    """What a user may not expect: folds that are left aside, another number of cases than stated."""
    training = [
        entry for key, group, entries in _entries_of_parts(path, content) if group == "train" for entry in entries
    ]
    lines = []
    folds = {str(entry[key]) for entry in training if isinstance(entry, dict) for key in entry if key.lower() == _FOLD}
    if folds and fold is None:
        shown = ", ".join(sorted(folds)[:_SHOWN])
        lines.append(f"{path}: has folds {shown}, which are left aside; pass --fold to hold one out")
    if (stated := content.get("numTraining", len(training))) != len(training):
        shown = str(stated)[:20]
        lines.append(
            f"{path}: 'numTraining' is {shown}, 'training' lists {len(training)} cases; was everything copied?"
        )
    return tuple(lines)


def _value_of(content: Mapping[str, Any], name: str) -> Any:
    """The value of a key in any capitals; None where there is none."""
    return next((value for key, value in content.items() if key.strip().lower() == name), None)


def _is_entry(entry: Any) -> bool:
    return _is_file(entry) or (isinstance(entry, dict) and any(_is_file(value) for value in entry.values()))


def _is_file(value: Any) -> bool:
    listed = value if isinstance(value, list) else [value]
    return any(isinstance(path, str) and has_ending(path, ENDINGS) for path in listed)


def _own_keys(fields: Any, where: str) -> dict[str, Any]:
    """An entry with the known spelling of its keys; a file under another key, perhaps the label map, is refused."""
    if not isinstance(fields, dict):
        raise DataError(f"{where}: neither a path nor an object; expected {{'image': …, 'label': …}}")
    known: dict[str, Any] = {}
    for key, value in fields.items():
        name = key.strip().lower()
        meant = name if name in (*COLUMNS, _FOLD) else key
        if meant in known:
            raise DataError(f"{where}: '{key}' is there twice, in capitals and not; keep one")
        if meant not in (*COLUMNS, _FOLD) and not key.startswith("label_"):
            if _is_file(value):
                raise DataError(
                    f"{where}: key '{key}' names a file and is not read; call it image or label, or remove it"
                )
            _require_meant(fields, key, where)
        known[meant] = value
    return known


def _require_meant(fields: Mapping[str, Any], key: str, where: str) -> None:
    """Refuse a key that would change what the data mean if it were read."""
    if is_size(key):
        raise DataError(f"{where}: key '{key}' is not read, sizes are those of the files; remove it")
    meant = find_close(key, (*COLUMNS, _FOLD))
    if not meant and (other := find_mistaken(key)) in ("patient", "centre") and other not in fields:
        meant = other
    if meant:
        raise DataError(f"{where}: key '{key}' is not known; rename it to '{meant}' or remove it")


def _require_part(fields: Mapping[str, Any], group: str, where: str) -> None:
    """Refuse an entry that names another part than that of its list."""
    said = str(fields.get("split") or "").strip().lower()
    if said and GROUP_PARTS.get(said) != group:
        raise DataError(f"{where}: 'split' is '{said[:60]}', and its list is '{group}'; move it, or remove 'split'")


def _require_fold(path: Path, parts: Sequence[tuple[str, str, list[Any]]], fold: int) -> None:
    """Refuse a fold without an entry: all cases would be training cases."""
    folds = {
        _fold_of(_own_keys(entry, f"{path}, {key} {number}"), f"{path}, {key} {number}")
        for key, group, entries in parts
        if group == "train"
        for number, entry in enumerate(entries, start=1)
    }
    if fold not in folds:
        there = ", ".join(map(str, sorted(folds))) or "none"
        raise DataError(
            f"{path}: no entry of 'training' has fold {fold}; there are {there}; correct --fold or the list"
        )


def _fold_of(fields: Mapping[str, Any], where: str) -> int:
    """The number of an entry's fold, in any spelling."""
    stored = fields.get(_FOLD)
    text = str(stored).strip().removesuffix(".0")
    if isinstance(stored, bool) or not text.isdecimal() or len(text) > _LONGEST_FOLD:
        raise DataError(f"{where}: 'fold' is {str(stored)[:60]!r}; give every entry of 'training' a number from 0")
    return int(text)


def _read_entry(fields: Mapping[str, Any], where: str) -> dict[str, str]:
    """An entry as the cells of a table."""
    cells: dict[str, str] = {}
    for key, value in fields.items():
        if key not in COLUMNS and not key.startswith("label_"):
            continue
        if key == "same_grid" and isinstance(value, bool):
            cells[key] = "yes" if value else "no"
            continue
        paths = value if isinstance(value, list) else [value]
        if (len(paths) != 1 and key != "image") or not all(type(text) in (str, int) for text in paths):
            raise DataError(f"{where}: '{key}' is {str(value)[:60]}; expected a path, or a list of them for an image")
        cells[key] = ";".join(str(text) for text in paths)
    return cells


def _name_apart(cases: Sequence[RawCase], folder: Path) -> list[RawCase]:
    """The same cases; those that share a name get the names of their folders too."""
    times = Counter(case.uid for case in cases)
    named = [_with_folders(case, folder) if times[case.uid] > 1 else case for case in cases]
    uid, count = Counter(case.uid for case in named).most_common(1)[0] if named else ("", 0)
    if count > 1:
        raise DataError(f"case '{uid}' is listed {count} times; list it once, or give each its 'case'")
    return named


def _with_folders(case: RawCase, folder: Path) -> RawCase:
    image = case.files["image"]
    parts = image.relative_to(folder).parts if image.is_relative_to(folder) else image.parts[1:]
    uid = "_".join([*parts[:-1], without_ending(parts[-1])])
    return replace(case, uid=uid, patient=uid if case.patient == case.uid else case.patient)


def _read_labels(content: Mapping[str, Any], path: Path) -> dict[int, str] | None:
    """Codes and names of the key ``labels``; None where the list has none."""
    stored = _value_of(content, "labels")
    if stored is None:
        return None
    if not isinstance(stored, dict) or not all(is_code(code) and is_name(name) for code, name in stored.items()):
        raise DataError(f'{path}: labels must be {{"0": "background", "1": name, …}}; correct it or pass LABELS')
    return {int(code): name for code, name in sorted(stored.items(), key=lambda item: int(item[0])) if int(code)}


def _read_channels(content: Mapping[str, Any], path: Path) -> list[str]:
    stored = _value_of(content, "modality")
    if not isinstance(stored, dict):
        return []
    if not all(is_name(name) for name in stored.values()):
        raise DataError(f'{path}: modality must be {{"0": name, …}}; correct it or remove it')
    return [stored[key] for key in sorted(stored, key=lambda key: (len(key), key))]  # "2" before "10"
