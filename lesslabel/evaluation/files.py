"""Score label maps kept as NIfTI, NRRD or MetaImage files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd

from lesslabel.data.formats.endings import has_ending, without_ending
from lesslabel.data.formats.grid import lay_on
from lesslabel.data.formats.nifti import NiftiVolume
from lesslabel.data.formats.reading import has_segments, read_label_map
from lesslabel.data.mask_values import require_known_label
from lesslabel.errors import ConfigError, DataError
from lesslabel.evaluation.metrics import EmptyPolicy, HD95Convention, segmentation_metrics
from lesslabel.plain_text import composed

DistanceUnit = Literal["mm", "voxel"]
SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
_SPACING_TOLERANCE = 0.01
"""Relative difference between voxel size and affine that passes, as in `lesslabel verify`."""


def evaluate_files(
    pred: str | Path,
    ref: str | Path,
    *,
    labels: Sequence[int] | Mapping[int, str] | None = None,
    unit: DistanceUnit = "mm",
    hd95: HD95Convention = "pooled",
    empty: EmptyPolicy = "diagonal",
    nsd_tolerance: float = 1.0,
) -> pd.DataFrame:
    """Score one label map against another, or a folder against a folder.

    Two folders are matched by file name, the ending (`SUFFIXES`) left off. A prediction whose axes lie in another order
    or direction on the reference's grid is turned, voxel by voxel. A file of one slice, along whichever axis, is scored
    in 2D.

    Args:
        pred: label map or folder of label maps to score.
        ref: reference label map or folder.
        labels: as in `segmentation_metrics`.
        unit: ``"mm"`` takes the voxel size from the reference's header, ``"voxel"`` counts voxels.
        hd95: as in `segmentation_metrics`.
        empty: as in `segmentation_metrics`.
        nsd_tolerance: in `unit`.

    Returns:
        The rows of `segmentation_metrics` for every case in the order of their names, with a first column ``case``: the
        reference's file name without ending.

    Raises:
        DataError: if a file is missing, has no counterpart, is no label map, or lies on another grid than its
            reference, a reference has unknown voxels and knows nothing but background, or no file has a label.
        ConfigError: if an option has no such value.
    """
    if unit not in get_args(DistanceUnit):
        raise ConfigError(f"unit: {unit!r} is no unit; choose one of {', '.join(get_args(DistanceUnit))}")
    tables = []
    for case, (pred_file, ref_file) in _matched_files(Path(pred), Path(ref)).items():
        ref_volume = _read(ref_file)
        if unit == "mm":
            _require_spacing(ref_volume)
        pred_volume = lay_on(ref_volume, _read(pred_file))
        require_known_label(ref_volume.array, ref_file)
        try:
            table = segmentation_metrics(
                pred_volume.array,
                ref_volume.array,
                spacing=ref_volume.spacing_mm if unit == "mm" else None,
                labels=labels,
                hd95=hd95,
                empty=empty,
                nsd_tolerance=nsd_tolerance,
            )
        except DataError as error:
            raise DataError(f"{pred_file} against {ref_file}: {error}") from error
        table.insert(0, "case", case)
        tables.append(table)
    scores = pd.concat(tables, ignore_index=True)
    if scores.empty:
        raise DataError(f"{pred} and {ref}: no label in any file, so there is nothing to score; name other files")
    return scores


def _matched_files(pred: Path, ref: Path) -> dict[str, tuple[Path, Path]]:
    """Return case → (prediction, reference), ordered by case."""
    for path, role in ((pred, "PRED"), (ref, "REF")):
        if not path.exists():
            raise DataError(f"{path}: no such file or folder; pass {role} as a NIfTI file or a folder of them")
    if pred.is_dir() != ref.is_dir():
        raise DataError(f"{pred} and {ref}: one is a file, the other a folder; pass two files or two folders")
    if ref.is_file():
        return {_case_name(ref): (pred, ref)}
    predictions, references = _label_map_files(pred), _label_map_files(ref)
    missing, extra = sorted(references.keys() - predictions.keys()), sorted(predictions.keys() - references.keys())
    problems = []
    if missing:
        problems.append(f"no prediction in {pred} for {', '.join(missing)}")
    if extra:
        problems.append(f"no reference in {ref} for {', '.join(extra)}")
    if problems:
        raise DataError(f"{'; '.join(problems)}; the two folders must hold files of the same names")
    return {case: (predictions[case], references[case]) for case in sorted(references)}


def _label_map_files(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if not has_ending(path, SUFFIXES) or path.name.startswith("."):
            continue
        case = _case_name(path)
        if case in files:
            raise DataError(f"{path}: {files[case].name} is the same case; keep one of them")
        files[case] = path
    if not files:
        raise DataError(f"{folder}: holds no .nii or .nii.gz file; pass the folder of the label maps")
    return files


def _case_name(path: Path) -> str:
    return composed(without_ending(path.name, SUFFIXES))


def _read(path: Path) -> NiftiVolume:
    if has_segments(path):
        raise DataError(f"{path}: a file of named segments is not scored; save it as a label map, .nii.gz or .nrrd")
    return read_label_map(path)


def _require_spacing(volume: NiftiVolume) -> None:
    """Refuse a header that states two voxel sizes: distances in mm would be those of one of them."""
    sides_mm = np.linalg.norm(volume.affine[:3, :3], axis=0)[::-1]
    if not np.allclose(sides_mm, volume.spacing_mm, rtol=_SPACING_TOLERANCE, atol=0.0):
        stated, placed = (" × ".join(f"{side:.4g}" for side in sides) for sides in (volume.spacing_mm, sides_mm))
        raise DataError(
            f"{volume.path}: voxel size (z, y, x) is {stated} mm by pixdim and {placed} mm by the affine; correct the "
            "header, or pass --unit voxel"
        )
