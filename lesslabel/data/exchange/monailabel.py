"""Export to MONAI Label: the folder of its local data store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lesslabel.data.case import IGNORE
from lesslabel.data.exchange.base import (
    ENDING,
    UNKNOWN,
    ExportedCase,
    Names,
    image_names,
    require_all_labels,
    write_channels,
)
from lesslabel.data.formats.nifti import write_label_map
from lesslabel.errors import DataError
from lesslabel.files import write_json

DATASTORE = "datastore_v2.json"
FINAL = Path("labels") / "final"
"""The folder in which MONAI Label stores submitted label maps."""


def write_monailabel(folder: Path, cases: Iterator[ExportedCase], names: Names) -> None:
    """Write images, ``labels/final/`` and ``datastore_v2.json``; values are the store's codes, 255 is unknown.

    Raises:
        DataError: if the images have several channels (MONAI Label takes one), or an annotation covers some
            labels only.
    """
    if len(names.channels) > 1:
        raise DataError(
            f"the store has channels {', '.join(names.channels)}, of which MONAI Label takes one; export to slicer"
        )
    named = [{"name": name, "idx": code} for code, name in {**names.labels, IGNORE: UNKNOWN}.items()]
    objects: dict[str, Any] = {}
    for case in cases:
        write_channels(folder, case.case, image_names(case))
        objects[case.stem] = {"image": {"ext": ENDING, "info": {}}, "labels": {}}
        if case.annotation is not None:
            require_all_labels(case, names.labels, "MONAI Label")
            path = folder / FINAL / f"{case.stem}{ENDING}"
            write_label_map(path, case.annotation.labels, case.case.spacing_mm, case.case.affine, case.case.qform)
            objects[case.stem]["labels"]["final"] = {"ext": ENDING, "info": {"label_info": named}}
    described = {"name": "lesslabel", "description": "", "images_dir": ".", "labels_dir": "labels", "objects": objects}
    write_json(folder / DATASTORE, described)
