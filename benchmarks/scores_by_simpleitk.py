"""Whether the scores of a tested run are those that SimpleITK computes alone, from the NIfTI files of `predict`.

    python benchmarks/scores_by_simpleitk.py runs/dmpls-seed0

Predicts the test part, writes the reference beside it as NIfTI, and computes Dice, HD95 and ASD of every case and label
by SimpleITK from these files. Distances of a label that was not predicted are the diagonal of the image, by the rule of
the tables; a label that the reference lacks is left out. Ends with an error if a value differs in the fifth digit.
`notebooks/scores_checked.ipynb` explains the same step by step.
"""

import argparse
import tempfile
from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import SimpleITK

import lesslabel
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.runs.reading import RunFiles
from lesslabel.runs.reopening import parse_again

METRICS = ("dice", "hd95", "asd")
RULES = {"unit": "mm", "hd95": "pooled", "empty": "diagonal"}
"""Conventions of the metrics that are computed here, the default of `lesslabel test`."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="tested run; its store is the one that its configuration names")
    options = parser.parse_args()
    data, files = parse_again(options.run).parsed.datamodule, RunFiles(options.run)
    other = {name: files.summary[name] for name, value in RULES.items() if files.summary[name] != value}
    if other:
        raise SystemExit(f"{options.run}: tested with {other}; this program knows {RULES}")
    ours = pd.read_csv(files.metrics_file)
    with tempfile.TemporaryDirectory() as temporary:
        checkpoint = str(files.summary["checkpoint"])
        written = lesslabel.predict(options.run, Path(temporary) / "predicted", checkpoint=checkpoint)
        theirs = pd.DataFrame(row for path in written for row in rows_of(path, data))
    both = ours.merge(theirs, on=["uid", "label"], suffixes=("", "_simpleitk"))
    scored = int(ours[list(METRICS)].notna().all(axis=1).sum())
    if len(both) < scored:
        raise SystemExit(f"{options.run}: {scored} rows have scores, {len(both)} were found again")
    for metric in METRICS:
        np.testing.assert_allclose(both[metric], both[f"{metric}_simpleitk"], rtol=1e-5, err_msg=metric)
    mean = both.groupby("uid")["dice_simpleitk"].mean().mean()
    print(f"{options.run}: {len(both)} rows of {both.uid.nunique()} cases agree to five digits; mean Dice {mean:.4f}")


def rows_of(predicted: Path, data: SegmentationDataModule) -> list[dict[str, object]]:
    """The scores of one case, class by class; a class of several labels is written as the first of them."""
    uid = predicted.name.removesuffix(".nii.gz")
    case, image = data.store.read(uid), nib.load(predicted)
    true = predicted.with_name(f"true-{predicted.name}")
    labels = case.annotations[data.view.reference].labels.T.reshape(image.shape)
    nib.save(nib.Nifti1Image(labels, image.affine), true)
    rows = []
    for name, codes in zip(data.mapping.names[1:], data.mapping.codes[1:], strict=True):
        masks = [region(predicted, codes[:1]), region(true, codes)]
        found = [SimpleITK.GetArrayViewFromImage(mask).any() for mask in masks]
        if found[1]:
            rows.append({"uid": uid, "label": name} | (scores(*masks) if found[0] else missed(masks[1])))
    true.unlink()
    return rows


def region(path: Path, codes: Sequence[int]) -> SimpleITK.Image:
    """The labels of a class in a file as a mask with one voxel of background around it."""
    image = SimpleITK.ReadImage(str(path))
    image = image[:, :, 0] if image.GetDimension() == 3 and image.GetSize()[2] == 1 else image
    mask = reduce(SimpleITK.Or, [image == code for code in codes])
    around = [1] * mask.GetDimension()
    return SimpleITK.ConstantPad(mask, around, around)


def scores(predicted: SimpleITK.Image, true: SimpleITK.Image) -> dict[str, float]:
    overlap = SimpleITK.LabelOverlapMeasuresImageFilter()
    overlap.Execute(true, predicted)
    outward, inward = border_distances(predicted, true), border_distances(true, predicted)
    hd95 = float(np.percentile(np.concatenate([outward, inward]), 95))
    return {"dice": overlap.GetDiceCoefficient(), "hd95": hd95, "asd": float(outward.mean())}


def missed(true: SimpleITK.Image) -> dict[str, float]:
    diagonal = float(np.linalg.norm((np.array(true.GetSize()) - 2) * true.GetSpacing()))
    return {"dice": 0.0, "hd95": diagonal, "asd": diagonal}


def border_distances(of: SimpleITK.Image, to: SimpleITK.Image) -> np.ndarray:
    """From every border voxel of one mask to the nearest border voxel of another, in mm."""
    there = SimpleITK.LabelContour(to, fullyConnected=False)
    distance = SimpleITK.Abs(SimpleITK.SignedMaurerDistanceMap(there, squaredDistance=False, useImageSpacing=True))
    here = SimpleITK.GetArrayFromImage(SimpleITK.LabelContour(of, fullyConnected=False)) > 0
    return np.asarray(SimpleITK.GetArrayFromImage(distance)[here])


if __name__ == "__main__":
    main()
