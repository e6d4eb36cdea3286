"""Tiny generated replicas of public layouts, as `replicas`: abdomens, brains, kidneys, ultrasound and scribbles in 2D.

Whatever the layout is of, the images are generated hearts, and the labels stripes of them.
"""

import csv
import json
from functools import cache
from pathlib import Path

import numpy as np
import SimpleITK
from PIL import Image
from replicas import CT_AFFINE, OBLIQUE_AFFINE, SPACING_MM, hearts, write_nifti, write_series
from skimage.draw import ellipse_perimeter

from lesslabel.data.case import IGNORE, Case
from lesslabel.data.patient_lists import load_split
from lesslabel.data.sources import BTCV, WORD

PIXEL_MM = 0.15
"""Side of a pixel of the first image of `hc18`; it grows from one to the next."""

_CHAOS_FOLDERS = {"ct": ("CT", [""]), "t1dual": ("MR", ["InPhase", "OutPhase"]), "t2spir": ("MR", [""])}


def word(root: Path, cases: int = 8) -> Path:
    """WORD with all its organs: the last two cases validate and test, the others have scribbles too."""
    parts = ["Tr"] * (cases - 2) + ["Val", "Ts"]
    for number, (part, case) in enumerate(zip(parts, _hearts(cases), strict=True), start=1):
        name = f"word_{number:04d}.nii.gz"
        write_nifti(root / f"images{part}" / name, _hounsfield(case))
        write_nifti(root / f"labels{part}" / name, _stripes(case, "dense", len(WORD.labels)))
        if part == "Tr":
            write_nifti(root / "scribblesTr" / name, _stripes(case, "scribble", len(WORD.labels)))
    return root


def msd_4d(root: Path, cases: int = 8) -> Path:
    """A task of the Decathlon with two modalities, as the prostate's."""
    for number, case in enumerate(_hearts(cases)):
        image = _image(case)
        write_nifti(root / "imagesTr" / f"prostate_{number:02d}.nii.gz", np.stack([image, 1000 - image]))
        write_nifti(root / "labelsTr" / f"prostate_{number:02d}.nii.gz", np.minimum(_codes(case, "dense"), 2))
    description = {"labels": {"0": "background", "1": "PZ", "2": "TZ"}, "modality": {"0": "T2", "1": "ADC"}}
    (root / "dataset.json").write_text(json.dumps(description))
    return root


def brats(root: Path, cases: int = 8) -> Path:
    """BraTS of 2020."""
    for number, case in enumerate(_hearts(cases), start=1):
        name = f"BraTS20_Training_{number:03d}"
        _write_brats(root / "MICCAI_BraTS2020_TrainingData" / name, f"{name}_", ("flair", "t1", "t1ce", "t2"), case, 4)
    return root


def brats_2023(root: Path, cases: int = 8) -> Path:
    """BraTS of 2023, two visits a patient."""
    for number, case in enumerate(_hearts(cases)):
        name = f"BraTS-GLI-{number // 2:05d}-{number % 2:03d}"
        _write_brats(root / name, f"{name}-", ("t2f", "t1n", "t1c", "t2w"), case, 3)
    return root


def btcv(root: Path, cases: int = 8) -> Path:
    """BTCV, all but one from the training part of the published split."""
    parts = load_split("btcv/published_18_12")
    for name, case in zip(sorted([*parts["train"][: cases - 1], parts["test"][0]]), _hearts(cases), strict=True):
        folder, number = root / "RawData" / "Training", name.removeprefix("case")
        write_nifti(folder / "img" / f"img{number}.nii.gz", _hounsfield(case))
        write_nifti(folder / "label" / f"label{number}.nii.gz", _stripes(case, "dense", len(BTCV.labels)))
    return root


def kits(root: Path, cases: int = 8) -> Path:
    """KiTS, stored with slices along the first axis, as its repositories do."""
    affine = OBLIQUE_AFFINE[:, [2, 1, 0, 3]]
    for number, case in enumerate(_hearts(cases)):
        folder = root / "data" / f"case_{number:05d}"
        write_nifti(folder / "imaging.nii.gz", _hounsfield(case).transpose(2, 1, 0), affine)
        write_nifti(folder / "segmentation.nii.gz", _codes(case, "dense").transpose(2, 1, 0), affine)
    return root


def chaos(root: Path, sequence: str = "t2spir", cases: int = 8) -> Path:
    """CHAOS, one sequence; the order of file names is that of the slices from the last to the first."""
    body, phases = _CHAOS_FOLDERS[sequence]
    for number, case in enumerate(_hearts(cases), start=1):
        folder = (
            root / "CHAOS_Train_Sets" / "Train_Sets" / body / str(number) / ("" if body == "CT" else sequence.upper())
        )
        for phase in phases:
            series = write_series(folder / "DICOM_anon" / phase, _hounsfield(case), CT_AFFINE)
            for index, path in enumerate(sorted(series.glob("*.dcm"), reverse=True)):
                path.rename(series / (f"i{index:04d},0000b.dcm" if body == "CT" else f"IMG-0002-{index:05d}.dcm"))
        codes = _codes(case, "dense")[::-1]
        greys = np.uint8(255) * (codes == 3) if body == "CT" else np.uint8(63) * codes
        for index, picture in enumerate(greys):
            name = f"liver_GT_{index:03d}.png" if body == "CT" else f"IMG-0002-{index:05d}.png"
            write_png(folder / "Ground" / name, picture)
    return root


def promise12(root: Path, cases: int = 8, *, with_test: bool = False) -> Path:
    """PROMISE12: MetaImage with voxels beside it; the last may be a test image, of a number that is there already."""
    to_lps = np.diag([-1.0, -1.0, 1.0]) @ OBLIQUE_AFFINE[:3]
    for number, case in enumerate(_hearts(cases)):
        test = with_test and number == cases - 1
        folder, name = (root / "test_data", "Case00") if test else (root / "training_data", f"Case{number:02d}")
        arrays = {name: _hounsfield(case).astype(np.int16)}
        if not test:
            arrays[f"{name}_segmentation"] = (_codes(case, "dense") > 0).astype(np.int8)
        folder.mkdir(parents=True, exist_ok=True)
        for stem, array in arrays.items():
            image = SimpleITK.GetImageFromArray(array)
            image.SetSpacing(SPACING_MM[::-1])
            image.SetDirection((to_lps[:, :3] / SPACING_MM[::-1]).ravel().tolist())
            image.SetOrigin(to_lps[:, 3].tolist())
            SimpleITK.WriteImage(image, folder / f"{stem}.mhd")
    return root


def hc18(root: Path, cases: int = 8) -> Path:
    """HC18: as many training images, two of one examination; the last outline leaves the image."""
    names = ["000_HC", "000_2HC", *(f"{number:03d}_HC" for number in range(1, cases - 1))]
    rows = []
    for number, (name, case) in enumerate(zip(names, _hearts(cases), strict=True)):
        image = _image(case)[0]
        outline = np.zeros(image.shape, np.uint8)
        row = 30 if number < cases - 1 else 8
        outline[ellipse_perimeter(row, 28, 15, 18, shape=outline.shape)] = 255
        write_png(root / "training_set" / f"{name}.png", (np.maximum(image, 0) // 4).astype(np.uint8))
        write_png(root / "training_set" / f"{name}_Annotation.png", outline)
        rows.append((f"{name}.png", PIXEL_MM + 0.01 * number, 100.0))
    with (root / "training_set_pixel_size_and_HC.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("filename", "pixel size(mm)", "head circumference (mm)"))
        writer.writerows(rows)
    return root


def medscribble(root: Path, cases: int = 8) -> Path:
    """MedScribble: two data sets; the second annotator paints over both sides of one voxel."""
    for number, case in enumerate(_hearts(cases)):
        folder = root / ("ACDC", "STARE")[number % 2] / "release" / f"subject{number}_axis0_midslice"
        folder.mkdir(parents=True)
        dense, scribble = _codes(case, "dense")[2], _codes(case, "scribble")[2]
        image = case.image[0, 2, :, :-8]
        np.save(folder / "img.npy", (image - image.min()) / np.ptp(image))
        np.save(folder / "seg.npy", np.where(dense > 0, np.float32(0.9), np.float32(0.2)))
        painted = np.stack([(scribble > 0) & (scribble != IGNORE), scribble == 0]).astype(np.float32)
        for annotator in range(3):
            if annotator == 1:
                painted[:, *np.argwhere(painted[0])[0]] = 1.0
            np.save(folder / f"scribble_{annotator}.npy", painted)
    return root


def kvasir(root: Path, cases: int = 10) -> Path:
    """Polyps: colour pictures of different sizes with masks of 0 and 1, as a table."""
    rows = ["image,label,patient,centre"]
    for number in range(cases):
        y, x = np.indices((36 + number, 44))
        mask = (np.hypot(y - 17, x - 20 - number % 5) < 9).astype(np.uint8)
        noise = np.random.default_rng(number).integers(0, 60, (*mask.shape, 3))
        write_png(root / "images" / f"p{number}.png", (noise + 120 * mask[..., None]).astype(np.uint8))
        write_png(root / "masks" / f"p{number}.png", mask)
        rows.append(f"images/p{number}.png,masks/p{number}.png,p{number},kvasir")
    (root / "table.csv").write_text("\n".join(rows) + "\n")
    return root


def vessels(root: Path, cases: int = 8) -> Path:
    """Colour photographs of vessels in a table with a column for the split, as DRIVE: a trunk and a thin branch."""
    rows = [["image", "label", "patient", "split"]]
    y, x = np.indices((48, 48))
    for number in range(cases):
        vessel = (np.abs(y - 20 - number % 3) <= 3) | ((np.abs(x - 14 - 2 * number) <= 1) & (y > 20))
        noise = np.random.default_rng(number).normal(0, 12, (48, 48, 3))
        picture = np.clip(np.where(vessel[..., None], 90, 180) + noise, 0, 255).astype(np.uint8)
        write_png(root / "images" / f"{number:02d}.png", picture)
        write_png(root / "masks" / f"{number:02d}.png", 255 * vessel.astype(np.uint8))
        part = {0: "test", 1: "validation"}.get(number, "train")
        rows.append([f"images/{number:02d}.png", f"masks/{number:02d}.png", str(number), part])
    table = root / "table.csv"
    table.write_text("".join(",".join(row) + "\n" for row in rows), encoding="utf-8")
    return table


def write_png(path: Path, array: np.ndarray) -> Path:
    """Write (y, x) or (y, x, 3) uint8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


@cache
def _hearts(cases: int) -> tuple[Case, ...]:
    """The same for every layout: they take longer than all else here."""
    return tuple(hearts(cases, seed=6))


def _write_brats(folder: Path, prefix: str, channels: tuple[str, ...], case: Case, enhancing: int) -> None:
    image, dense = _image(case), _codes(case, "dense")
    for number, channel in enumerate(channels, start=1):
        write_nifti(folder / f"{prefix}{channel}.nii.gz", number * image)
    write_nifti(folder / f"{prefix}seg.nii.gz", np.where(dense == 3, np.uint8(enhancing), dense))


def _image(case: Case) -> np.ndarray:
    """(z, y, x) int16, at most 1000."""
    image = case.image[0, :, :, :-8]
    return np.rint(1000.0 * image / image.max()).astype(np.int16)


def _hounsfield(case: Case) -> np.ndarray:
    """(z, y, x) int16, about −200 to 300 HU."""
    return _image(case) // 2 - np.int16(200)


def _codes(case: Case, role: str) -> np.ndarray:
    """(z, y, x) uint8, 1 to 3, unknown 255."""
    return case.annotations[role].labels[:, :, :-8]


def _stripes(case: Case, role: str, labels: int) -> np.ndarray:
    """The heart cut into as many labels as a layout has; background and unknown stay."""
    codes = _codes(case, role)
    stripes = 1 + np.add.outer(np.arange(codes.shape[1]), np.arange(codes.shape[2])) % labels
    return np.where((codes > 0) & (codes != IGNORE), stripes, codes).astype(np.uint8)
