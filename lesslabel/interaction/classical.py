"""Interactive segmentation from before deep learning, to compare with: GrabCut, graph cut, random walker."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import ConfigError, DataError
from lesslabel.interaction.graph_cut import graph_cut
from lesslabel.interaction.seeded import Marks, SeededModel, rim

_MOST_SAMPLES = 200
"""Marked voxels of a side that describe its appearance; of more, so many evenly spaced ones."""
_TOLERANCE = 0.01  # of the walker's solver, as in `lesslabel.data.weak_labels.random_walker`
_FOREGROUND, _BACKGROUND = 1, 2


class GraphCut(SeededModel):
    """The minimum cut between the marks of both sides.

    Boykov and Jolly, "Interactive graph cuts for optimal boundary and region segmentation of objects in N-D images",
    ICCV 2001, with the energy of `lesslabel.interaction.graph_cut.cut_energy`. The probability of a voxel is that of
    its colour among the marked ones of each side (a Gaussian around each of them, where the paper has histograms).

    Args:
        weight: λ of the edges.
        sigma: σ of the edges, in the unit of intensities in [0, 1].
        colour_width: standard deviation of the Gaussians, likewise.
        settings: see `SeededModel`.
    """

    def __init__(self, *, weight: float = 5.0, sigma: float = 0.1, colour_width: float = 0.1, **settings: Any) -> None:
        super().__init__(**settings)
        self.weight = weight
        self.sigma = sigma
        self.colour_width = colour_width

    def solve(self, image: NDArray[np.float32], marks: Marks, spacing: tuple[float, ...]) -> NDArray[np.float32]:
        """See `SeededModel.solve`."""
        ours, theirs = (_likelihood(image, side, self.colour_width) for side in (marks.foreground, marks.background))
        probability = (ours + 1e-3) / (ours + theirs + 2e-3)
        mask = graph_cut(
            probability,
            image,
            foreground_seeds=marks.foreground,
            background_seeds=marks.background,
            weight=self.weight,
            sigma=self.sigma,
            spacing=spacing,
        )
        return mask.astype(np.float32)


class RandomWalker(SeededModel):
    """Every voxel gets the side whose marks a random walker that starts there reaches first, with that probability.

    Grady, "Random Walks for Image Segmentation", IEEE TPAMI 2006, by scikit-image's solver.

    Args:
        beta: how rarely the walker crosses edges of intensities in [0, 1].
        settings: see `SeededModel`.
    """

    def __init__(self, *, beta: float = 100.0, **settings: Any) -> None:
        super().__init__(**settings)
        self.beta = beta

    def solve(self, image: NDArray[np.float32], marks: Marks, spacing: tuple[float, ...]) -> NDArray[np.float32]:
        """See `SeededModel.solve`."""
        from skimage.segmentation import random_walker  # slow to import

        labels = np.where(marks.foreground, _FOREGROUND, np.where(marks.background, _BACKGROUND, 0))
        if (labels > 0).all():
            return marks.foreground.astype(np.float32)
        if image.max() == image.min():  # the walker divides by the spread of the intensities
            image = image + np.linspace(0, 1e-3, image.size, dtype=np.float32).reshape(image.shape)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of a faster solver in a package that is no dependency
            reached = random_walker(
                image.astype(np.float64),
                labels,
                self.beta,
                mode="cg_j",
                tol=_TOLERANCE,
                return_full_prob=True,
                spacing=spacing,
                channel_axis=0,
            )
        probability: NDArray[np.float32] = np.clip(reached[0], 0, 1).astype(np.float32)
        return probability


class GrabCut(SeededModel):
    """Graph cuts in turn with mixtures of Gaussians of the colours of both sides; by OpenCV, for slices.

    Rother et al., "GrabCut: interactive foreground extraction using iterated graph cuts", SIGGRAPH 2004. Inside of a
    box, polygon or start mask all is probably the object; without one, all but the rim of the image is.

    Args:
        rounds: of a turn.
        settings: see `SeededModel`.

    Raises:
        ConfigError: if OpenCV is not installed (the extra ``lesslabel[opencv]``), or for volumes.
    """

    def __init__(self, *, rounds: int = 5, **settings: Any) -> None:
        super().__init__(**settings)
        if self.dimensions != 2:
            raise ConfigError(f"dimensions: {self.dimensions}; GrabCut takes slices, graph-cut takes volumes too")
        if rounds < 1:
            raise ConfigError(f"rounds: {rounds}; give at least 1")
        self.rounds = rounds
        try:
            import cv2
        except ImportError as error:
            raise ConfigError("GrabCut needs OpenCV; pip install 'lesslabel[opencv]'") from error
        self._opencv = cv2

    def solve(self, image: NDArray[np.float32], marks: Marks, spacing: tuple[float, ...]) -> NDArray[np.float32]:  # noqa: ARG002
        """See `SeededModel.solve`.

        Raises:
            DataError: if the image has neither one nor three channels.
        """
        if len(image) not in (1, 3):
            raise DataError(f"image of {len(image)} channels; GrabCut takes grey values or three colours")
        opencv = self._opencv
        colours = np.ascontiguousarray(np.broadcast_to(image, (3, *image.shape[1:])).transpose(1, 2, 0))
        likely = ~rim(image.shape[1:]) if marks.likely is None else marks.likely
        mask = np.where(likely, opencv.GC_PR_FGD, opencv.GC_PR_BGD).astype(np.uint8)
        mask[marks.background], mask[marks.foreground] = opencv.GC_BGD, opencv.GC_FGD
        opencv.setRNGSeed(0)  # of the mixtures' first means
        mixtures = np.zeros((1, 65)), np.zeros((1, 65))
        opencv.grabCut(
            np.rint(255 * colours).astype(np.uint8), mask, None, *mixtures, self.rounds, opencv.GC_INIT_WITH_MASK
        )
        return np.isin(mask, (opencv.GC_FGD, opencv.GC_PR_FGD)).astype(np.float32)


CLASSICAL: Mapping[str, Callable[..., SeededModel]] = {
    "grabcut": GrabCut,
    "graph-cut": GraphCut,
    "random-walker": RandomWalker,
}
"""Every classical model by its name."""


def _likelihood(image: NDArray[np.float32], marked: NDArray[np.bool_], width: float) -> NDArray[np.float64]:
    """The mean over marked voxels of a Gaussian of the difference in colour, in [0, 1], for every voxel."""
    colours = image[:, marked].T.astype(np.float64)
    colours = colours[np.linspace(0, len(colours) - 1, min(len(colours), _MOST_SAMPLES)).astype(np.int64)]
    total = np.zeros(image.shape[1:])
    for colour in colours:
        away = np.square(image - colour.reshape(-1, *(1,) * (image.ndim - 1))).sum(axis=0)
        total += np.exp(away / (-2 * width**2))
    return total / len(colours)
