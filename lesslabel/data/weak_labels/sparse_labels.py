"""Make scribbles, points and boxes on one slice from its dense labels."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from lesslabel.data.case import IGNORE
from lesslabel.data.weak_labels.scribbles import scribble_from_labels
from lesslabel.errors import ConfigError

SparseKind = Literal["scribble", "points", "box"]
Style = Literal["skeleton", "loop"]
Mask = NDArray[np.bool_]
Plane = NDArray[np.uint8]

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)
_NEIGHBOURS_WITHIN_VOXEL = 1.5  # 1 over edges, √2 over corners
_CENTRAL = 0.5
"""Share of the largest depth of a component from which a voxel counts as central."""


@dataclass(frozen=True)
class SparseLabelSettings:
    """Settings of sparse labels made from dense ones.

    A part is a connected component of one label, or of the background, in a slice.

    Attributes:
        kind: ``scribble`` (strokes), ``points``, or ``box`` (boxes around the parts of every label).
        style: of strokes. ``skeleton`` follows the middle line of every part, as the scribbles of WORD do (Luo et al.,
            "WORD: A large scale dataset, benchmark and clinical applicable study for abdominal organ segmentation from
            CT image", Medical Image Analysis 2022). ``loop`` draws rings inside the labels and loops around all of
            them, as people did on ACDC (`lesslabel.data.weak_labels.scribbles`).
        slices: share of the axial slices of a case that are annotated, in (0, 1].
        length: share of a middle line that a stroke keeps, in (0, 1].
        points: number of points in each part.
        thickness_voxel: width of strokes and points.
        minimum_area_voxel: smaller parts are not annotated.

    Raises:
        ConfigError: if a value is out of its range.
    """

    kind: SparseKind = "scribble"
    style: Style = "skeleton"
    slices: float = 1.0
    length: float = 0.8
    points: int = 1
    thickness_voxel: int = 1
    minimum_area_voxel: int = 4

    def __post_init__(self) -> None:
        for name, value, known in (("kind", self.kind, get_args(SparseKind)), ("style", self.style, get_args(Style))):
            if value not in known:
                raise ConfigError(f"{name}: '{value}'; choose {', '.join(known)}")
        for name, share in (("slices", self.slices), ("length", self.length)):
            if not 0.0 < share <= 1.0:
                raise ConfigError(f"{name}: {share}; pass a share above 0, at most 1")
        for name, count in (
            ("points", self.points),
            ("thickness", self.thickness_voxel),
            ("minimum-area", self.minimum_area_voxel),
        ):
            if count < 1:
                raise ConfigError(f"{name}: {count}; pass at least 1")


def make_sparse_slice(plane: Plane, settings: SparseLabelSettings, rng: np.random.Generator) -> Plane:
    """Make the sparse labels of one slice.

    Strokes and points agree with `plane` wherever they are known. A box is filled with its label, smaller boxes over
    larger ones, as in Khoreva et al. ("Simple does it", CVPR 2017); voxels outside all boxes are background. Voxels
    that are unknown in `plane` stay unknown.

    Args:
        plane: (y, x) uint8, 0 is background, `IGNORE` is unknown.
        settings: the settings.
        rng: random number generator.

    Returns:
        (y, x) uint8: label codes where something is known, `IGNORE` everywhere else.
    """
    if settings.kind == "box":
        return _draw_boxes(plane, settings.minimum_area_voxel)
    if settings.style == "loop" and settings.kind == "scribble":
        width, area = settings.thickness_voxel, settings.minimum_area_voxel
        stack = scribble_from_labels(plane[None], rng, thickness_voxel=width, minimum_area_voxel=area)
        return np.asarray(stack[0])
    drawn = np.full(plane.shape, IGNORE, dtype=np.uint8)
    for code, window, part in _parts(plane, settings.minimum_area_voxel, background=True):
        points = settings.kind == "points"
        mark = _draw_points(part, settings.points, rng) if points else _draw_stroke(part, settings.length, rng)
        drawn[window][_thicken(mark, settings.thickness_voxel) & part] = code
    return drawn


def measure_largest_component(mask: Mask) -> int:
    """Number of voxels of the largest connected component of a mask (y, x); 0 if it is empty."""
    if not mask.any():
        return 0
    parts, _ = ndimage.label(mask, _EIGHT_NEIGHBOURS)
    return int(np.bincount(parts.ravel())[1:].max())


def _parts(plane: Plane, minimum_area_voxel: int, *, background: bool) -> Iterator[tuple[int, tuple[slice, ...], Mask]]:
    """Label code, bounding window and mask within it of every part that is large enough, in a fixed order."""
    for code in np.unique(plane).tolist():
        if code == IGNORE or (code == 0 and not background):
            continue
        parts, _ = ndimage.label(plane == code, _EIGHT_NEIGHBOURS)
        for index, window in enumerate(ndimage.find_objects(parts), start=1):
            part = parts[window] == index
            if np.count_nonzero(part) >= minimum_area_voxel:
                yield code, window, part


def _draw_boxes(plane: Plane, minimum_area_voxel: int) -> Plane:
    drawn = np.where(plane == IGNORE, plane, np.uint8(0))
    boxes = [(window, code) for code, window, _ in _parts(plane, minimum_area_voxel, background=False)]
    for window, code in sorted(boxes, key=lambda box: -drawn[box[0]].size):
        drawn[window][plane[window] != IGNORE] = code
    return drawn


def _draw_points(part: Mask, count: int, rng: np.random.Generator) -> Mask:
    """Distinct voxels well inside a part, at most as many as it has."""
    depth = _depth(part)
    central = np.argwhere(depth >= _CENTRAL * depth.max())
    chosen = rng.choice(len(central), min(count, len(central)), replace=False)
    mark = np.zeros(part.shape, dtype=bool)
    mark[tuple(central[chosen].T)] = True
    return mark


def _draw_stroke(part: Mask, length: float, rng: np.random.Generator) -> Mask:
    """A piece of the middle line; in a round part, where it is short, a chord through the deepest voxel."""
    from skimage.morphology import skeletonize  # slow to import

    path = _longest_path(np.argwhere(skeletonize(np.pad(part, 1))[1:-1, 1:-1]))
    # no disc in the part is larger than the part, so most parts need no distance map
    if len(path) <= np.sqrt(np.count_nonzero(part) / np.pi) + 1.0 and len(path) < (depth := _depth(part)).max():
        path = _chord(part, depth, rng)
    kept = max(round(length * len(path)), 1)
    first = int(rng.integers(len(path) - kept + 1))
    mark = np.zeros(part.shape, dtype=bool)
    mark[tuple(path[first : first + kept].T)] = True
    return mark


def _longest_path(line: NDArray[np.int64]) -> NDArray[np.int64]:
    """The pixels (N, 2) of a skeleton between its two farthest ends; approximate if it has rings."""
    if len(line) < 2:
        return line
    pairs = cKDTree(line).query_pairs(_NEIGHBOURS_WITHIN_VOXEL, output_type="ndarray")
    lengths = np.linalg.norm(line[pairs[:, 0]] - line[pairs[:, 1]], axis=1)
    graph = csr_array((lengths, (pairs[:, 0], pairs[:, 1])), shape=(len(line), len(line)))
    start = _farthest(dijkstra(graph, directed=False, indices=0))
    distances, before = dijkstra(graph, directed=False, indices=start, return_predecessors=True)
    path = [_farthest(distances)]
    while before[path[-1]] >= 0:
        path.append(int(before[path[-1]]))
    return line[path]


def _farthest(distances: NDArray[np.float64]) -> int:
    return int(np.argmax(np.where(np.isfinite(distances), distances, -1.0)))


def _chord(part: Mask, depth: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """A straight line (N, 2) in a random direction through the deepest voxel, within the largest disc around it."""
    deepest = np.unravel_index(int(np.argmax(depth)), depth.shape)
    radius, angle = depth.max() - 1.0, rng.uniform(0.0, np.pi)
    steps = np.linspace(-radius, radius, 2 * int(np.ceil(radius)) + 1)
    points = np.rint(np.array(deepest) + steps[:, None] * [np.sin(angle), np.cos(angle)]).astype(np.int64)
    inside = points[part[tuple(points.T)]]
    return np.asarray(inside[np.sort(np.unique(inside, axis=0, return_index=True)[1])])


def _depth(part: Mask) -> NDArray[np.float64]:
    """Distance of every voxel of a part to the nearest voxel outside it; beyond the window counts as outside."""
    return np.asarray(ndimage.distance_transform_edt(np.pad(part, 1))[1:-1, 1:-1])


def _thicken(mark: Mask, thickness_voxel: int) -> Mask:
    if thickness_voxel == 1:
        return mark
    return np.asarray(ndimage.binary_dilation(mark, np.ones((thickness_voxel, thickness_voxel), dtype=bool)))
