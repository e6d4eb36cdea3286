"""Kernels over label maps: present codes, size and bounding box of each region, border voxels."""

import numpy as np
from numpy.typing import NDArray

from lesslabel.kernels.compiled import compiled

Codes = NDArray[np.unsignedinteger]
PRED, REF, BOTH = 0, 1, 2


@compiled
def mark_present(codes: NDArray[np.integer], present: NDArray[np.bool_]) -> None:
    """Set ``present[code]`` for every code of the flat map; codes must be below the length of `present`."""
    for i in range(codes.size):
        present[codes[i]] = True


@compiled
def recode(codes: NDArray[np.integer], index_of: Codes) -> Codes:
    """Return ``index_of[code]`` for every code of the flat map, in the type of `index_of`."""
    indices = np.empty(codes.size, index_of.dtype)
    for i in range(codes.size):
        indices[i] = index_of[codes[i]]
    return indices


@compiled
def measure_regions(pred: Codes, ref: Codes, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Measure every region of two maps in one pass.

    Args:
        pred: (z, y, x) region indices, 0 = no region.
        ref: (z, y, x), the same.
        count: highest region index.

    Returns:
        sizes: (3, count + 1) voxels in `pred`, in `ref` and in both.
        boxes: (2, count + 1, 6) bounding boxes in `pred` and in `ref`: the first z, y, x and the last z, y, x.
    """
    sizes = np.zeros((3, count + 1), np.int64)
    boxes = np.empty((2, count + 1, 6), np.int64)
    boxes[:, :, :3] = np.iinfo(np.int64).max
    boxes[:, :, 3:] = -1
    depth, height, width = pred.shape
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                in_pred, in_ref = pred[z, y, x], ref[z, y, x]
                if in_pred == 0 and in_ref == 0:
                    continue
                sizes[PRED, in_pred] += 1
                sizes[REF, in_ref] += 1
                if in_pred == in_ref:
                    sizes[BOTH, in_pred] += 1
                _extend(boxes[PRED, in_pred], z, y, x)
                _extend(boxes[REF, in_ref], z, y, x)
    return sizes, boxes


@compiled
def _extend(box: NDArray[np.int64], z: int, y: int, x: int) -> None:
    box[0], box[3] = min(box[0], z), max(box[3], z)
    box[1], box[4] = min(box[1], y), max(box[4], y)
    box[2], box[5] = min(box[2], x), max(box[5], x)


@compiled
def border_voxels(regions: Codes, region: int, box: NDArray[np.int64], planar: bool) -> NDArray[np.int32]:
    """List the voxels of a region with a face neighbour outside it; beyond the grid counts as outside.

    Args:
        regions: (z, y, x) region indices.
        region: the region to list.
        box: the bounding box of the region: first z, y, x, last z, y, x.
        planar: true for a 2D map held as one slice, where z has no neighbours.

    Returns:
        (N, 3) int32 voxel indices (z, y, x) in raster order.
    """
    found = 0
    voxels = np.empty((4096, 3), np.int32)
    for z in range(box[0], box[3] + 1):
        for y in range(box[1], box[4] + 1):
            for x in range(box[2], box[5] + 1):
                if regions[z, y, x] != region or _is_inside(regions, region, z, y, x, planar):
                    continue
                if found == len(voxels):
                    voxels = _with_room(voxels)
                voxels[found, 0], voxels[found, 1], voxels[found, 2] = z, y, x
                found += 1
    return voxels[:found]


@compiled
def _is_inside(regions: Codes, region: int, z: int, y: int, x: int, planar: bool) -> bool:
    depth, height, width = regions.shape
    if x == 0 or x == width - 1 or y == 0 or y == height - 1:
        return False
    if regions[z, y, x - 1] != region or regions[z, y, x + 1] != region:
        return False
    if regions[z, y - 1, x] != region or regions[z, y + 1, x] != region:
        return False
    if planar:
        return True
    if z == 0 or z == depth - 1:
        return False
    return bool(regions[z - 1, y, x] == region and regions[z + 1, y, x] == region)


@compiled
def _with_room(voxels: NDArray[np.int32]) -> NDArray[np.int32]:
    larger = np.empty((2 * len(voxels), 3), np.int32)
    larger[: len(voxels)] = voxels
    return larger
