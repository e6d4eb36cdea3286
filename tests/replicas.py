"""Tiny generated replicas of the public layouts, so that everything can be tested without the data.

Each writer fills a folder and returns what a user would pass as RAW. Slices are not square and voxels not isotropic, so
that a swapped axis is seen.
"""

import csv
import json
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np

from lesslabel.data.case import IGNORE, Case
from lesslabel.data.sources.phantom import Phantom

SPACING_MM = (10.0, 3.25, 3.0)
"""Voxel size (z, y, x) of every replica."""

OBLIQUE_AFFINE = np.array(
    [
        [-2.4, 1.95, 0.0, 80.0],
        [-1.8, -2.6, 0.0, 95.5],
        [0.0, 0.0, 10.0, -40.25],
        [0.0, 0.0, 0.0, 1.0],
    ],
    dtype=np.float32,
).astype(np.float64)
"""Voxel (x, y, z, 1) to RAS+ mm, turned in the plane, with the voxel size above; rounded to what NIfTI-1 holds."""

_MSCMR_SUBJECTS = {"train": (13, 14, 15, 18), "val": (1, 29), "TestSet": (10, 11)}


def hearts(cases: int, seed: int, size: int = 64, depth: int = 6) -> list[Case]:
    """Generated cases of shape (depth, size, size - 8)."""
    phantom = Phantom(cases=cases, seed=seed, size=size, depth=depth)
    return [phantom.read(raw) for raw in phantom.list_cases()]


def acdc_h5(root: Path, patients: int = 4, seed: int = 0) -> Path:
    """ACDC as the scribble benchmark ships it, two frames a patient, with the table of spacings beside."""
    volumes = root / "ACDC_training_volumes"
    volumes.mkdir(parents=True)
    names = _acdc_names(patients)
    for name, case in zip(names, hearts(len(names), seed), strict=True):
        image = case.image[0, :, :, :-8]
        with h5py.File(volumes / f"{name}.h5", "w") as file:
            file["image"] = (image - image.min()) / (image.max() - image.min())
            file["label"] = _codes(case, "dense", np.uint8)
            file["scribble"] = _codes(case, "scribble", np.uint16)
    (root / "acdc_spacing.json").write_text(json.dumps(dict.fromkeys(names, SPACING_MM)))
    return root


def acdc_nifti(root: Path, patients: int = 4, seed: int = 0) -> Path:
    """ACDC as the challenge ships it, scribbles beside the images."""
    names = _acdc_names(patients)
    for name, case in zip(names, hearts(len(names), seed), strict=True):
        folder = root / "training" / name.partition("_")[0]
        write_nifti(folder / f"{name}.nii.gz", _image(case))
        write_nifti(folder / f"{name}_gt.nii.gz", _codes(case, "dense", np.uint8))
        write_nifti(folder / f"{name}_scribble.nii.gz", _codes(case, "scribble", np.uint8))
        (folder / f"{folder.name}_4d.nii.gz").touch()
    return root


def mscmr(root: Path, seed: int = 1) -> Path:
    """MSCMR with scribbles for training and dense labels elsewhere."""
    subjects = [(group, number) for group, numbers in _MSCMR_SUBJECTS.items() for number in numbers]
    for (group, number), case in zip(subjects, hearts(len(subjects), seed, size=80, depth=5), strict=True):
        role, suffix = ("scribble", "scribble") if group == "train" else ("dense", "manual")
        name = f"subject{number}_DE"
        write_nifti(root / group / "images" / f"{name}.nii.gz", _image(case))
        write_nifti(root / group / "labels" / f"{name}_{suffix}.nii.gz", _codes(case, role, np.uint16))
    return root


def folder(root: Path, patients: int = 4, seed: int = 2) -> Path:
    """A user's own CSV with every column; the scribbles' unknown value is 255."""
    rows = []
    for index, case in enumerate(hearts(2 * patients, seed)):
        images, stem = root / "images", f"{case.patient}-{index % 2}"
        write_nifti(images / f"{stem}.nii.gz", _image(case))
        write_nifti(images / f"{stem}-label.nii.gz", _codes(case, "dense", np.uint8))
        write_nifti(images / f"{stem}-scribble.nii.gz", _codes(case, "scribble", np.uint8, unknown=IGNORE))
        rows.append(
            {
                "case": stem,
                "image": f"images/{stem}.nii.gz",
                "label": f"images/{stem}-label.nii.gz",
                "scribble": f"images/{stem}-scribble.nii.gz",
                "patient": case.patient,
                "centre": case.centre,
                "split": "train" if index < patients else "test",
                "modality": "cine-MR",
            }
        )
    table = root / "table.csv"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return table


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray = OBLIQUE_AFFINE) -> Path:
    """Write (z, y, x), or (C, z, y, x), as NIfTI with nibabel alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    axes = (2, 1, 0) if array.ndim == 3 else (3, 2, 1, 0)
    nib.Nifti1Image(array.transpose(axes), affine).to_filename(path)
    return path


def _acdc_names(patients: int) -> list[str]:
    return [f"patient{number:03d}_frame{frame}" for number in range(1, patients + 1) for frame in ("01", "12")]


def _image(case: Case) -> np.ndarray:
    """(z, y, x) int16, as scanners give it."""
    image = case.image[0, :, :, :-8]
    return np.rint(1000.0 * image / image.max()).astype(np.int16)


def _codes(case: Case, role: str, dtype: type, unknown: int = 4) -> np.ndarray:
    labels = case.annotations[role].labels[:, :, :-8].astype(dtype)
    return np.where(labels == IGNORE, dtype(unknown), labels)
