"""For ITK-SNAP: images and label maps as NIfTI, and a file of label descriptions."""

from collections.abc import Iterator
from pathlib import Path

from lesslabel.data.case import IGNORE
from lesslabel.data.export.base import (
    ENDING,
    UNKNOWN,
    Names,
    Outgoing,
    colour_of,
    image_names,
    require_all_labels,
    write_channels,
)
from lesslabel.data.nifti import write_label_map
from lesslabel.files import write_text


def write_itksnap(folder: Path, cases: Iterator[Outgoing], names: Names) -> None:
    """Write ``images/``, ``segmentations/`` and ``labels.txt``; values are the store's codes, 255 is unknown.

    Raises:
        DataError: if an annotation covers some labels alone, which label maps cannot say.
    """
    for case in cases:
        write_channels(folder / "images", case.case, image_names(case))
        if case.annotation is not None:
            require_all_labels(case, names.labels, "ITK-SNAP")
            path = folder / "segmentations" / f"{case.stem}{ENDING}"
            write_label_map(path, case.annotation.labels, case.case.spacing_mm, case.case.affine)
    rows = [f'{0:5d} {0:5d} {0:4d} {0:4d} {0:8g} {0:2d} {0:2d}    "Clear Label"']
    for code, name in {**names.labels, IGNORE: UNKNOWN}.items():
        red, green, blue = colour_of(code)
        shown = " ".join(name.replace('"', "'").split())
        rows.append(f'{code:5d} {red:5d} {green:4d} {blue:4d} {1:8g} {1:2d} {1:2d}    "{shown}"')
    header = "# ITK-SnAP Label Description File\n# IDX   -R-  -G-  -B-     -A- VIS MSH  LABEL\n"
    write_text(folder / "labels.txt", header + "\n".join(rows) + "\n")
