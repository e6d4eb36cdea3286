"""Masks to annotate."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def ball(shape: tuple[int, ...], centre: tuple[float, ...], radius_voxel: float) -> Mask:
    grid = np.indices(shape) - np.reshape(centre, (-1, *(1,) * len(shape)))
    return np.sqrt((grid**2).sum(axis=0)) <= radius_voxel


def block(shape: tuple[int, ...], *ends: tuple[int, int]) -> Mask:
    """The voxels from the first to the last index, both included, along each axis."""
    mask = np.zeros(shape, np.bool_)
    mask[tuple(slice(first, last + 1) for first, last in ends)] = True
    return mask


def blob_masks() -> dict[str, Mask]:
    """Every kind of shape that a robot may meet, in 2D and 3D."""
    ring = ball((40, 40), (20, 20), 15) & ~ball((40, 40), (20, 20), 10)
    return {
        "disc": ball((48, 40), (22, 19), 12),
        "touches two borders": ball((30, 30), (2, 27), 9),
        "fills the image": np.ones((9, 7), np.bool_),
        "one pixel": block((12, 9), (4, 4), (7, 7)),
        "one pixel in the corner": block((12, 9), (0, 0), (8, 8)),
        "line": block((20, 25), (9, 9), (3, 21)),
        "diagonal": np.eye(16, dtype=np.bool_),
        "ring": ring,
        "three parts": ball((40, 40), (8, 8), 5) | ball((40, 40), (30, 28), 7) | block((40, 40), (2, 2), (36, 36)),
        "image of one pixel": np.ones((1, 1), np.bool_),
        "row of pixels": block((1, 12), (0, 0), (3, 6)),
        "sphere": ball((12, 30, 26), (6, 14, 12), 5),
        "one voxel": block((4, 6, 5), (2, 2), (0, 0), (3, 3)),
        "plate": block((5, 20, 20), (2, 2), (4, 15), (3, 18)),
        "image kept as one slice": ball((1, 24, 24), (0, 12, 11), 7),
    }


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Mask, Mask | None, tuple[float, ...]]:
    """A truth that may be empty, a prediction of the same shape or None, a voxel size in mm."""
    shape = draw(array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=7))
    truth = draw(arrays(np.bool_, shape))
    prediction = draw(st.none() | arrays(np.bool_, shape))
    spacing_mm = draw(st.tuples(*[st.sampled_from([0.5, 1.0, 4.0])] * len(shape)))
    return truth, prediction, spacing_mm
