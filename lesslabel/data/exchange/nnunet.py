"""Export to nnU-Net (version 2): ``imagesTr``, ``labelsTr``, ``imagesTs`` and ``dataset.json``."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lesslabel.data.case import IGNORE
from lesslabel.data.exchange.base import ENDING, ExportedCase, Names, require_all_labels, write_channels
from lesslabel.data.formats.nifti import write_label_map
from lesslabel.errors import DataError
from lesslabel.files import write_json

BACKGROUND, IGNORED = "background", "ignore"
"""The names of 0 and of unknown voxels in nnU-Net."""


def write_nnunet(folder: Path, cases: Iterator[ExportedCase], names: Names) -> None:
    """Write a raw data set of nnU-Net; annotated cases become its training cases, the others its test cases.

    nnU-Net needs labels numbered 1, 2, 3 … without a gap, and ``ignore`` above them: values are positions
    in the order of the store's codes, and ``dataset.json`` names them.

    Raises:
        DataError: if a label has one of nnU-Net's own names, an annotation covers some labels only, or there is none.
    """
    taken = {BACKGROUND, IGNORED} & set(names.labels.values())
    if taken:
        raise DataError(
            f"a label of the store is named '{min(taken)}', which nnU-Net keeps to itself; name it otherwise"
        )
    value_of = {code: index for index, code in enumerate(sorted(names.labels), start=1)} | {
        IGNORE: len(names.labels) + 1
    }
    values = np.zeros(IGNORE + 1, dtype=np.uint8)
    values[list(value_of)] = list(value_of.values())
    training, unknown = 0, False
    for case in cases:
        images = folder / ("imagesTs" if case.annotation is None else "imagesTr")
        numbered = [f"{case.stem}_{channel:04d}{ENDING}" for channel in range(len(case.case.image))]
        write_channels(images, case.case, numbered)
        if case.annotation is not None:
            require_all_labels(case, names.labels, "nnU-Net")
            labels = case.annotation.labels
            path = folder / "labelsTr" / f"{case.stem}{ENDING}"
            write_label_map(path, values[labels], case.case.spacing_mm, case.case.affine, case.case.qform)
            training, unknown = training + 1, unknown or bool((labels == IGNORE).any())
    if not training:
        raise DataError("no case is annotated, and nnU-Net needs training cases; name an --annotation")
    labels_of = {BACKGROUND: 0} | {names.labels[code]: value_of[code] for code in sorted(names.labels)}
    write_json(
        folder / "dataset.json",
        {
            "channel_names": {str(index): name for index, name in enumerate(names.channels)},
            "labels": labels_of | ({IGNORED: value_of[IGNORE]} if unknown else {}),
            "numTraining": training,
            "file_ending": ENDING,
        },
    )
