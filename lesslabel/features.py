"""Feature vectors and uncertainty of images, for the ranking by strategies and for references."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lesslabel.data.batch import EvaluationBatch, one_case
from lesslabel.data.loading.datasets import EvaluationSet
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.queue import WHOLE_CASE
from lesslabel.disagreement import (
    FurtherColumns,
    disagreement_maps,
    dropout_active,
    entropy_of_classes,
    last_layer_gradients,
)
from lesslabel.errors import ConfigError
from lesslabel.losses import hard_label, voxel_entropy
from lesslabel.methods import SegmentationMethod
from lesslabel.methods.inference import predict_volume
from lesslabel.networks import penultimate_maps

Mask = Literal["predicted", "background-softmax"]
Scale = Literal["published", "unit-length"]

FEATURE_LENGTH = 256
FEATURE_GRIDS: dict[int, tuple[int, ...]] = {2: (16, 16), 3: (4, 8, 8)}
"""Number of pooling cells along each axis, by dimensions."""


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """One row per image, sorted by uid and slice. An image is a slice in 2D, a volume in 3D.

    Counts and means are over the image's pixels (voxels in 3D) on the network's grid.

    Attributes:
        uid: (N,) the case.
        slice: (N,) int64, z index; `WHOLE_CASE` (−1) for a volume.
        features: (N, 256) float32; a row of NaN for images without a feature, see `feature_vectors`.
        foreground_voxel: (N,) int64, pixels whose predicted class is not background.
        entropy: (N,) float32, mean of −Σ p·ln p, in [0, ln C]; as the following None without a model.
        margin: (N,) float32, mean difference of the two largest probabilities, in [0, 1]; small if uncertain.
        least_confidence: (N,) float32, mean of 1 − the largest probability, in [0, 1).
        class_entropy: (N, C) float32, the entropy by predicted class, see `entropy_of_classes`.
        mutual_information: (N,) float32, mean over pixels, see `disagreement_maps`; None without several predictions.
        deviation: (N,) float32, the same.
        gradients: (N, G) float32, see `last_layer_gradients`; None if not asked for.
    """

    uid: NDArray[np.str_]
    slice: NDArray[np.int64]
    features: NDArray[np.float32]
    foreground_voxel: NDArray[np.int64]
    entropy: NDArray[np.float32] | None = None
    margin: NDArray[np.float32] | None = None
    least_confidence: NDArray[np.float32] | None = None
    class_entropy: NDArray[np.float32] | None = None
    mutual_information: NDArray[np.float32] | None = None
    deviation: NDArray[np.float32] | None = None
    gradients: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.uid)

    @property
    def has_feature(self) -> NDArray[np.bool_]:
        """Which images have a feature: (N,) bool."""
        has_feature: NDArray[np.bool_] = ~np.isnan(self.features[:, 0])
        return has_feature

    @classmethod
    def join(cls, parts: Iterable["ImageFeatures"]) -> "ImageFeatures":
        """Concatenate rows, sorted by uid and slice; a column that a part lacks is None."""
        filled = [part for part in parts if len(part)] or [_no_images()]
        columns = {name: [getattr(part, name) for part in filled] for name in (field.name for field in fields(cls))}
        joined = {name: np.concatenate(each) for name, each in columns.items() if all(one is not None for one in each)}
        order = np.lexsort((joined["slice"], joined["uid"]))
        return cls(**{name: column[order] for name, column in joined.items()})

    def take(self, rows: NDArray[np.bool_]) -> "ImageFeatures":
        """The rows of a mask (N,)."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        columns: dict[str, Any] = {name: None if each is None else each[rows] for name, each in given.items()}
        return ImageFeatures(**columns)


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
        yield _features_of_case(method, case, mask, scale, further or FurtherColumns())


def extract_features(
    method: SegmentationMethod,
    data: SegmentationDataModule,
    uids: Sequence[str],
    *,
    mask: Mask = "predicted",
    scale: Scale = "published",
    further: FurtherColumns | None = None,
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
    """
    rank, world = _place_among_processes()
    own = sorted(set(uids))[rank::world]
    mine = ImageFeatures.join(iterate_features(method, data, own, mask=mask, scale=scale, further=further))
    if world == 1:
        return mine
    shares: list[Any] = [None] * world
    torch.distributed.all_gather_object(shares, mine)
    return ImageFeatures.join(shares)


@torch.no_grad()
def _features_of_case(
    method: SegmentationMethod, case: EvaluationBatch, mask: Mask, scale: Scale, further: FurtherColumns
) -> ImageFeatures:
    inference = replace(method.inference, stride_voxel=method.inference.window_voxel)

    def forward(image: Tensor) -> Tensor:
        """Class probabilities, the channel mean of the penultimate map, and what else is asked for, as channels."""
        with penultimate_maps(method) as maps:
            probabilities = method.probabilities(image)
        if not maps:
            raise ConfigError(f"{type(method).__name__} predicts without a U-shaped network: there is no map to read")
        parts = [probabilities, maps[0].float().mean(dim=1, keepdim=True)]
        if further.passes:
            with dropout_active(method, f"{further.seed} {case['uid']}"):
                parts.append(disagreement_maps(method.probabilities, image, further.passes))
        return torch.cat([*parts, maps[0].float()] if further.gradients else parts, dim=1)

    with _in_evaluation(method):
        image = case["image"][0].to(method.device)
        result = predict_volume(forward, image, method.shape.dimensions, inference)
    images = result.transpose(0, 1) if method.shape.dimensions == 2 else result[None]
    return _rows(case["uid"], images, method.num_classes, mask, scale, further)


def _rows(uid: str, images: Tensor, classes: int, mask: Mask, scale: Scale, further: FurtherColumns) -> ImageFeatures:
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
    )
    if further.passes:
        information, deviation = (_mean_over_pixels(others[:, index]) for index in range(2))
        rows = replace(rows, mutual_information=information, deviation=deviation)
        others = others[:, 2:]
    if further.gradients:
        rows = replace(rows, gradients=last_layer_gradients(probabilities, others).float().cpu().numpy())
    return rows


def _mean_over_pixels(values: Tensor) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = values.flatten(1).mean(dim=1).cpu().numpy()
    return mean


def _no_images() -> ImageFeatures:
    none, integers = np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.int64)
    features = np.zeros((0, FEATURE_LENGTH), dtype=np.float32)
    return ImageFeatures(np.zeros(0, dtype=np.str_), integers, features, integers, none, none, none)


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
