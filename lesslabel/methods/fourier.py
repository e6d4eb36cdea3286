"""The style of an image as the amplitudes of its low frequencies, which another image may lend."""

import torch
from torch import Tensor


def low_frequencies_of(image: Tensor, style: Tensor, share: float) -> Tensor:
    """Give an image the amplitudes of another at low frequencies, and keep its phases.

    From "FDA: Fourier Domain Adaptation for Semantic Segmentation" (Yang and Soatto, CVPR 2020, arXiv:2004.05498).

    Args:
        image: B×C×[D×]H×W.
        style: same shape.
        share: β in [0, 1]: those of at most ⌊β·n⌋ periods along each axis, n the shortest side; 0 is the mean alone.

    Returns:
        Same shape.
    """
    axes = tuple(range(2, image.ndim))
    most = int(share * min(image.shape[2:]))
    low = torch.ones(image.shape[2:], dtype=torch.bool, device=image.device)
    for axis, length in enumerate(image.shape[2:]):
        periods = (torch.fft.fftfreq(length, device=image.device) * length).round().abs()
        low &= (periods <= most).view(-1, *[1] * (len(axes) - axis - 1))
    own, other = (torch.fft.fftn(one.float(), dim=axes) for one in (image, style))
    amplitude = torch.where(low, other.abs(), own.abs())
    mixed: Tensor = torch.fft.ifftn(torch.polar(amplitude, own.angle()), dim=axes).real.to(image)
    return mixed
