"""Which names a store takes: those that every later command can use, so that none is refused after the work is done."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from lesslabel.data.case import Case
from lesslabel.data.store.case_layout import encode_name
from lesslabel.errors import DataError
from lesslabel.plain_text import is_one_line, visible

RESERVED_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "mean": "tables call the mean over labels so",
        "background": "the voxels of no label are called so",
        "ignore": "nnU-Net calls unknown voxels so",
    }
)
"""Names that no label may have, and why."""
_LONGEST_BYTES = 200
"""File systems end at 255 bytes; a name with an ending and a sign in front of it must fit."""


def require_names_of_store(labels: Mapping[int, str], channels: Sequence[str], where: object) -> None:
    """Refuse labels and channels whose names a later command cannot use.

    Args:
        labels: names by code.
        channels: their names.
        where: the raw data, for messages.

    Raises:
        DataError: if a name is reserved, not on one line, or there twice.
    """
    for what, names in (("label", list(labels.values())), ("channel", list(channels))):
        for name in names:
            _require_one_line(name, f"{where}: {what}")
        if twice := [name for index, name in enumerate(names) if name in names[:index]]:
            raise DataError(f"{where}: two {what}s are called '{twice[0]}'; give each its own name")
    for name in labels.values():
        if name in RESERVED_LABELS:
            raise DataError(f"{where}: a label is called '{name}', but {RESERVED_LABELS[name]}; rename the label")


def require_names_of_case(case: Case) -> None:
    """Refuse a case whose names a later command cannot use.

    Raises:
        DataError: names it.
    """
    for what in ("uid", "patient", "centre", "modality", "group"):
        name: str = getattr(case, what)
        if name or what in ("uid", "patient"):
            _require_one_line(name, f"case '{visible(case.uid)}': {what}")
    if len(encode_name(case.uid).encode()) > _LONGEST_BYTES:
        raise DataError(
            f"case '{case.uid[:60]}…': its name is longer than {_LONGEST_BYTES} bytes, and files are named by it; "
            "give it a shorter one"
        )


def _require_one_line(name: str, what: str) -> None:
    if not name.strip() or not is_one_line(name):
        raise DataError(f"{what} is called '{visible(name)}'; a name is one line of text, without control characters")
