"""The features and the uncertainty of images, one row each."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import Box
from lesslabel.data.queue import PATCH

FEATURE_LENGTH = 256


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """One row per image, sorted by uid, slice and patch. An image is a slice in 2D, a volume in 3D, or a patch.

    Counts and means are over the image's pixels (voxels in 3D) on the network's grid.

    Attributes:
        uid: (N,) the case.
        slice: (N,) int64, z index; `WHOLE_CASE` (−1) for a volume, `PATCH` (−2) for a patch.
        features: (N, 256) float32; a row of NaN for images without a feature, see `feature_vectors`.
        foreground_voxel: (N,) int64, pixels whose predicted class is not background.
        entropy: (N,) float32, mean of −Σ p·ln p, in [0, ln C]; as the following None without a model.
        margin: (N,) float32, mean difference of the two largest probabilities, in [0, 1]; small if uncertain.
        least_confidence: (N,) float32, mean of 1 − the largest probability, in [0, 1).
        class_entropy: (N, C) float32, the entropy by predicted class, see `entropy_of_classes`.
        class_shares: (N, C) float32, the share of the pixels predicted as each class.
        mutual_information: (N,) float32, mean over pixels, see `disagreement_maps`; None without several predictions.
        deviation: (N,) float32, the same.
        gradients: (N, G) float32, see `last_layer_gradients`; None if not asked for.
        patch: (N, 6) int64, corner and size (z, y, x) of each patch in voxels of the store; None for other images.
    """

    uid: NDArray[np.str_]
    slice: NDArray[np.int64]
    features: NDArray[np.float32]
    foreground_voxel: NDArray[np.int64]
    entropy: NDArray[np.float32] | None = None
    margin: NDArray[np.float32] | None = None
    least_confidence: NDArray[np.float32] | None = None
    class_entropy: NDArray[np.float32] | None = None
    class_shares: NDArray[np.float32] | None = None
    mutual_information: NDArray[np.float32] | None = None
    deviation: NDArray[np.float32] | None = None
    gradients: NDArray[np.float32] | None = None
    patch: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.uid)

    @property
    def has_feature(self) -> NDArray[np.bool_]:
        """Which images have a feature: (N,) bool."""
        has_feature: NDArray[np.bool_] = ~np.isnan(self.features[:, 0])
        return has_feature

    @classmethod
    def join(cls, parts: Iterable["ImageFeatures"]) -> "ImageFeatures":
        """Concatenate rows, sorted by uid, slice and patch; a column that a part lacks is None."""
        filled = [part for part in parts if len(part)] or [_no_images()]
        columns = {name: [getattr(part, name) for part in filled] for name in (field.name for field in fields(cls))}
        joined = {name: np.concatenate(each) for name, each in columns.items() if all(one is not None for one in each)}
        patch = joined.get("patch", np.zeros((len(joined["uid"]), 0), np.int64))
        order = np.lexsort((*patch.T[::-1], joined["slice"], joined["uid"]))
        return cls(**{name: column[order] for name, column in joined.items()})

    def take(self, rows: NDArray[np.bool_]) -> "ImageFeatures":
        """The rows of a mask (N,)."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        columns: dict[str, Any] = {name: None if each is None else each[rows] for name, each in given.items()}
        return ImageFeatures(**columns)

    def averaged_to(self, box: Box) -> "ImageFeatures":
        """One row for a patch whose slices the rows are: means, the sum of the foreground; at least one row.

        Args:
            box: the patch.
        """
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        means: dict[str, Any] = {
            name: each.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32)
            for name, each in columns.items()
            if each is not None and name not in ("uid", "slice", "features", "foreground_voxel", "patch")
        }
        seen = self.features[self.has_feature]
        features = seen.mean(axis=0, dtype=np.float64) if len(seen) else np.full(self.features.shape[1], np.nan)
        return replace(
            self,
            **means,
            uid=self.uid[:1],
            slice=np.array([PATCH]),
            features=features[None].astype(np.float32),
            foreground_voxel=self.foreground_voxel.sum(keepdims=True),
            patch=np.array([[*box.corner, *box.size]]),
        )


def _no_images() -> ImageFeatures:
    none, integers = np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.int64)
    features = np.zeros((0, FEATURE_LENGTH), dtype=np.float32)
    return ImageFeatures(np.zeros(0, dtype=np.str_), integers, features, integers, none, none, none)
