"""Tiny generated replicas of the public layouts, so that everything can be tested without the data.

Each writer fills a folder and returns what a user would pass as RAW. Slices are not square and voxels not isotropic, so
that a swapped axis is seen.
"""

import csv
import json
import locale
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import SimpleITK

from lesslabel.data.case import IGNORE, Case
from lesslabel.data.patient_lists import load_split
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

CT_AFFINE = (OBLIQUE_AFFINE @ np.diag([0.2, 0.2, 0.2, 1.0])).astype(np.float32).astype(np.float64)
"""The same with the voxels of a CT: 2 mm in z, 0.65 in y, 0.6 in x."""

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


def la_h5(root: Path, cases: int = 8, seed: int = 3) -> Path:
    """LA as the semi-supervised field ships it, (x, y, z): the first training volumes and one for testing."""
    for name, case in zip(_names("la/published_80_20", cases), hearts(cases, seed), strict=True):
        path = root / "2018LA_Seg_Training Set" / name / "mri_norm2.h5"
        path.parent.mkdir(parents=True)
        image = case.image[0, :, :, :-8]
        with h5py.File(path, "w") as file:
            file["image"] = ((image - image.mean()) / image.std()).T
            file["label"] = (_codes(case, "dense", np.uint8) == 3).astype(np.uint8).T
    return root


def la_nrrd(root: Path, cases: int = 8, seed: int = 3) -> Path:
    """LA as the challenge ships it; so small that the published crop leaves it whole."""
    for name, case in zip(_names("la/published_80_20", cases), hearts(cases, seed), strict=True):
        write_nrrd(root / name / "lgemri.nrrd", _image(case))
        write_nrrd(root / name / "laendo.nrrd", np.uint8(255) * (_codes(case, "dense", np.uint8) == 3))
    return root


def msd(root: Path, cases: int = 8, seed: int = 4, described: bool = True) -> Path:
    """A task of the Decathlon with two labels, its archive made on a Mac."""
    for name, case in zip(_names("hippocampus/random_160_16_32", cases), hearts(cases, seed), strict=True):
        dense = _codes(case, "dense", np.uint8)
        write_nifti(root / "imagesTr" / f"{name}.nii.gz", _image(case))
        write_nifti(root / "labelsTr" / f"{name}.nii.gz", np.where(dense == 3, np.uint8(0), dense))
        (root / "imagesTr" / f"._{name}.nii.gz").touch()
    if described:
        labels = {"0": "background", "1": "Anterior", "2": "Posterior"}
        (root / "dataset.json").write_text(json.dumps({"labels": labels, "modality": {"0": "MRI"}}))
    return root


def pancreas_dicom(root: Path, cases: int = 8, seed: int = 5) -> Path:
    """Pancreas-CT as the archive ships it, a folder of slices a case; so small that the crop leaves it whole."""
    for name, case in zip(_names("pancreas/published_62_18", cases), hearts(cases, seed), strict=True):
        write_series(root / "Pancreas-CT" / name / "study" / "series", _hounsfield(case), CT_AFFINE)
        write_nifti(root / "labels" / f"label{name[-4:]}.nii.gz", _organ(case), CT_AFFINE)
    return root


def pancreas_nifti(root: Path, cases: int = 8, seed: int = 5) -> Path:
    """The same, converted."""
    for name, case in zip(_names("pancreas/published_62_18", cases), hearts(cases, seed), strict=True):
        write_nifti(root / f"{name}.nii.gz", _hounsfield(case), CT_AFFINE)
        write_nifti(root / f"label{name[-4:]}.nii.gz", _organ(case), CT_AFFINE)
    return root


def npc(root: Path, patients: int = 4, seed: int = 5) -> Path:
    """Tumours of two hospitals: SCH by patient, each by three raters; SMU by kind of file, with one label map."""
    for index, case in enumerate(hearts(2 * patients, seed)):
        tumour = (_codes(case, "dense", np.uint8) == 3).astype(np.uint8)
        number = f"{index // 2 + 1:03d}"
        if index % 2:
            write_nifti(root / "SMU" / "images" / f"{number}.nii.gz", _image(case))
            write_nifti(root / "SMU" / "labels" / f"{number}.nii.gz", tumour)
            continue
        write_nifti(root / "SCH" / number / "image.nii.gz", _image(case))
        for rater in (1, 2, 3):
            write_nifti(root / "SCH" / number / f"label_{rater}.nii.gz", np.roll(tumour, rater, axis=2))
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
                "split": "train" if index // 2 < (patients + 1) // 2 else "test",
                "modality": "cine-MR",
            }
        )
    table = root / "table.csv"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return table


def nnunet(root: Path, cases: int = 8, seed: int = 6) -> Path:
    """A data set of nnU-Net, version 2: the last quarter of the cases is for testing."""
    for index, case in enumerate(hearts(cases, seed)):
        part = "Tr" if index < cases - cases // 4 else "Ts"
        write_nifti(root / f"images{part}" / f"heart_{index:03d}_0000.nii.gz", _image(case))
        write_nifti(root / f"labels{part}" / f"heart_{index:03d}.nii.gz", _codes(case, "dense", np.uint8))
    labels = {"background": 0, "RV": 1, "Myo": 2, "LV": 3}
    description = {
        "channel_names": {"0": "MRI"},
        "labels": labels,
        "numTraining": cases - cases // 4,
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(description))
    return root


def datalist(root: Path, cases: int = 8, seed: int = 6) -> Path:
    """A data list of MONAI with folds, over the files of `nnunet`; every case is listed for training."""
    nnunet(root, cases, seed)
    training = [
        {
            "image": str(image.relative_to(root)),
            "label": str(image.relative_to(root)).replace("images", "labels").replace("_0000", ""),
            "fold": index % 4,
        }
        for index, image in enumerate(sorted(root.glob("images*/*.nii.gz")))
    ]
    labels = {"0": "background", "1": "RV", "2": "Myo", "3": "LV"}
    path = root / "datalist.json"
    path.write_text(json.dumps({"labels": labels, "modality": {"0": "MRI"}, "training": training}))
    return path


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray = OBLIQUE_AFFINE) -> Path:
    """Write (z, y, x), or (C, z, y, x), as NIfTI with nibabel alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    axes = (2, 1, 0) if array.ndim == 3 else (3, 2, 1, 0)
    nib.Nifti1Image(array.transpose(axes), affine).to_filename(path)
    return path


def write_nrrd(path: Path, array: np.ndarray, affine: np.ndarray = OBLIQUE_AFFINE) -> Path:
    """Write (z, y, x) as NRRD with SimpleITK alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    to_lps = np.diag([-1.0, -1.0, 1.0]) @ affine[:3]
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(SPACING_MM[::-1])
    image.SetDirection((to_lps[:, :3] / SPACING_MM[::-1]).ravel().tolist())
    image.SetOrigin(to_lps[:, 3].tolist())
    SimpleITK.WriteImage(image, path)
    return path


def write_series(folder: Path, array: np.ndarray, affine: np.ndarray = OBLIQUE_AFFINE) -> Path:
    """Write (z, y, x) int16 as DICOM with SimpleITK alone, a slice a file, numbered from 1."""
    folder.mkdir(parents=True, exist_ok=True)
    axes = np.diag([-1.0, -1.0, 1.0]) @ affine[:3]
    spacing_mm = np.linalg.norm(axes[:, :3], axis=0)
    writer = SimpleITK.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for index, values in enumerate(array):
        image = SimpleITK.GetImageFromArray(values)
        image.SetSpacing(spacing_mm[:2].tolist())
        tags = {
            "0008|0016": "1.2.840.10008.5.1.4.1.1.2",
            "0008|0018": f"1.2.3.{index + 1}",
            "0008|0060": "CT",
            "0020|000e": "1.2.3",
            "0020|0013": str(index + 1),
            "0020|0032": _decimals(axes @ [0, 0, index, 1]),
            "0020|0037": _decimals((axes[:, :2] / spacing_mm[:2]).T.ravel()),
            "0028|1052": "-1024",
            "0028|1053": "1",
        }
        for tag, text in tags.items():
            image.SetMetaData(tag, text)
        writer.SetFileName(str(folder / f"1-{index + 1:03d}.dcm"))
        with locale_kept():
            writer.Execute(image)
    return folder


@contextmanager
def locale_kept() -> Iterator[None]:
    """Undo what ITK does when it writes DICOM: it leaves the process in the locale C, in which text files are ASCII."""
    before = locale.setlocale(locale.LC_ALL)
    try:
        yield
    finally:
        locale.setlocale(locale.LC_ALL, before)


def _names(split: str, cases: int) -> list[str]:
    """Patients of a committed split, all but one from its training part."""
    parts = load_split(split)
    return sorted([*parts["train"][: cases - 1], parts["test"][0]])


def _acdc_names(patients: int) -> list[str]:
    return [f"patient{number:03d}_frame{frame}" for number in range(1, patients + 1) for frame in ("01", "12")]


def _image(case: Case) -> np.ndarray:
    """(z, y, x) int16, as scanners give it."""
    image = case.image[0, :, :, :-8]
    return np.rint(1000.0 * image / image.max()).astype(np.int16)


def _hounsfield(case: Case) -> np.ndarray:
    """(z, y, x) int16, −200 to 300 HU."""
    return _image(case) // 2 - np.int16(200)


def _organ(case: Case) -> np.ndarray:
    return (_codes(case, "dense", np.uint8) == 3).astype(np.uint8)


def _decimals(values: np.ndarray) -> str:
    return "\\".join(f"{value:.10g}" for value in values)


def _codes(case: Case, role: str, dtype: type, unknown: int = 4) -> np.ndarray:
    labels = case.annotations[role].labels[:, :, :-8].astype(dtype)
    return np.where(labels == IGNORE, dtype(unknown), labels)
