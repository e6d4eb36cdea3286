"""Makes one table of colour pictures of seven data sets, on which the click systems of this study are trained.

`python experiments/clicks/pictures.py RAW OUT` reads RAW/pictures/SET/table.csv of five sets of pictures and the HDF5
files of ACDC and of the left atrium, and writes OUT/table.csv for `lesslabel prepare folder`, with the part of each
picture in the column `split`. Grey pictures get their value in all three channels; a volume gives its middle slice.
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image

SETS = ("kvasir", "busi", "isic", "refuge", "jsrt")
VALIDATION_PICTURES, TEST_PICTURES = 5, 8  # of each set; patients, drawn with seed 0

Picture = tuple[str, str, NDArray[np.uint8], NDArray[np.uint8]]  # case, patient, image, label map


def main() -> None:
    """Write the pictures, their label maps and the table."""
    raw, out = Path(sys.argv[1]), Path(sys.argv[2])
    (out / "images").mkdir(parents=True, exist_ok=True)
    (out / "masks").mkdir(exist_ok=True)
    rows = []
    for name in SETS:
        rows += write(name, read_pictures(raw / "pictures" / name), out)
    acdc = sorted(raw.glob("acdc/*/patient*_frame*.h5"))
    rows += write("acdc", (slice_of(path, path.stem.split("_")[0], axis=0) for path in acdc), out)
    atria = sorted(raw.glob("la/*/*/mri_norm2.h5"))
    rows += write("la", (slice_of(path, path.parent.name, axis=2) for path in atria), out)
    with (out / "table.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{out / 'table.csv'}: {len(rows)} pictures")


def read_pictures(folder: Path) -> Iterator[Picture]:
    """The pictures of a set, in colour, in the order of its table."""
    with (folder / "table.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            image = np.asarray(Image.open(folder / row["image"]).convert("RGB"))
            yield Path(row["image"]).stem, row["patient"], image, np.asarray(Image.open(folder / row["label"]))


def slice_of(path: Path, patient: str, axis: int) -> Picture:
    """The middle slice of a volume in eight bits, between the 0.5th and the 99.5th percentile."""
    with h5py.File(path) as file:
        image, label = np.asarray(file["image"]), np.asarray(file["label"])
    middle = image.shape[axis] // 2
    image, label = image.take(middle, axis), label.take(middle, axis)
    low, high = np.percentile(image, [0.5, 99.5])
    grey = np.uint8(np.round(255 * np.clip((image - low) / (high - low), 0, 1)))
    return f"{patient}_{path.stem}" if path.stem == "mri_norm2" else path.stem, patient, np.stack([grey] * 3, -1), label


def write(name: str, pictures: Iterator[Picture], out: Path) -> list[dict[str, str]]:
    """Write the pictures of a set; return their rows of the table, with the part that each is in."""
    rows, seen = [], set()
    for case, patient, image, label in pictures:
        if image.tobytes() in seen:
            print(f"left out, the same image as one before: {name} {case}")
            continue
        seen.add(image.tobytes())
        row = {"image": f"images/{name}_{case}.png", "label": f"masks/{name}_{case}.png"}
        Image.fromarray(image).save(out / row["image"])
        Image.fromarray(label.astype(np.uint8)).save(out / row["label"])
        rows.append({**row, "patient": f"{name}_{patient}"})
    patients = np.random.default_rng(0).permutation(sorted({row["patient"] for row in rows})).tolist()
    test, validation = patients[:TEST_PICTURES], patients[TEST_PICTURES : TEST_PICTURES + VALIDATION_PICTURES]
    parts = dict.fromkeys(patients, "train") | dict.fromkeys(test, "test") | dict.fromkeys(validation, "validation")
    return [{**row, "split": parts[row["patient"]]} for row in rows]


if __name__ == "__main__":
    main()
