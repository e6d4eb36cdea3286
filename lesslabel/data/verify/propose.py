"""Propose a configuration for a store, with the reason for every value, for the user to edit.

The rules follow those of nnU-Net (Isensee et al., Nature Methods 2021) in a simpler form: the median spacing, a patch
as large as a budget of voxels allows in the proportions of the median shape, and for CT the window of the labelled
voxels. The budgets are ours.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE, Kind
from lesslabel.data.geometry import scanner_axes, usual_axis_codes
from lesslabel.data.store import CaseRecord, Store
from lesslabel.data.verify.propose_labels import choose_labels
from lesslabel.errors import ConfigError
from lesslabel.files import write_text

_THICK = 3.0
"""Ratio of slice distance to pixel size from which a 2D network is proposed."""
_FEWEST_SLICES = 16
_LARGEST_SLICE = 512
_PATCH_VOXELS = 96**3
_SMALL_BATCH, _LARGE_BATCH = 8, 24
_SLICE_VOXELS = _LARGE_BATCH * 256**2
"""Pixels per batch."""
_WIDTHS = (16, 32, 64, 128, 256)
_COARSEST = 4
"""Least side of the coarsest map."""
_CASES = 40
_SAMPLE = 50_000
_WINDOW_PERCENT = (0.5, 99.5)
_AIR_HU = -500.0
_SHOWN = 5
_SPREAD = 0.01
"""Relative difference of spacings that counts as none."""


@dataclass(frozen=True)
class _Shape:
    """The preprocessing, as lines of YAML."""

    model: tuple[str, ...]
    data: tuple[str, ...]


def propose_config(store: Store, path: Path, annotation: str | None = None) -> str:
    """Write a configuration that `lesslabel fit` can run unchanged.

    Args:
        store: the store.
        path: the YAML file; it must not exist.
        annotation: what to learn from, such as what was drawn in the page; by default ``dense`` or what most have.

    Returns:
        What was written.

    Raises:
        ConfigError: if the file exists, or there is no supervision or no reference; of a named annotation, if no
            case has it.
    """
    if path.exists():
        raise ConfigError(f"{path}: exists already; choose another name")
    records = list(store.records.values())
    labels = choose_labels(store, annotation)
    training = [store.records[uid] for uid in labels.divided.cases["train"]]
    _require_one_plane(store, training)
    shape = _propose_shape(training, lone_slices=labels.lone_slices, few=labels.few)
    method = "Supervised" if labels.kind is Kind.DENSE else "PartialCrossEntropy"
    reference = "" if labels.reference == "dense" else f", reference: {json.dumps(labels.reference)}"
    lines = [
        f"# Proposed from {len(records)} cases of {len({record.patient for record in records})} patients; edit it.",
        f"name: {method}",
        "model:",
        f"  class_path: lesslabel.methods.{method}",
        "  init_args:",
        f"    num_classes: {len(store.labels) + 1}   # background and the labels of the store",
        f"    in_channels: {len(store.channels)}",
        *shape.model,
        "data:",
        "  class_path: lesslabel.data.SegmentationDataModule",
        "  init_args:",
        f"    store: {json.dumps(str(store.path))}",
        f"    split: {labels.split}",
        f"    view: {{supervision: [{{annotation: {json.dumps(labels.annotation)}}}]{reference}}}",
        *shape.data,
        _propose_intensity(store, training, labels.annotation),
        *_propose_augmentation(store),
        *_propose_length(few=labels.few),
    ]
    text = "\n".join([*lines, ""])
    write_text(path, text)
    return text


def _require_one_plane(store: Store, records: Sequence[CaseRecord]) -> None:
    """Refuse cases with different axes: a median of slice distances and pixel sizes has no meaning."""
    axes = {record.uid: tuple(map(scanner_axes, store.axis_codes(record.uid))) for record in records}
    known = {uid: possible for uid, possible in axes.items() if possible}
    usual = usual_axis_codes(list(known.values())) if known else ""
    if others := [uid for uid, possible in known.items() if usual not in possible]:
        shown = ", ".join(others[:_SHOWN]) + (" …" if len(others) > _SHOWN else "")
        raise ConfigError(
            f"{store.path}: the axes of {len(others)} training cases ({shown}) run otherwise than those of the other "
            f"{len(known) - len(others)}, and a median of both fits neither; bring all images to one orientation "
            "(nibabel.as_closest_canonical) and prepare them again, or propose for a store of one group"
        )


def _propose_length(*, few: bool) -> tuple[str, ...]:
    """A first model from few labels is a matter of minutes; more steps would only learn them by heart."""
    epoch, steps, why = (50, 400, "few labels are learnt in minutes") if few else (250, 10000, "hours without a GPU")
    return (
        f"    steps_per_epoch: {epoch}   # iterations between two checkpoints",
        "trainer:",
        f"  max_steps: {steps}   # iterations: {why}",
    )


def _propose_shape(records: Sequence[CaseRecord], *, lone_slices: bool = False, few: bool = False) -> _Shape:
    spacings_mm = np.array([record.spacing_mm for record in records])
    shapes = np.array([(record.depth, record.height, record.width) for record in records])
    spacing_mm = np.median(spacings_mm, axis=0)
    thick = spacing_mm[0] / spacing_mm[1:].min()
    depth = float(np.median(shapes[:, 0]))
    if lone_slices:
        return _propose_slices(np.median(shapes[:, 1:], axis=0), "most slices of a volume are not annotated", few=few)
    if thick >= _THICK or depth < _FEWEST_SLICES:
        reason = f"{depth:g} slices {thick:.1f} times as thick as a pixel is wide"
        return _propose_slices(np.median(shapes[:, 1:], axis=0), reason, few=few)
    at_spacing = np.median(shapes * spacings_mm / spacing_mm, axis=0)
    varies = float((np.ptp(spacings_mm, axis=0) / spacing_mm).max()) > _SPREAD
    return _propose_volumes(at_spacing, spacing_mm if varies else None)


def _propose_slices(size: NDArray[np.float64], reason: str, *, few: bool) -> _Shape:
    shrunk = size * min(1.0, _LARGEST_SLICE / size.max())
    height, width = (max(32 * round(side / 32), 32) for side in shrunk)
    batch = max(2, min(_SMALL_BATCH if few else _LARGE_BATCH, _SLICE_VOXELS // (height * width)))
    return _Shape(
        model=_network(2, _count_levels((height, width))),
        data=(
            f"    dimensions: 2   # {reason}",
            f"    size_voxel: [{height}, {width}]   # the median, to multiples of 32, at most {_LARGEST_SLICE}",
            f"    batch_size: {batch}   # {'the annotated slices are few' if few else 'at most 24 slices of 256×256'}",
        ),
    )


def _propose_volumes(shape: NDArray[np.float64], spacing_mm: NDArray[np.float64] | None) -> _Shape:
    patch = np.maximum(8 * np.ceil(shape / 8), 8).astype(np.int64)
    while patch.prod() > _PATCH_VOXELS:
        patch[np.argmax(np.where(patch > 8, patch / shape, 0.0))] -= 8
    levels = _count_levels(patch.tolist())
    patch = np.maximum(patch // 2 ** (levels - 1), 1) * 2 ** (levels - 1)
    stride = np.maximum(patch // 2, 1).tolist()
    resampled = []
    if spacing_mm is not None:
        sides = ", ".join(f"{side:.4g}" for side in spacing_mm)
        resampled = [f"    spacing_mm: [{sides}]   # the median, z, y, x"]
    return _Shape(
        model=(
            *_network(3, levels),
            "        normalisation: instance   # batches are small",
            f"    inference: {{window_voxel: {patch.tolist()}, stride_voxel: {stride}, slices_at_once: 2}}",
        ),
        data=(
            "    dimensions: 3",
            *resampled,
            f"    patch_voxel: {patch.tolist()}   # z, y, x: at most {_PATCH_VOXELS} voxels, as the images are shaped",
            "    batch_size: 2   # patches are large",
        ),
    )


def _network(dimensions: int, levels: int) -> tuple[str, ...]:
    return (
        "    network:",
        "      class_path: lesslabel.networks.UNet",
        "      init_args:",
        f"        dimensions: {dimensions}",
        f"        channels: {list(_WIDTHS[:levels])}   # the coarsest map is at least {_COARSEST} wide",
    )


def _count_levels(sides: Sequence[int]) -> int:
    return max(2, min(len(_WIDTHS), int(math.log2(max(min(sides), 1) / _COARSEST)) + 1))


def _propose_intensity(store: Store, records: Sequence[CaseRecord], annotation: str) -> str:
    lowest = min(entry["quantiles_0.5_50_99.5"][0] for entry in store.fingerprint["intensity"].values())
    is_ct = all(record.modality.upper() == "CT" for record in records) or lowest <= _AIR_HU
    if not is_ct:
        return "    intensity: {name: zscore}   # scales differ from scanner to scanner"
    low, high = _measure_window(store, records, annotation)
    percent = " and ".join(f"{percent:g} %" for percent in _WINDOW_PERCENT)
    return f"    intensity: {{name: window, window: [{low}, {high}]}}   # HU: {percent} of the labelled voxels"


def _propose_augmentation(store: Store) -> list[str]:
    names = {name.lower() for name in store.labels.values()}
    if any("left" in name and name.replace("left", "right") in names for name in names):
        return ["    augmentation: {turn_flip_probability: 0.0}   # a flip would swap left and right"]
    return []


def _measure_window(store: Store, records: Sequence[CaseRecord], annotation: str) -> tuple[int, int]:
    """Percentiles of the intensity of labelled voxels, rounded to tens, over evenly chosen cases."""
    labelled = [record.uid for record in records if annotation in record.annotation_names]
    values = []
    for uid in labelled[:: max(1, math.ceil(len(labelled) / _CASES))]:
        case = store.read(uid)
        labels = case.annotations[annotation].labels
        inside = case.image[:, (labels != 0) & (labels != IGNORE)].ravel()
        values.append(inside[:: max(1, inside.size // _SAMPLE)])
    gathered = np.concatenate(values)
    if not gathered.size:
        raise ConfigError(f"{store.path}: '{annotation}' holds no label; the window of a CT cannot be proposed")
    low, high = np.percentile(gathered, _WINDOW_PERCENT)
    return 10 * math.floor(low / 10), 10 * math.ceil(high / 10 + 1e-9)
