"""Augmentation: the random parameters are sampled first and then applied, so that a sample can be replayed.

No augmentation mixes the slices of a volume, so the kind and the annotated classes of each slice stay valid.
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
    """The random augmentation of training samples. Rotations and flips are in the last two axes, in 3D too.

    Attributes:
        turn_flip_probability: probability of a rotation by 0°, 90°, 180° or 270° (by 0° or 180° where height and width
            differ) followed by a flip along a random axis.
        rotation_probability: probability of a small rotation, for the samples without such a rotation and flip.
        rotation_degrees: largest small rotation. Voxels from outside the image are 0 in the image and `IGNORE` in the
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
class AugmentationParameters:
    """The parameters of one augmentation.

    Attributes:
        quarter_rotations: number of rotations by 90°, 0 to 3.
        flip_axis: −2, −1 or None.
        rotation_degrees: counter-clockwise.
        noise: standard deviation.
        noise_seed: of the noise.
    """

    quarter_rotations: int = 0
    flip_axis: int | None = None
    rotation_degrees: float = 0.0
    noise: float = 0.0
    noise_seed: int = 0


def sample_augmentation(
    augmentation: Augmentation, generator: np.random.Generator, *, square: bool
) -> AugmentationParameters:
    """Sample an augmentation.

    Args:
        augmentation: the ranges.
        generator: source of randomness.
        square: whether height equals width, so that a rotation by 90° keeps the shape.
    """
    noise_seed = int(generator.integers(2**31))
    if generator.random() < augmentation.turn_flip_probability:
        rotations = int(generator.integers(4)) if square else 2 * int(generator.integers(2))
        flip_axis = -1 - int(generator.integers(2))
        return AugmentationParameters(rotations, flip_axis, noise=augmentation.noise, noise_seed=noise_seed)
    if generator.random() < augmentation.rotation_probability:
        degrees = float(generator.uniform(-augmentation.rotation_degrees, augmentation.rotation_degrees))
        return AugmentationParameters(rotation_degrees=degrees, noise=augmentation.noise, noise_seed=noise_seed)
    return AugmentationParameters(noise=augmentation.noise, noise_seed=noise_seed)


def apply_to_image(image: Tensor, parameters: AugmentationParameters) -> Tensor:
    """Augment an image (C, [D], H, W); linear interpolation, 0 outside the image."""
    image = _rotate_flip(image, parameters)
    if parameters.rotation_degrees:
        image = _rotate(image, parameters.rotation_degrees, "bilinear")
    if parameters.noise:
        noise = np.random.default_rng(parameters.noise_seed).standard_normal(tuple(image.shape), dtype=np.float32)
        image = image + parameters.noise * torch.from_numpy(noise).to(image.device)
    return image


def apply_to_derived(maps: Tensor, parameters: AugmentationParameters) -> Tensor:
    """Augment maps derived from labels (K, [D], H, W); linear interpolation, outside the image the border's value.

    Zeros outside would pull known voxels at the border towards 0, which means a boundary in a level set.
    """
    maps = _rotate_flip(maps, parameters)
    return _rotate(maps, parameters.rotation_degrees, "bilinear", "border") if parameters.rotation_degrees else maps


def apply_to_labels(labels: Tensor, parameters: AugmentationParameters) -> Tensor:
    """Augment a label map ([D], H, W); nearest neighbour, `IGNORE` outside the image."""
    labels = _rotate_flip(labels, parameters)
    if parameters.rotation_degrees:
        # shifted so that the zeros outside the image mean IGNORE
        shifted = _rotate(labels.float() - IGNORE, parameters.rotation_degrees, "nearest")
        labels = (shifted + IGNORE).to(labels.dtype)
    return labels


def apply_to_weight(weight: Tensor, parameters: AugmentationParameters) -> Tensor:
    """Augment a confidence map ([D], H, W); nearest neighbour, 0 outside the image."""
    weight = _rotate_flip(weight, parameters)
    return _rotate(weight, parameters.rotation_degrees, "nearest") if parameters.rotation_degrees else weight


def _rotate_flip(array: Tensor, parameters: AugmentationParameters) -> Tensor:
    if parameters.quarter_rotations:
        array = torch.rot90(array, parameters.quarter_rotations, dims=(-2, -1))
    return array if parameters.flip_axis is None else array.flip(parameters.flip_axis)


def _rotate(array: Tensor, degrees: float, mode: str, outside: str = "zeros") -> Tensor:
    """Rotate in the last two axes about the centre; all leading axes alike."""
    height, width = array.shape[-2:]
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    # a rotation in pixels; in the units of the grid (half a side) the axes scale differently
    matrix = torch.tensor([[cosine, -sine * height / width, 0.0], [sine * width / height, cosine, 0.0]])
    matrix = matrix.to(array.device)
    planes = array.reshape(1, -1, height, width)
    grid = F.affine_grid(matrix[None], list(planes.shape), align_corners=False)
    return F.grid_sample(planes, grid, mode=mode, padding_mode=outside, align_corners=False).reshape(array.shape)
