"""Score label maps kept as NIfTI files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from lesslabel.data.formats.nifti import NiftiVolume, read_label_map, require_same_grid
from lesslabel.data.mask_values import require_known_label
from lesslabel.errors import ConfigError, DataError
from lesslabel.evaluation.metrics import EmptyPolicy, HD95Convention, segmentation_metrics

Unit = Literal["mm", "voxel"]
SUFFIXES = (".nii.gz", ".nii")


def evaluate_files(
    pred: str | Path,
    ref: str | Path,
    *,
    labels: Sequence[int] | Mapping[int, str] | None = None,
    unit: Unit = "mm",
    hd95: HD95Convention = "pooled",
    empty: EmptyPolicy = "diagonal",
    nsd_tolerance: float = 1.0,
) -> pd.DataFrame:
    """Score one NIfTI file against another, or a folder against a folder.

    Two folders are matched by file name, ``.nii`` or ``.nii.gz`` left off. A file of one slice, along whichever axis,
    is scored in 2D.

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
            reference, or a reference has unknown voxels and knows nothing but background.
        ConfigError: if an option has no such value.
    """
    if unit not in get_args(Unit):
        raise ConfigError(f"unit: {unit!r} is no unit; choose one of {', '.join(get_args(Unit))}")
    tables = []
    for case, (pred_file, ref_file) in _matched_files(Path(pred), Path(ref)).items():
        pred_volume, ref_volume = read_label_map(pred_file), read_label_map(ref_file)
        _require_same_grid(pred_volume, ref_volume)
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
    return pd.concat(tables, ignore_index=True)


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
        if not path.name.endswith(SUFFIXES) or path.name.startswith("."):
            continue
        case = _case_name(path)
        if case in files:
            raise DataError(f"{path}: {files[case].name} is the same case; keep one of them")
        files[case] = path
    if not files:
        raise DataError(f"{folder}: holds no .nii or .nii.gz file; pass the folder of the label maps")
    return files


def _case_name(path: Path) -> str:
    suffix = next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), "")
    return path.name.removesuffix(suffix)


def _require_same_grid(pred: NiftiVolume, ref: NiftiVolume) -> None:
    """Check shape and corners; corners may lie apart as far as in `prepare` and `import`."""
    if pred.array.shape != ref.array.shape:
        raise DataError(
            f"{pred.path}: shape (z, y, x) is {pred.array.shape}, that of {ref.path} {ref.array.shape}; "
            "resample the prediction to the reference's grid"
        )
    require_same_grid(ref, pred)
