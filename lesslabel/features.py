"""Feature vectors and uncertainty of images, for the ranking by strategies and for references."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lesslabel.data.batch import EvaluationBatch, one_case
from lesslabel.data.case import Box, tile
from lesslabel.data.loading.datasets import EvaluationSet
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.queue import WHOLE_CASE
from lesslabel.disagreement import (
    FurtherColumns,
    disagreement_maps,
    dropout_active,
    entropy_of_classes,
    last_layer_gradients,
    shares_of_classes,
)
from lesslabel.errors import ConfigError
from lesslabel.image_features import FEATURE_LENGTH, ImageFeatures
from lesslabel.losses import hard_label, voxel_entropy
from lesslabel.methods import SegmentationMethod
from lesslabel.methods.inference import predict_volume
from lesslabel.networks import penultimate_maps

Mask = Literal["predicted", "background-softmax"]
Scale = Literal["published", "unit-length"]

__all__ = [
    "FEATURE_GRIDS",
    "FEATURE_LENGTH",
    "ImageFeatures",
    "extract_features",
    "feature_vectors",
    "iterate_features",
]

FEATURE_GRIDS: dict[int, tuple[int, ...]] = {2: (16, 16), 3: (4, 8, 8)}
"""Number of pooling cells along each axis, by dimensions."""


def feature_vectors(
    maps: Tensor, probabilities: Tensor, mask: Mask = "predicted", scale: Scale = "published"
) -> Tensor:
    """Compute the feature of each image.

    From STDR (Wang et al., "Dual-reference source-free active domain adaptation for nasopharyngeal carcinoma tumor
    segmentation across multiple hospitals", IEEE TMI 2024, arXiv:2309.13401; eq. 6-2 of the thesis):
    ``MaxPool(mean over channels of (f ⊗ ŷ)) / N``, flattened, where f is the penultimate map, ŷ the foreground, that is
    every pixel whose most probable class is not background, and N its number of pixels.

    Args:
        maps: B×[D×]H×W, the channel mean of the penultimate map. The mask has one channel, so it commutes with that
            mean.
        probabilities: B×C×[D×]H×W.
        mask: ``predicted`` as published in the paper; ``background-softmax`` as in its public code, which multiplies by
            the probability of background and divides by its mean.
        scale: ``published`` divides by N. The vector of an image with few foreground pixels is then a hundred times
            longer than that of one with many, so distances sort images by the size of the foreground. ``unit-length``,
            which is ours, divides by the Euclidean length of the vector instead: it keeps the position of the
            foreground and the strength of the map there.

    Returns:
        B×256 float32: 16×16 cells in 2D, 4×8×8 in 3D. A row is NaN if the divisor is 0: for ``predicted``, if no
        foreground was predicted.
    """
    if mask == "predicted":
        foreground = hard_label(probabilities) != 0
        masked, divisor = torch.where(foreground, maps, 0.0), foreground.flatten(1).sum(dim=1)
    else:
        background = probabilities[:, 0]
        masked, divisor = maps * background, background.flatten(1).mean(dim=1)
    pool = F.adaptive_max_pool2d if maps.ndim == 3 else F.adaptive_max_pool3d
    pooled = pool(masked[:, None].float(), FEATURE_GRIDS[maps.ndim - 1]).flatten(1)
    if scale == "unit-length":
        divisor = torch.linalg.vector_norm(pooled, dim=1)
    return pooled / divisor[:, None]  # an empty mask gives 0 / 0 = NaN


def iterate_features(
    method: SegmentationMethod,
    data: SegmentationDataModule,
    uids: Sequence[str],
    *,
    mask: Mask = "predicted",
    scale: Scale = "published",
    further: FurtherColumns | None = None,
    patch_voxel: tuple[int, int, int] | None = None,
) -> Iterator[ImageFeatures]:
    """Compute the features of whole cases, case by case, so that memory does not grow with their number.

    Images are processed as in validation: no augmentation, the network in evaluation mode. If the method predicts by
    windows, maps and probabilities are computed in such windows too, side by side without overlap; otherwise for whole
    slices and volumes.

    Args:
        method: with its weights, on the device that computes.
        data: reads the cases and resamples them to the network's grid.
        uids: the cases; results are sorted.
        mask: see `feature_vectors`.
        scale: the same.
        further: columns that cost more; None for none.
        patch_voxel: makes patches the images, as `lesslabel.data.case.tile` cuts a case into boxes of this size
            (z, y, x) in voxels of the store; a patch is cut out of the maps of its case, and in 2D it is the mean over
            its slices.

    Yields:
        The rows of one case.

    Raises:
        ConfigError: if the mask or the scale is unknown, method and data do not fit, or the model has no dropout for
            several predictions.
        DataError: if a case is absent or damaged.
    """
    for name, value, choices in (("mask", mask, get_args(Mask)), ("scale", scale, get_args(Scale))):
        if value not in choices:
            raise ConfigError(f"{name}: {value!r} is not one of {', '.join(map(repr, choices))}")
    method.require_data(data.mapping.names, data.in_channels, data.dimensions)
    # not the loader of the data module, which divides cases among the processes of its trainer
    cases: DataLoader[EvaluationBatch] = DataLoader(
        EvaluationSet(data.loader(), tuple(sorted(set(uids))), reference=None),
        batch_size=None,
        num_workers=min(data.workers, 1),
        collate_fn=one_case,  # type: ignore[arg-type]  # without a batch size it takes one sample
    )
    for case in cases:
        parts = _parts_of(case, _maps_of_case(method, case, further or FurtherColumns()), patch_voxel)
        yield ImageFeatures.join(
            rows if box is None else rows.averaged_to(box)
            for box, images in parts
            for rows in [_rows(case["uid"], images, method, mask, scale, further or FurtherColumns())]
        )


def extract_features(
    method: SegmentationMethod,
    data: SegmentationDataModule,
    uids: Sequence[str],
    *,
    mask: Mask = "predicted",
    scale: Scale = "published",
    further: FurtherColumns | None = None,
    patch_voxel: tuple[int, int, int] | None = None,
) -> ImageFeatures:
    """Compute the features of whole cases and keep them in memory: about one kilobyte per image.

    With several processes of `torch.distributed` each computes every n-th case, and all return the complete result, the
    same as one process would.

    Args:
        method: see `iterate_features`.
        data: the same.
        uids: the cases.
        mask: see `feature_vectors`.
        scale: the same.
        further: the same.
        patch_voxel: the same.
    """
    rank, world = _place_among_processes()
    own = sorted(set(uids))[rank::world]
    rows = iterate_features(method, data, own, mask=mask, scale=scale, further=further, patch_voxel=patch_voxel)
    mine = ImageFeatures.join(rows)
    if world == 1:
        return mine
    shares: list[Any] = [None] * world
    torch.distributed.all_gather_object(shares, mine)
    return ImageFeatures.join(shares)


@torch.no_grad()
def _maps_of_case(method: SegmentationMethod, case: EvaluationBatch, further: FurtherColumns) -> Tensor:
    """Probabilities, the mean map and what else is asked for, as channels (channels, z, y, x) of the network's grid."""
    inference = replace(method.inference, stride_voxel=method.inference.window_voxel)

    def forward(image: Tensor) -> Tensor:
        """Class probabilities, the channel mean of the penultimate map, and what else is asked for, as channels."""
        with penultimate_maps(method) as maps:
            probabilities = method.probabilities(image)
        if not maps:
            raise ConfigError(f"{type(method).__name__} predicts without a U-shaped network: there is no map to read")
        parts = [probabilities, maps[0].float().mean(dim=1, keepdim=True)]
        if further.members:
            parts.append(disagreement_maps(chain([probabilities], (member(image) for member in further.members))))
        elif further.passes:
            with dropout_active(method, f"{further.seed} {case['uid']}"):
                parts.append(disagreement_maps(method.probabilities(image) for _ in range(further.passes)))
        return torch.cat([*parts, maps[0].float()] if further.gradients else parts, dim=1)

    with _in_evaluation(method):
        image = case["image"][0].to(method.device)
        return predict_volume(forward, image, method.shape.dimensions, inference)


def _parts_of(
    case: EvaluationBatch, maps: Tensor, patch_voxel: tuple[int, int, int] | None
) -> Iterator[tuple[Box | None, Tensor]]:
    """The maps of each patch, (channels, z, y, x); those of the whole case where the images are no patches."""
    if patch_voxel is None:
        yield None, maps
        return
    for box in tile(case["native_shape"], patch_voxel):
        yield box, maps[:, *box.on_grid(case["native_shape"], maps.shape[1:]).subvolume]


@torch.no_grad()
def _rows(
    uid: str, part: Tensor, method: SegmentationMethod, mask: Mask, scale: Scale, further: FurtherColumns
) -> ImageFeatures:
    """The rows of the slices of a case or a part of it, in 3D of the volume."""
    images = part.transpose(0, 1) if method.shape.dimensions == 2 else part[None]
    classes = method.num_classes
    probabilities, maps, others = images[:, :classes], images[:, classes], images[:, classes + 1 :]
    largest = probabilities.topk(2, dim=1).values
    volume = maps.ndim == 4
    rows = ImageFeatures(
        uid=np.full(len(maps), uid),
        slice=np.full(1, WHOLE_CASE) if volume else np.arange(len(maps)),
        features=feature_vectors(maps, probabilities, mask, scale).cpu().numpy(),
        foreground_voxel=(hard_label(probabilities) != 0).flatten(1).sum(dim=1).cpu().numpy(),
        entropy=_mean_over_pixels(voxel_entropy(probabilities)),
        margin=_mean_over_pixels(largest[:, 0] - largest[:, 1]),
        least_confidence=_mean_over_pixels(1.0 - largest[:, 0]),
        class_entropy=entropy_of_classes(probabilities).float().cpu().numpy(),
        class_shares=shares_of_classes(probabilities).float().cpu().numpy(),
    )
    if further.compares:
        information, deviation = (_mean_over_pixels(others[:, index]) for index in range(2))
        rows = replace(rows, mutual_information=information, deviation=deviation)
        others = others[:, 2:]
    if further.gradients:
        rows = replace(rows, gradients=last_layer_gradients(probabilities, others).float().cpu().numpy())
    return rows


def _mean_over_pixels(values: Tensor) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = values.flatten(1).mean(dim=1).cpu().numpy()
    return mean


def _place_among_processes() -> tuple[int, int]:
    """Rank of this process and number of processes."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


@contextmanager
def _in_evaluation(module: nn.Module) -> Iterator[None]:
    """Set a module to evaluation mode and afterwards restore the mode of each submodule."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
