"""Resampling to 1 mm and the crop around an organ, for sources with this published preprocessing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Box = tuple[slice, slice, slice]

_SPLINE_REACH_VOXEL = 16
"""Distance of a voxel's influence on a cubic spline: 0.27 to this power is below the precision of float32."""


@dataclass(frozen=True)
class IsotropicGrid:
    """Points 1 mm apart along the axes of an image, from its first voxel's centre and not beyond its last one's.

    Attributes:
        native_shape: (z, y, x) of the image.
        native_spacing_mm: (z, y, x) of the image.
    """

    native_shape: tuple[int, ...]
    native_spacing_mm: tuple[float, float, float]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x) of the grid."""
        # rounding must not remove the last point
        z, y, x = (
            int((size - 1) * side + 1e-6) + 1
            for size, side in zip(self.native_shape, self.native_spacing_mm, strict=True)
        )
        return z, y, x

    @property
    def whole(self) -> Box:
        """The subvolume of the whole grid."""
        z, y, x = (slice(0, size) for size in self.shape)
        return z, y, x

    def nearest(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resample a label map (z, y, x) to the grid; a point takes the nearest voxel's label, of two the first's."""
        indices = [
            # a spacing that is 2 but for rounding must not decide which of two voxels is nearer
            np.minimum(np.floor(np.arange(size) / side + 0.5 - 1e-6).astype(np.int64), native - 1)
            for size, side, native in zip(self.shape, self.native_spacing_mm, self.native_shape, strict=True)
        ]
        return labels[np.ix_(*indices)]

    def cubic(self, image: NDArray[np.float32], box: Box) -> NDArray[np.float32]:
        """Resample a subvolume of an image (z, y, x) to the grid by the cubic B-spline through its voxels."""
        start_mm = np.array([part.start for part in box], dtype=np.float64)
        last_mm = np.array([part.stop - 1 for part in box], dtype=np.float64)
        spacing_mm = np.array(self.native_spacing_mm)
        # voxels farther away have no effect, and filtering them would take most of the time
        first = np.maximum(np.floor(start_mm / spacing_mm).astype(int) - _SPLINE_REACH_VOXEL, 0)
        end = np.minimum(np.ceil(last_mm / spacing_mm).astype(int) + _SPLINE_REACH_VOXEL + 1, image.shape)
        region = image[tuple(slice(*ends) for ends in zip(first, end, strict=True))]
        values: NDArray[np.float32] = ndimage.affine_transform(
            region,
            1.0 / spacing_mm,
            offset=start_mm / spacing_mm - first,
            output_shape=tuple(part.stop - part.start for part in box),
            output=np.float32,
            order=3,
            mode="mirror",
        )
        return values

    def affine(self, native: NDArray[np.float64], box: Box) -> NDArray[np.float64]:
        """The affine of a subvolume of the grid: the image's with voxels of 1 mm, moved to its first point."""
        to_native = np.eye(4)
        spacing_xyz_mm = np.array(self.native_spacing_mm[::-1])
        to_native[:3, :3] = np.diag(1.0 / spacing_xyz_mm)
        to_native[:3, 3] = [part.start for part in box[::-1]] / spacing_xyz_mm
        placed: NDArray[np.float64] = native @ to_native
        return placed


def crop_around(mask: NDArray[np.bool_], margin_voxel: int, least_voxel: int) -> Box:
    """The bounding subvolume of a mask.

    Args:
        mask: (z, y, x), not empty.
        margin_voxel: margin on every side, within the image.
        least_voxel: least side of the subvolume, if the image is large enough; the difference is added evenly to
            both sides, or to one if the other is at the border.
    """
    z, y, x = (_span(mask, axis, margin_voxel, least_voxel) for axis in range(3))
    return z, y, x


def _span(mask: NDArray[np.bool_], axis: int, margin: int, least: int) -> slice:
    size = mask.shape[axis]
    inside = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
    start, stop = max(int(inside[0]) - margin, 0), min(int(inside[-1]) + 1 + margin, size)
    missing = min(least, size) - (stop - start)
    if missing > 0:
        start = min(max(start - missing // 2, 0), size - (stop - start) - missing)
        stop = start + min(least, size)
    return slice(start, stop)
