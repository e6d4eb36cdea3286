"""Augmentation: what is random is drawn first, then applied, so that it can be replayed.

Nothing here mixes the slices of a volume, so what is said of a slice, its kind and annotated classes, stays true.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lesslabel.data.case import IGNORE
from lesslabel.errors import ConfigError


@dataclass(frozen=True)
class Augmentation:
    """How training samples vary. Turns and flips stay in the last two axes, in 3D too.

    Attributes:
        turn_flip_probability: chance of a quarter turn (0 to 3; half turns only where height and width differ)
            followed by a flip along a random axis.
        rotation_probability: chance of a small rotation for the samples that were not turned and flipped.
        rotation_degrees: largest small rotation. What it brings in from outside is 0 in the image and `IGNORE` in the
            target.
        noise: standard deviation of Gaussian noise added to the image.
    """

    turn_flip_probability: float = 0.5
    rotation_probability: float = 0.5
    rotation_degrees: float = 20.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name in ("turn_flip_probability", "rotation_probability"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"augmentation: {name} must be in [0, 1], got {getattr(self, name)}")
        for name in ("rotation_degrees", "noise"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"augmentation: {name} must not be negative, got {getattr(self, name)}")


@dataclass(frozen=True)
class Draw:
    """One drawn augmentation.

    Attributes:
        quarter_turns: 0 to 3.
        flip_axis: −2, −1 or None.
        rotation_degrees: counter-clockwise.
        noise: standard deviation.
        noise_seed: of the noise.
    """

    quarter_turns: int = 0
    flip_axis: int | None = None
    rotation_degrees: float = 0.0
    noise: float = 0.0
    noise_seed: int = 0


def draw(augmentation: Augmentation, generator: np.random.Generator, *, square: bool) -> Draw:
    """Draw an augmentation.

    Args:
        augmentation: what may vary.
        generator: source of randomness.
        square: whether height equals width, so that a quarter turn keeps the shape.
    """
    noise_seed = int(generator.integers(2**31))
    if generator.random() < augmentation.turn_flip_probability:
        turns = int(generator.integers(4)) if square else 2 * int(generator.integers(2))
        flip_axis = -1 - int(generator.integers(2))
        return Draw(turns, flip_axis, noise=augmentation.noise, noise_seed=noise_seed)
    if generator.random() < augmentation.rotation_probability:
        degrees = float(generator.uniform(-augmentation.rotation_degrees, augmentation.rotation_degrees))
        return Draw(rotation_degrees=degrees, noise=augmentation.noise, noise_seed=noise_seed)
    return Draw(noise=augmentation.noise, noise_seed=noise_seed)


def apply_to_image(image: Tensor, drawn: Draw) -> Tensor:
    """Apply a draw to an image (C, [D], H, W); linear interpolation, zeros from outside."""
    image = _turn_flip(image, drawn)
    if drawn.rotation_degrees:
        image = _rotate(image, drawn.rotation_degrees, "bilinear")
    if drawn.noise:
        noise = np.random.default_rng(drawn.noise_seed).standard_normal(tuple(image.shape), dtype=np.float32)
        image = image + drawn.noise * torch.from_numpy(noise)
    return image


def apply_to_derived(maps: Tensor, drawn: Draw) -> Tensor:
    """Apply a draw to maps derived from labels (K, [D], H, W); linear interpolation, the border's value from outside.

    Zeros from outside would pull known voxels at the border towards 0, which in a level set means a boundary.
    """
    maps = _turn_flip(maps, drawn)
    return _rotate(maps, drawn.rotation_degrees, "bilinear", "border") if drawn.rotation_degrees else maps


def apply_to_labels(labels: Tensor, drawn: Draw) -> Tensor:
    """Apply a draw to a label map ([D], H, W); nearest neighbour, `IGNORE` from outside."""
    labels = _turn_flip(labels, drawn)
    if drawn.rotation_degrees:
        # shifted so that the zeros that come in from outside stand for IGNORE
        shifted = _rotate(labels.float() - IGNORE, drawn.rotation_degrees, "nearest")
        labels = (shifted + IGNORE).to(labels.dtype)
    return labels


def apply_to_weight(weight: Tensor, drawn: Draw) -> Tensor:
    """Apply a draw to a confidence map ([D], H, W); nearest neighbour, 0 from outside."""
    weight = _turn_flip(weight, drawn)
    return _rotate(weight, drawn.rotation_degrees, "nearest") if drawn.rotation_degrees else weight


def _turn_flip(array: Tensor, drawn: Draw) -> Tensor:
    if drawn.quarter_turns:
        array = torch.rot90(array, drawn.quarter_turns, dims=(-2, -1))
    return array if drawn.flip_axis is None else array.flip(drawn.flip_axis)


def _rotate(array: Tensor, degrees: float, mode: str, outside: str = "zeros") -> Tensor:
    """Rotate in the last two axes about the centre; all leading axes turn together."""
    height, width = array.shape[-2:]
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    # in pixels a rotation; in the grid's own units of half a side the axes scale differently
    matrix = torch.tensor([[cosine, -sine * height / width, 0.0], [sine * width / height, cosine, 0.0]])
    planes = array.reshape(1, -1, height, width)
    grid = F.affine_grid(matrix[None], list(planes.shape), align_corners=False)
    return F.grid_sample(planes, grid, mode=mode, padding_mode=outside, align_corners=False).reshape(array.shape)
