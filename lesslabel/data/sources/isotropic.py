"""Voxels of 1 mm, and the crop around an organ, for sources whose published form is prepared that way."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Box = tuple[slice, slice, slice]

_SPLINE_REACH_VOXEL = 16
"""How far a voxel's influence on a cubic spline is felt: 0.27 to this power is below float32."""


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
        # rounding must not cost the last point
        z, y, x = (
            int((size - 1) * side + 1e-6) + 1
            for size, side in zip(self.native_shape, self.native_spacing_mm, strict=True)
        )
        return z, y, x

    @property
    def whole(self) -> Box:
        """The box that leaves nothing out."""
        z, y, x = (slice(0, size) for size in self.shape)
        return z, y, x

    def nearest(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Bring a label map (z, y, x) to the grid; every point takes the nearest voxel's label, of two the first's."""
        indices = [
            # a spacing that is not quite 2 must not decide which of two voxels is nearer
            np.minimum(np.floor(np.arange(size) / side + 0.5 - 1e-6).astype(np.int64), native - 1)
            for size, side, native in zip(self.shape, self.native_spacing_mm, self.native_shape, strict=True)
        ]
        return labels[np.ix_(*indices)]

    def cubic(self, image: NDArray[np.float32], box: Box) -> NDArray[np.float32]:
        """Bring a box of an image (z, y, x) to the grid by the cubic B-spline through its voxels."""
        start_mm = np.array([part.start for part in box], dtype=np.float64)
        last_mm = np.array([part.stop - 1 for part in box], dtype=np.float64)
        spacing_mm = np.array(self.native_spacing_mm)
        # what lies further away changes nothing, and filtering it takes most of the time
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
        """The affine of a box of the grid: the image's with voxels of 1 mm, moved to the first point of the box."""
        to_native = np.eye(4)
        spacing_xyz_mm = np.array(self.native_spacing_mm[::-1])
        to_native[:3, :3] = np.diag(1.0 / spacing_xyz_mm)
        to_native[:3, 3] = [part.start for part in box[::-1]] / spacing_xyz_mm
        placed: NDArray[np.float64] = native @ to_native
        return placed


def crop_around(mask: NDArray[np.bool_], margin_voxel: int, least_voxel: int) -> Box:
    """The box around what is True.

    Args:
        mask: (z, y, x), not empty.
        margin_voxel: left on every side, as far as the image goes.
        least_voxel: side that the box has at least, where the image is that large; what is missing is added evenly to
            both sides, or to one where the other is at the border.
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
