"""Every field of every format at other legal values: read as an independent reader does, or refused by name."""

from pathlib import Path

import changed_meanings
import damaged_files
import nibabel as nib
import numpy as np
import pytest
from changed_meanings import Changed, Meaning, corpus

from lesslabel.data.formats.reading import read_image
from lesslabel.errors import DataError


def outcome(changed: Changed, folder: Path) -> str:
    path = changed.write(folder)
    try:
        image = read_image(path)
    except DataError as error:
        message = str(error)
        named = "\n" not in message and str(folder) in message
        return "refused" if named else f"refused badly: {message}"
    other = changed_meanings.by_another_reader(changed, path)
    if other is None:
        return "read although another reader refuses it"
    read = Meaning(image.array, image.affine)
    if changed.format.startswith("nii"):
        other = Meaning(other.values, nibabel_affine(path))
    if changed.field == "space units":  # which ITK leaves aside: the format says that lengths are in them
        other.affine[:3] *= {"um": 0.001, "mm": 1.0, "m": 1000.0}[changed.value.split('"')[1]]
    if changed_meanings.same_meaning(read, other) or turned(read, other):
        return "right"
    return f"wrong: {read.affine.round(3).tolist()} {other.affine.round(3).tolist()}"


def nibabel_affine(path: Path) -> np.ndarray:
    image = nib.load(path)
    affine = image.affine.copy()
    affine[:3] *= {"meter": 1000.0, "micron": 0.001}.get(image.header.get_xyzt_units()[0], 1.0)
    return affine


def turned(read: Meaning, other: Meaning) -> bool:
    """ITK orders a series from feet to head; here it may run downwards, with the affine that says so."""
    flipped = np.diag([1.0, 1.0, -1.0, 1.0])
    flipped[2, 3] = read.values.shape[1] - 1
    return changed_meanings.same_meaning(Meaning(read.values[:, ::-1], read.affine @ flipped), other)


@pytest.mark.parametrize("name", [name for name in damaged_files.FORMATS if changed_meanings.kind_of(name)])
def test_a_changed_field_is_right_or_refused(name: str, tmp_path: Path) -> None:
    wrong = {}
    for index, changed in enumerate(case for case in corpus() if case.format == name):
        found = outcome(changed, tmp_path / str(index))
        if found not in ("right", "refused"):
            wrong[changed.field, changed.value] = found
    assert not wrong


def test_what_is_refused_names_the_field(tmp_path: Path) -> None:
    for index, (format_, field, value, words) in enumerate(
        [
            ("nii.gz", "xyzt_units", "5", "xyzt_units"),
            ("nrrd", "old min", "3", "'old min'"),
            ("nrrd", "byte skip", "4", "'byte skip'"),
            ("nrrd", "space", "scanner-xyz", "space 'scanner-xyz'"),
            ("mha", "DistanceUnits", "um", "DistanceUnits"),
            ("mha", "ElementToIntensityFunctionSlope", "2", "ElementToIntensityFunctionSlope"),
            ("mha", "BinaryDataByteOrderMSB", "no", "BinaryDataByteOrderMSB"),
        ]
    ):
        with pytest.raises(DataError, match=words):
            read_image(Changed(format_, field, value).write(tmp_path / str(index)))


def test_the_corpus_is_large() -> None:
    assert len(list(corpus())) > 300
