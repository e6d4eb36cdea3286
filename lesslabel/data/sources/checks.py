"""Checks of several layouts: label codes in files, and duplicate names."""

from collections.abc import Iterable
from itertools import pairwise
from os.path import normpath
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE
from lesslabel.data.sources.base import RawCase
from lesslabel.errors import DataError
from lesslabel.plain_text import is_one_line, is_word_sign

_SHOWN = 5
_LONGEST_NAME = 1000
_LONGEST_CASE_NAME = 200
_FIX = "correct the file, or name the value among the labels"
_FIX_OF_UNKNOWN = f"every voxel is known here; save a mask of 0 and {IGNORE} as 0 and 1"
_RENUMBER = "label codes are whole numbers of 1 to 254; give the labels such codes in the file, and prepare it again"


def is_case_name(text: str) -> bool:
    """Whether a text names a case, and so its files: up to 200 letters, digits, ``_``, ``.``, ``-`` and spaces.

    The first is none of the last three. Letters of every script count, with their accents and vowel signs.
    """
    inside = all(is_word_sign(sign) or sign in ".- " for sign in text)
    return 0 < len(text) <= _LONGEST_CASE_NAME and text[0] not in ".- " and inside


def to_codes(
    values: NDArray[Any], codes: Iterable[int], where: Path | str, unknown: int | None = None
) -> NDArray[np.uint8]:
    """Convert a raw label map to uint8 codes.

    Args:
        values: the label map as read, any number type, any shape.
        codes: the permitted label codes without background (0).
        where: the file, for messages.
        unknown: the raw value of an unknown voxel; it becomes `IGNORE`. None if every voxel is known.

    Returns:
        uint8 of the same shape with 0, `codes` and `IGNORE`.

    Raises:
        DataError: on any other value, fractions and non-finite ones included.
    """
    allowed = {0, *codes} | (set() if unknown is None else {unknown})
    found = np.unique(values)
    strange = [value for value in found.tolist() if value not in allowed]
    if strange:
        shown = ", ".join(f"{value:g}" for value in strange[:_SHOWN]) + (" …" if len(strange) > _SHOWN else "")
        expected = ", ".join(str(code) for code in sorted(allowed - {unknown}))
        fix = _FIX if all(is_label_code(value) for value in strange) else _RENUMBER
        if IGNORE in strange:
            fix = _FIX_OF_UNKNOWN
        also = "" if unknown is None else f" and {unknown} = unknown"
        raise DataError(f"{where}: label value {shown} is not known; expected {expected}{also}; {fix}")
    result = values.astype(np.uint8)
    if unknown is not None:
        result[values == unknown] = IGNORE
    return result


def is_label_code(value: float) -> bool:
    """Whether a raw value can be the code of a label: a whole number of 1 to 254."""
    return 0 < value < IGNORE and value == int(value)


def is_code(text: str) -> bool:
    """Whether a key of a JSON, or typed text, is a label code of 0 to 254."""
    return text.isdecimal() and len(text) < len("1000") and int(text) < IGNORE


def is_name(value: object) -> bool:
    """Whether a value can name a label or channel: text on one line, not too long, that every file can hold."""
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and is_one_line(value)


def require_within(cases: Iterable[RawCase], folder: Path, where: Path) -> None:
    """Refuse files of a list outside a folder; a link in the folder may lead out of it, since its owner made it.

    Raises:
        DataError: if a file lies outside; names it.
    """
    inside = Path(normpath(folder.absolute()))  # resolves .. by name without following links
    for case in cases:
        for file in case.files.values():
            if not Path(normpath(file.absolute())).is_relative_to(inside):
                raise DataError(
                    f"{where}: case {case.uid}: {file} lies outside {folder}; pass WITHIN, a folder above both"
                )


def require_one_spelling(cases: Iterable[RawCase], where: Path) -> None:
    """Refuse patients whose names may be one: a split would keep them apart.

    Raises:
        DataError: if two differ in capitals, zeros in front or ``.0`` alone, as tables leave numbers.
    """
    spelt: dict[str, str] = {}
    for name in dict.fromkeys(case.patient for case in cases if case.patient != case.uid):
        number = name.removesuffix(".0")
        plain = str(int(number)) if number.isdecimal() else name.casefold()
        if (other := spelt.setdefault(plain, name)) != name:
            raise DataError(
                f"{where}: patients '{other}' and '{name}' differ in capitals, zeros in front or '.0' alone; write one"
                " of them as the other, or give them names that differ more"
            )


def sorted_unique(cases: Iterable[RawCase]) -> list[RawCase]:
    """Sort cases by name.

    Raises:
        DataError: if two cases have the same name; the message names both images.
    """
    ordered = sorted(cases, key=lambda case: (case.uid, case.files["image"]))
    for first, second in pairwise(ordered):
        if first.uid == second.uid:
            raise DataError(
                f"{second.files['image']}: case {first.uid} is also in {first.files['image']}; "
                "keep one, or pass the folder of one"
            )
    return ordered
