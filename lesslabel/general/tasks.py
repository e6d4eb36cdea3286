"""Training tasks: an image and the object that is meant, from pictures, label maps and random shapes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from lesslabel.data.case import IGNORE
from lesslabel.errors import DataError
from lesslabel.general.appearance import altered, painted
from lesslabel.general.pictures import Picture

Generator = np.random.Generator
LEAST_VOXELS = 12
_TRIES = 20
_UNION = 0.15
"""Share of the objects that are two labels together."""


@dataclass(frozen=True, eq=False)
class Task:
    """An image and its object.

    Attributes:
        image: (3, S, S) float32, about in [0, 1].
        target: (S, S) uint8: 1 in the object, 0 outside, `IGNORE` beyond the picture and where unknown.
    """

    image: Tensor
    target: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Tasks:
    """Draws tasks.

    Attributes:
        sets: the pictures of each set; a set is drawn with the square root of its number of pictures.
        label_maps: to make images from, beside those of the pictures.
        shares: of tasks from pictures, from their superpixels, from painted label maps, and from random shapes.
        as_drawn: whether objects are single labels and intensities are as they are; else two labels may be one object,
            and contrast, shading and noise change.
    """

    sets: Sequence[Sequence[Picture]]
    label_maps: Sequence[NDArray[np.uint8]] = ()
    shares: tuple[float, float, float, float] = (0.66, 0.05, 0.19, 0.10)
    as_drawn: bool = False

    def draw(self, size: int, rng: Generator) -> Task:
        """Draw one, on a grid of that size; a function of the generator alone.

        Raises:
            DataError: if tasks are as drawn, and no object leaves a background beside it.
        """
        for _ in range(_TRIES):
            kind = int(rng.choice(4, p=self.shares))
            task = (self._of_picture, self._of_superpixel, self._of_label_map, self._of_shapes)[kind](size, rng)
            if task is not None and _is_sound(task.target):
                return task
        if self.as_drawn:
            raise DataError("what was drawn fills its slices; there is nothing to tell it from, so draw smaller labels")
        return self._of_shapes(size, rng)

    def picture(self, rng: Generator) -> Picture:
        """Draw a picture."""
        weights = np.sqrt([len(each) for each in self.sets])
        chosen = self.sets[int(rng.choice(len(self.sets), p=weights / weights.sum()))]
        return chosen[int(rng.integers(len(chosen)))]

    def _of_picture(self, size: int, rng: Generator) -> Task | None:
        picture = self.picture(rng)
        truth = _object_of(picture.labels, picture.classes, rng, union=0.0 if self.as_drawn else _UNION)
        view = _View.around(truth, rng)
        target = view.labels(np.where(picture.labels == IGNORE, IGNORE, truth).astype(np.uint8), size, IGNORE)
        image = view.image(picture, size)
        return Task(image if self.as_drawn else altered(image, rng), target)

    def _of_superpixel(self, size: int, rng: Generator) -> Task | None:
        from skimage.segmentation import felzenszwalb  # slow to import

        picture = self.picture(rng)
        image = _View.around(np.ones_like(picture.labels, np.bool_), rng).image(picture, size)
        scale = float(np.exp(rng.uniform(np.log(50), np.log(1000))))
        parts = felzenszwalb(image.permute(1, 2, 0).numpy(), scale=scale, sigma=0.8, min_size=size * size // 100)
        chosen = parts == parts[tuple(rng.integers(0, size, 2))]
        return Task(altered(image, rng), chosen.astype(np.uint8))

    def _of_label_map(self, size: int, rng: Generator) -> Task | None:
        if self.label_maps and rng.random() < 0.5:
            labels = self.label_maps[int(rng.integers(len(self.label_maps)))]
        else:
            labels = self.picture(rng).labels
        counts = np.bincount(labels.ravel(), minlength=IGNORE + 1)
        counts[[0, IGNORE]] = 0
        classes = np.flatnonzero(counts >= 40).tolist()
        if not classes:
            return None
        view = _View.around(_object_of(labels, classes, rng, union=0.0), rng)
        seen = view.labels(labels, size, 0)
        seen[seen == IGNORE] = 0
        present = np.unique(seen[seen > 0])
        if not len(present):
            return None
        truth = _object_of(seen, present.tolist(), rng, union=0.0)
        ground = regions(size, int(rng.integers(1, 6)), rng)
        return Task(
            altered(painted(np.where(seen > 0, seen.astype(np.int64) + 100, ground), rng), rng), truth.astype(np.uint8)
        )

    def _of_shapes(self, size: int, rng: Generator) -> Task:
        parts = regions(size, int(rng.integers(2, 9)), rng)
        for _ in range(int(rng.integers(0, 4))):
            parts[_blob(size, rng)] = parts.max() + 1
        found, count = ndimage.label(parts == rng.choice(np.unique(parts)))
        sizes = np.bincount(found.ravel())[1:]
        truth = found == 1 + int(rng.choice(count, p=sizes / sizes.sum()))
        return Task(altered(painted(parts, rng), rng), truth.astype(np.uint8))


@dataclass(frozen=True)
class _View:
    """A square window of a picture, turned, mirrored and stretched.

    Attributes:
        matrix: (2, 3), from the window in [−1, 1]², (x, y), to voxels of the picture, (x, y).
        shape: of the picture.
    """

    matrix: NDArray[np.float64]
    shape: tuple[int, int]

    @classmethod
    def around(cls, truth: NDArray[np.bool_], rng: Generator) -> "_View":
        """Two in five windows show the whole picture, the others 1.1 to 5 times the object."""
        height, width = truth.shape
        rows, columns = np.flatnonzero(truth.any(axis=1)), np.flatnonzero(truth.any(axis=0))
        centre = np.array([columns[0] + columns[-1], rows[0] + rows[-1]]) / 2
        extent = max(columns[-1] - columns[0], rows[-1] - rows[0]) + 1.0
        longest = float(max(height, width))
        if rng.random() < 0.4:
            side, centre = longest * rng.uniform(0.9, 1.1), np.array([width - 1, height - 1]) / 2
        else:
            side = float(np.clip(extent * np.exp(rng.uniform(np.log(1.1), np.log(5.0))), 24.0, 1.1 * longest))
            centre = centre + rng.uniform(-0.5, 0.5, 2) * max(side - extent, 0.3 * side)
        angle = rng.normal(0, 0.25) if rng.random() < 0.5 else 0.0
        angle += np.pi / 2 * rng.integers(4) if rng.random() < 0.3 else 0.0
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        stretch = np.exp(rng.normal(0, 0.1, 2)) * np.where(
            rng.random(2) < 0.5, 1, [-1, -1 if rng.random() < 0.3 else 1]
        )
        return cls(np.concatenate([turn * stretch * side / 2, centre[:, None]], axis=1), (height, width))

    def image(self, picture: Picture, size: int) -> Tensor:
        """The image in the window, (3, S, S) in [0, 1]."""
        step = float(np.abs(np.linalg.det(self.matrix[:, :2]))) ** 0.5 * 2 / size
        source = torch.from_numpy(picture.half if step > 1.5 else picture.image).float() / 255
        image = F.grid_sample(source[None], self._grid(size), "bilinear", "border", align_corners=False)[0]
        return image if len(image) == 3 else torch.cat([image, image[-1:].expand(3 - len(image), -1, -1)])

    def labels(self, labels: NDArray[np.uint8], size: int, beyond: int) -> NDArray[np.uint8]:
        """The labels in the window, (S, S); another value beyond the picture."""
        shifted = torch.from_numpy(labels).float()[None, None] - beyond
        seen = F.grid_sample(shifted, self._grid(size), "nearest", "zeros", align_corners=False)[0, 0]
        return (seen + beyond).round().to(torch.uint8).numpy()

    def _grid(self, size: int) -> Tensor:
        line = (np.arange(size) + 0.5) * 2 / size - 1
        x, y = np.meshgrid(line, line)
        voxels = np.einsum("ij,jyx->yxi", self.matrix[:, :2], np.stack([x, y])) + self.matrix[:, 2]
        height, width = self.shape
        return torch.from_numpy((voxels + 0.5) * 2 / np.array([width, height]) - 1).float()[None]


def smooth_noise(shape: tuple[int, ...], cells: int, rng: Generator) -> Tensor:
    """Normally distributed values on a coarse grid of that many cells along an axis, enlarged smoothly to (N, y, x)."""
    coarse = torch.from_numpy(rng.standard_normal((1, shape[0], cells, cells))).float()
    return F.interpolate(coarse, shape[1:], mode="bicubic", align_corners=False)[0]


def regions(size: int, count: int, rng: Generator) -> NDArray[np.int64]:
    """Divide a square into up to that many kinds of regions of smooth outlines, (S, S) from 0."""
    fields = smooth_noise((count, size, size), int(rng.integers(2, 9)), rng)
    return np.asarray(fields.numpy().argmax(axis=0))  # torch's is slow along the first axis


def _blob(size: int, rng: Generator) -> NDArray[np.bool_]:
    """An ellipse with a wavy outline, (S, S) bool."""
    y, x = np.mgrid[:size, :size] / size
    centre, radius = rng.uniform(0.1, 0.9, 2), np.exp(rng.uniform(np.log(0.04), np.log(0.35), 2))
    angle = rng.uniform(0, np.pi)
    dy, dx = y - centre[0], x - centre[1]
    u, v = np.cos(angle) * dy - np.sin(angle) * dx, np.sin(angle) * dy + np.cos(angle) * dx
    wave = smooth_noise((1, size, size), int(rng.integers(3, 8)), rng)[0].numpy() * rng.uniform(0, 0.4)
    return np.asarray(np.hypot(u / radius[0], v / radius[1]) + wave < 1)


def _object_of(
    labels: NDArray[np.uint8], classes: Sequence[int], rng: Generator, union: float = _UNION
) -> NDArray[np.bool_]:
    """One label, sometimes two together, sometimes one of its connected parts."""
    wanted = rng.choice(classes, min(len(classes), 2), replace=False) if rng.random() < union else [rng.choice(classes)]
    truth = np.isin(labels, wanted)
    if rng.random() < 0.3:
        parts, count = ndimage.label(truth)
        sizes = np.bincount(parts.ravel())[1:]
        if count > 1:
            truth = parts == 1 + int(rng.choice(count, p=sizes / sizes.sum()))
    return np.asarray(truth)


def _is_sound(target: NDArray[np.uint8]) -> bool:
    known, inside = np.count_nonzero(target != IGNORE), np.count_nonzero(target == 1)
    return bool(LEAST_VOXELS <= inside <= 0.9 * known)
