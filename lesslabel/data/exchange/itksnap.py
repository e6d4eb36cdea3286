"""Export to ITK-SNAP: images and label maps as NIfTI, and a file of label descriptions."""

import re
from collections.abc import Iterator
from pathlib import Path

from lesslabel.data.case import IGNORE
from lesslabel.data.exchange.base import (
    ENDING,
    UNKNOWN,
    ExportedCase,
    Names,
    colour_of,
    image_names,
    require_all_labels,
    write_channels,
)
from lesslabel.data.formats.nifti import write_label_map
from lesslabel.errors import DataError
from lesslabel.files import write_text

DESCRIPTIONS = "labels.txt"
_TITLE = "ITK-SnAP Label Description File"
_ROW = re.compile(r'\s*(\d+)\s+(?:\S+\s+){6}"(.*)"\s*')


def write_itksnap(folder: Path, cases: Iterator[ExportedCase], names: Names) -> None:
    """Write ``images/``, ``segmentations/`` and ``labels.txt``; values are the store's codes, 255 is unknown.

    Raises:
        DataError: if an annotation covers some labels only, which label maps cannot express.
    """
    for case in cases:
        write_channels(folder / "images", case.case, image_names(case))
        if case.annotation is not None:
            require_all_labels(case, names.labels, "ITK-SNAP")
            path = folder / "segmentations" / f"{case.stem}{ENDING}"
            write_label_map(path, case.annotation.labels, case.case.spacing_mm, case.case.affine, case.case.qform)
    rows = [f'{0:5d} {0:5d} {0:4d} {0:4d} {0:8g} {0:2d} {0:2d}    "Clear Label"']
    for code, name in {**names.labels, IGNORE: UNKNOWN}.items():
        red, green, blue = colour_of(code)
        rows.append(f'{code:5d} {red:5d} {green:4d} {blue:4d} {1:8g} {1:2d} {1:2d}    "{shown_name(name)}"')
    header = f"# {_TITLE}\n# IDX   -R-  -G-  -B-     -A- VIS MSH  LABEL\n"
    write_text(folder / DESCRIPTIONS, header + "\n".join(rows) + "\n")


def shown_name(name: str) -> str:
    """A label's name in the form of a file of label descriptions."""
    return " ".join(name.replace('"', "'").split())


def read_descriptions(path: Path) -> dict[str, int]:
    """The values of labels by name, background left out, of a file of label descriptions; none if it is another file.

    Raises:
        DataError: if a line is not a label description, or two labels share a name.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    if _TITLE not in text:
        return {}
    values: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if (match := _ROW.fullmatch(line)) is None or match[2] in values:
            raise DataError(f"{path}, line {number}: '{line.strip()}' describes no label of its own; export it again")
        values[match[2]] = int(match[1])
    return {name: value for name, value in values.items() if value}
