"""The ending of a file's name, in small letters or in capitals: ``scan.nii.gz`` and ``SCAN.NII.GZ`` are both NIfTI."""

from collections.abc import Sequence
from pathlib import Path


def has_ending(path: Path | str, endings: str | tuple[str, ...]) -> bool:
    """Whether a file's name ends with one of some endings, whatever the case of its letters.

    Args:
        path: the file or its name.
        endings: in small letters, each with its point.
    """
    return str(path).lower().endswith(endings)


def without_ending(name: str, endings: Sequence[str]) -> str:
    """The name of a file without the first of the endings that it has; other names are returned unchanged.

    Args:
        name: of a file, without its folder.
        endings: in small letters, each with its point; ``.nii.gz`` before ``.gz``.
    """
    return next((name[: -len(ending)] for ending in endings if has_ending(name, ending)), name)
