"""Strong augmentation inside a method: intensity changes, CutMix and feature dropout.

The random parameters are sampled first and then applied, so that the same change can be applied to several tensors.
Without a generator torch's own is used, which a run seeds at every step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lesslabel.errors import ConfigError


@dataclass(frozen=True)
class StrongIntensity:
    """Ranges of the intensity changes, for normalised images with a standard deviation near 1.

    The colour jitter and blur of FixMatch-like methods (Sohn et al., NeurIPS 2020) for grey images.

    Attributes:
        brightness: largest value that is added or subtracted.
        contrast: largest relative change of the distance to the image's mean, in [0, 1).
        gamma: largest difference of the exponent from 1, in [0, 1); applied between the image's minimum and maximum.
        noise: largest standard deviation of the noise that is added to each voxel.
        probability: probability of each of the four changes, for each sample.

    Raises:
        ConfigError: if a value is out of range.
    """

    brightness: float = 0.5
    contrast: float = 0.5
    gamma: float = 0.3
    noise: float = 0.1
    probability: float = 0.8

    def __post_init__(self) -> None:
        for name in ("brightness", "noise"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"strong.{name} must not be negative, got {getattr(self, name)}")
        for name in ("contrast", "gamma"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"strong.{name} must be in [0, 1), got {getattr(self, name)}")
        if not 0 <= self.probability <= 1:
            raise ConfigError(f"strong.probability must be in [0, 1], got {self.probability}")


@dataclass(frozen=True, eq=False)
class IntensityParameters:
    """Sampled parameters of a batch: (B,) each, and the noise itself, (B, C, [D], H, W) or None."""

    brightness: Tensor
    contrast: Tensor
    gamma: Tensor
    noise: Tensor | None

    def apply(self, image: Tensor) -> Tensor:
        """Change the intensities of images B×C×[D×]H×W, each channel separately."""
        axes = tuple(range(2, image.ndim))
        shape = (-1,) + (1,) * (image.ndim - 1)
        low, high = image.amin(dim=axes, keepdim=True), image.amax(dim=axes, keepdim=True)
        extent = (high - low).clamp_min(1e-6)
        curved = ((image - low) / extent).clamp(0, 1) ** self.gamma.to(image).view(shape) * extent + low
        mean = curved.mean(dim=axes, keepdim=True)
        changed = (curved - mean) * self.contrast.to(image).view(shape) + mean + self.brightness.to(image).view(shape)
        return changed if self.noise is None else changed + self.noise.to(image)


def sample_intensity(
    settings: StrongIntensity, shape: Sequence[int], generator: torch.Generator | None = None
) -> IntensityParameters:
    """Sample the intensity changes of a batch.

    Args:
        settings: the ranges.
        shape: of the images, (B, C, [D,] H, W).
        generator: random number generator on the CPU; None uses torch's own.
    """
    samples = shape[0]

    def happens() -> Tensor:
        return (torch.rand(samples, generator=generator) < settings.probability).float()

    def uniform() -> Tensor:
        return 2 * torch.rand(samples, generator=generator) - 1

    brightness = happens() * settings.brightness * uniform()
    contrast = 1 + happens() * settings.contrast * uniform()
    gamma = 1 + happens() * settings.gamma * uniform()
    deviation = happens() * settings.noise * torch.rand(samples, generator=generator)
    noise = None
    if settings.noise:
        noise = torch.randn(tuple(shape), generator=generator) * deviation.view(-1, *(1,) * (len(shape) - 1))
    return IntensityParameters(brightness, contrast, gamma, noise)


@dataclass(frozen=True, eq=False)
class CutMixParameters:
    """Replace a box in every sample by the same box of another sample.

    "CutMix" (Yun et al., ICCV 2019), for images, labels and weights.

    Attributes:
        inside: (B, [D], H, W) bool, True in the box.
        partner: (B,) int64, index of the other sample in the batch.
    """

    inside: Tensor
    partner: Tensor

    def apply(self, values: Tensor) -> Tensor:
        """Mix values B×[D×]H×W, or B×C×[D×]H×W, such as images, labels or weights."""
        inside = self.inside.to(values.device)
        if values.ndim > inside.ndim:
            inside = inside[:, None]
        return torch.where(inside, values[self.partner.to(values.device)], values)


def require_cutmix(share: tuple[float, float], probability: float) -> None:
    """Check the settings of `sample_cutmix`.

    Raises:
        ConfigError: if a share or the probability is out of range.
    """
    if not 0 < share[0] <= share[1] <= 1 or not 0 <= probability <= 1:
        raise ConfigError(
            f"cutmix: share {share} and probability {probability}; give shares in (0, 1], the probability in [0, 1]"
        )


def sample_cutmix(
    samples: int,
    shape: Sequence[int],
    *,
    share: tuple[float, float] = (0.02, 0.4),
    probability: float = 0.5,
    generator: torch.Generator | None = None,
) -> CutMixParameters:
    """Sample a box and a partner for every sample.

    Args:
        samples: B.
        shape: ([D,] H, W) in voxels.
        share: smallest and largest share of the image that the box takes; 0.02 to 0.4 as in UniMatch (Yang et al., CVPR
            2023).
        probability: probability that a sample is mixed.
        generator: random number generator on the CPU; None uses torch's own.

    Raises:
        ConfigError: if a share or the probability is out of range.
    """
    require_cutmix(share, probability)
    inside = torch.zeros(samples, *shape, dtype=torch.bool)
    for sample in range(samples):
        draws = torch.rand(2 + 2 * len(shape), generator=generator)
        if draws[0] >= probability:
            continue
        volume = share[0] + float(draws[1]) * (share[1] - share[0])
        sides = _sides(volume, shape, draws[2 : 2 + len(shape)].tolist())
        starts = draws[2 + len(shape) :].tolist()
        box: list[int | slice] = [sample]
        for place, length, side in zip(starts, shape, sides, strict=True):
            start = min(int(place * (length - side + 1)), length - side)
            box.append(slice(start, start + side))
        inside[tuple(box)] = True
    shift = 1 + int(torch.randint(max(1, samples - 1), (), generator=generator))
    return CutMixParameters(inside, (torch.arange(samples) + shift) % max(1, samples))


def drop_channels(
    features: Sequence[Tensor], probability: float, generator: torch.Generator | None = None
) -> list[Tensor]:
    """Set whole channels of feature maps B×C×[D×]H×W to 0 and scale the others, so that the expected mean stays.

    The feature perturbation of UniMatch, on the maps of an encoder at every stride.

    Args:
        features: of one encoder.
        probability: probability that a channel is dropped, in [0, 1).
        generator: random number generator on the CPU; None uses torch's own.
    """
    if not 0 <= probability < 1:
        raise ConfigError(f"feature dropout must be in [0, 1), got {probability}")
    kept = [(torch.rand(level.shape[:2], generator=generator) >= probability).to(level) for level in features]
    return [
        level * keep.view(*keep.shape, *(1,) * (level.ndim - 2)) / (1 - probability)
        for level, keep in zip(features, kept, strict=True)
    ]


def strong_view(
    image: Tensor, labels: Tensor, settings: StrongIntensity, cutmix_probability: float
) -> tuple[Tensor, Tensor]:
    """Change the intensities of images, then mix them and their labels by CutMix.

    Args:
        image: B×C×[D×]H×W.
        labels: B×[D×]H×W; only the boxes are mixed.
        settings: of the intensity changes.
        cutmix_probability: probability that a sample is mixed.

    Returns:
        The views and their labels.
    """
    changed = sample_intensity(settings, image.shape).apply(image)
    mix = sample_cutmix(len(image), image.shape[2:], probability=cutmix_probability)
    return mix.apply(changed), mix.apply(labels)


def scale_features(
    features: Sequence[Tensor], amplitude: float, generator: torch.Generator | None = None
) -> list[Tensor]:
    """Multiply every element of feature maps B×C×[D×]H×W by 1 + n, n from U(−amplitude, amplitude), per sample alike.

    F-Noise of CCT (Ouali et al., CVPR 2020).

    Args:
        features: of one encoder.
        amplitude: largest relative change.
        generator: random number generator on the CPU; None uses torch's own.
    """
    drawn = [(2 * torch.rand(level.shape[1:], generator=generator) - 1) * amplitude for level in features]
    return [level * (1 + noise.to(level)) for level, noise in zip(features, drawn, strict=True)]


def drop_salient(
    features: Sequence[Tensor], share: tuple[float, float] = (0.7, 0.9), generator: torch.Generator | None = None
) -> list[Tensor]:
    """Set the places of feature maps with the largest mean over channels to 0, each map and sample at its own maximum.

    F-Drop of CCT (Ouali et al., CVPR 2020).

    Args:
        features: of one encoder, B×C×[D×]H×W.
        share: a place is dropped if its mean reaches γ times the largest of the sample; γ is drawn from this range.
        generator: random number generator on the CPU; None uses torch's own.
    """
    kept = []
    for level in features:
        gamma = share[0] + float(torch.rand((), generator=generator)) * (share[1] - share[0])
        salience = level.detach().mean(dim=1, keepdim=True)
        largest = salience.flatten(1).amax(dim=1).view(-1, *(1,) * (level.ndim - 1))
        kept.append(level * (salience < gamma * largest))
    return kept


def _sides(volume: float, shape: Sequence[int], stretches: Sequence[float]) -> list[int]:
    """Sides in voxels of a box that takes a given share of the image, with a random aspect ratio."""
    logs = [stretch - sum(stretches) / len(stretches) for stretch in stretches]
    shares = [min(1.0, volume ** (1 / len(shape)) * 2.0**log) for log in logs]
    return [max(1, round(share * length)) for share, length in zip(shares, shape, strict=True)]
