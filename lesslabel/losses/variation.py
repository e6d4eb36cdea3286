"""Length of boundaries and homogeneity of regions: total variation and the Mumford–Shah functional."""

import torch
from torch import Tensor

from lesslabel.losses.rules import at_least_float32, without_autocast


def total_variation_loss(probabilities: Tensor, *, include_background: bool = False) -> Tensor:
    """Average the absolute differences of neighbouring voxels: Σ over axes of |yᵢ₊₁ − yᵢ|, the length of boundaries.

    Args:
        probabilities: B×C×[D×]H×W.
        include_background: whether class 0 counts too.

    Returns:
        Scalar: the sum of the differences, divided by the number of voxels and classes.
    """
    classes = at_least_float32(probabilities)[:, 0 if include_background else 1 :]
    lengths = [torch.diff(classes, dim=axis).abs().sum() for axis in range(2, classes.ndim)]
    return torch.stack(lengths).sum() / classes.numel()


def mumford_shah_loss(probabilities: Tensor, image: Tensor, *, length_weight: float = 1.0) -> Tensor:
    """Sum the variance of intensities in each class and the length of boundaries, averaged over voxels.

    From "Mumford–Shah Loss Functional for Image Segmentation With Deep Learning" (Kim and Ye, IEEE TIP 2020,
    arXiv:1904.02872, eq. 8 and 9): ``Σ_c Σᵢ yᵢᶜ·(xᵢ − μᶜ)² + λ·Σ_c Σᵢ |∇yᵢᶜ|``, where ``μᶜ = Σ yᶜ·x / Σ yᶜ`` of each
    sample. μ minimises the first term, so the gradient through it is 0 and is left out.

    Args:
        probabilities: B×C×[D×]H×W.
        image: B×channels×[D×]H×W on the same grid.
        length_weight: λ of the length of boundaries, background included.

    Returns:
        Scalar: both sums, divided by the number of voxels.
    """
    probabilities = at_least_float32(probabilities)
    classes, intensities = probabilities.flatten(2), image.detach().to(probabilities.dtype).flatten(2)
    with torch.no_grad():
        sizes = classes.sum(dim=2)[:, None].clamp(min=1e-6)
        with without_autocast(intensities):
            means = intensities @ classes.transpose(1, 2) / sizes  # B×channels×C
        deviations = (intensities[:, :, None] - means[..., None]).square().sum(dim=1)  # B×C×voxels
    voxels = classes.shape[0] * classes.shape[2]
    length = total_variation_loss(probabilities, include_background=True) * probabilities.shape[1]
    return (classes * deviations).sum() / voxels + length_weight * length
