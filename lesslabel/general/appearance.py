"""How training images look: painted regions, and changes of contrast, sharpness, shading and noise."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

Generator = np.random.Generator
_GREY = torch.tensor([0.299, 0.587, 0.114])[:, None, None]


def painted(parts: NDArray[np.int64], rng: Generator) -> Tensor:
    """Make an image from regions: each kind has a random colour and texture (SynthSeg, Billot et al. 2023).

    Args:
        parts: (S, S), the kind of every voxel.
        rng: random number generator.

    Returns:
        (3, S, S) float32.
    """
    kinds, index = np.unique(parts, return_inverse=True)
    where = torch.from_numpy(index.reshape(parts.shape))
    channels = 1 if rng.random() < 0.65 else 3
    mean = torch.from_numpy(rng.random((channels, len(kinds)))).float()
    deviation = torch.from_numpy(rng.uniform(0, 0.15, (channels, len(kinds)))).float() * rng.uniform(0, 1)
    size = parts.shape[0]
    texture = [
        _noise(channels, size, int(cells), rng) for cells in rng.choice([size, size // 2, size // 4, size // 8], 2)
    ]
    stripes = torch.from_numpy(rng.integers(0, 2, len(kinds)))[where]
    image = mean[:, where] + deviation[:, where] * torch.where(stripes == 0, texture[0], texture[1])
    image = blurred(image, rng.uniform(0.3, 1.5))
    return image.expand(3, -1, -1).clone()


def altered(image: Tensor, rng: Generator) -> Tensor:
    """Change an image (3, S, S): grey, inverted, contrast, shading, blur, noise; each with a chance of its own."""
    size = image.shape[-1]
    if rng.random() < 0.35:
        image = (image * _GREY).sum(dim=0, keepdim=True).expand(3, -1, -1)
    elif rng.random() < 0.25:
        mixed = torch.from_numpy(np.eye(3) + rng.normal(0, 0.25, (3, 3))).float()
        image = torch.einsum("ij,jyx->iyx", mixed, image)
    if rng.random() < 0.3:
        image = 1 - image
    if rng.random() < 0.5:
        image = image.clamp(0, 1) ** float(np.exp(rng.normal(0, 0.4)))
    if rng.random() < 0.1:  # a curve that is not monotone: another modality
        knots = torch.from_numpy(rng.random(6)).float()
        place = image.clamp(0, 1) * 4.999
        low = place.long()
        image = knots[low] + (knots[low + 1] - knots[low]) * (place - low)
    if rng.random() < 0.3:
        image = image * (0.4 * _noise(1, size, int(rng.integers(2, 5)), rng)).clamp(-0.9, 0.9).exp()
    if rng.random() < 0.25:
        image = blurred(image, rng.uniform(0.3, 1.5))
    if rng.random() < 0.35:
        image = image + rng.uniform(0, 0.1) * _noise(1 if rng.random() < 0.5 else 3, size, size, rng)
    return image.contiguous()


def blurred(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of an image (C, S, S)."""
    radius = max(1, round(2.5 * sigma))
    line = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    line = line / line.sum()
    padded = F.pad(image[:, None], (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, line[None, None, None]), line[None, None, :, None])[:, 0]


def _noise(channels: int, size: int, cells: int, rng: Generator) -> Tensor:
    coarse = torch.from_numpy(rng.standard_normal((1, channels, cells, cells), dtype=np.float32))
    return coarse[0] if cells == size else F.interpolate(coarse, (size, size), mode="bilinear", align_corners=False)[0]
