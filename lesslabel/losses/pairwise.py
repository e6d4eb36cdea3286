"""Pairwise energies of a prediction: similar voxels should have the same class (conditional random fields).

Both count the disagreement ``1 − Σ_c yᵢᶜ·yⱼᶜ`` (Potts model) of pairs of voxels, weighted by the similarity of their
places and intensities. The gradient of the quadratic form is written down rather than traced: the kernel is symmetric,
so one pass over the pairs gives the messages ``mᵢ = Σⱼ kᵢⱼ·yⱼ``, the energy and its gradient −2·m.
"""

from collections.abc import Iterator, Sequence
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from lesslabel.errors import ConfigError
from lesslabel.losses.rules import at_least_float32, without_autocast


def gated_crf_loss(
    probabilities: Tensor,
    image: Tensor,
    *,
    radius_voxel: int = 5,
    position_sigma_voxel: float = 6.0,
    intensity_sigma: float = 0.1,
    gate: Tensor | None = None,
) -> Tensor:
    """Sum the weighted disagreement of each voxel with its neighbours in a window, and average over voxels.

    From "Gated CRF Loss for Weakly Supervised Semantic Image Segmentation" (Obukhov et al., 2019, arXiv:1906.04651),
    with one Gaussian kernel, ``kᵢⱼ = exp(−|pᵢ − pⱼ|² / 2σ_p² − |xᵢ − xⱼ|² / 2σ_x²)`` for i ≠ j in the same window. The
    published code also counts pairs with voxels outside the image, a term without gradient.

    Args:
        probabilities: B×C×[D×]H×W.
        image: B×channels×[D×]H×W on the same grid.
        radius_voxel: half the side of the window; a window has (2·radius + 1)² or ³ voxels.
        position_sigma_voxel: σ_p.
        intensity_sigma: σ_x, in the unit of the normalised image.
        gate: B×[D×]H×W bool; only pairs of True voxels count, and the average is over True voxels. None counts all.

    Returns:
        Scalar, 0 where all neighbours agree.

    Raises:
        ConfigError: if the grids differ.
    """
    probabilities, image = _float_pair(probabilities, image)
    weights = None if gate is None else gate.to(probabilities.dtype)[:, None]
    messages = torch.zeros_like(probabilities, memory_format=torch.contiguous_format)
    total = probabilities.new_zeros(())
    with torch.no_grad():
        for here, there, square in _window(image.shape[2:], radius_voxel):
            difference = (image[here] - image[there]).square().sum(dim=1, keepdim=True)
            exponent = difference.mul_(-0.5 / intensity_sigma**2).sub_(0.5 * square / position_sigma_voxel**2)
            kernel = exponent.exp_()
            if weights is not None:
                kernel = kernel * weights[here] * weights[there]
            total += 2 * kernel.sum()
            messages[here].addcmul_(kernel, probabilities[there])
            messages[there].addcmul_(kernel, probabilities[here])
        voxels = probabilities.new_tensor(probabilities[:, 0].numel()) if gate is None else gate.sum().clamp(min=1)
    return _energy(probabilities, messages, total) / voxels


def dense_crf_loss(
    probabilities: Tensor,
    image: Tensor,
    *,
    nodes: int = 1024,
    position_sigma_voxel: float = 100.0,
    intensity_sigma: float = 0.1,
) -> Tensor:
    """Average the weighted disagreement of all pairs of voxels of a sample, on a coarser grid.

    From "On Regularized Losses for Weakly-supervised CNN Segmentation" (RLoss, Tang et al., ECCV 2018,
    arXiv:1803.09569). The published code approximates the Gaussian filter by a permutohedral lattice; here prediction
    and image are averaged to at most `nodes` cells, and the filter is exact on these.

    Args:
        probabilities: B×C×[D×]H×W.
        image: B×channels×[D×]H×W on the same grid.
        nodes: largest number of cells of a sample; memory and time grow with its square.
        position_sigma_voxel: of the kernel, in voxels of the full grid.
        intensity_sigma: of the kernel, in the unit of the normalised image.

    Returns:
        Scalar in [0, 1].

    Raises:
        ConfigError: if the grids differ.
    """
    probabilities, image = _float_pair(probabilities, image)
    grid = _coarse_grid(probabilities.shape[2:], nodes)
    coarse = _pooled(probabilities, grid)
    steps = [side / cells for side, cells in zip(probabilities.shape[2:], grid, strict=True)]
    places = torch.cartesian_prod(*(torch.arange(cells, device=image.device) * 1.0 for cells in grid))
    places = places * torch.tensor(steps, device=image.device) / position_sigma_voxel
    messages, total = torch.zeros_like(coarse), coarse.new_zeros(())
    with torch.no_grad(), without_autocast(image):  # products of half precision lose a tenth
        for sample, cells in enumerate(_pooled(image, grid) / intensity_sigma):  # one kernel at a time
            features = torch.cat([places.to(cells), cells.T], dim=1)
            squares = features.square().sum(dim=1)
            distance = (squares[:, None] + squares[None] - 2 * features @ features.T).clamp_(min=0)
            kernel = distance.mul_(-0.5).exp_().fill_diagonal_(0)
            messages[sample] = coarse[sample] @ kernel
            total += kernel.sum()
    return _energy(coarse, messages, total) / (len(coarse) * coarse.shape[2] ** 2)


def _energy(probabilities: Tensor, messages: Tensor, total: Tensor) -> Tensor:
    """Σ k − Σ y·m with the gradient −2·m, for messages that were computed from y itself."""
    product = (probabilities * messages).sum()
    return total + product.detach() - 2 * product


def _float_pair(probabilities: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
    if probabilities.shape[:1] + probabilities.shape[2:] != image.shape[:1] + image.shape[2:]:
        raise ConfigError(f"image {tuple(image.shape)} does not lie on the grid of {tuple(probabilities.shape)}")
    probabilities = at_least_float32(probabilities)
    return probabilities, image.detach().to(probabilities.dtype)


Region = tuple[slice, ...]


def _window(grid: Sequence[int], radius_voxel: int) -> Iterator[tuple[Region, Region, int]]:
    """Each pair of places in a window once: both as slices of B×C×grid, and their squared distance."""
    reach = [min(radius_voxel, side - 1) for side in grid]
    for shift in product(*(range(-one, one + 1) for one in reach)):
        if shift > (0,) * len(grid):
            here = tuple(slice(max(0, -step), side - max(0, step)) for step, side in zip(shift, grid, strict=True))
            there = tuple(slice(max(0, step), side + min(0, step)) for step, side in zip(shift, grid, strict=True))
            every = (slice(None), slice(None))
            yield every + here, every + there, sum(step * step for step in shift)


def _pooled(values: Tensor, grid: Sequence[int]) -> Tensor:
    """Averages over the cells of a coarse grid, B×C×cells."""
    pooled: Tensor = (F.adaptive_avg_pool2d if len(grid) == 2 else F.adaptive_avg_pool3d)(values, grid)  # type: ignore[arg-type]  # torch's stubs want a tuple of that length
    return pooled.flatten(2)


def _coarse_grid(grid: Sequence[int], nodes: int) -> list[int]:
    """A grid of at most so many cells with about the same shape."""
    volume = 1
    for side in grid:
        volume *= side
    shrink = min(1.0, (nodes / volume) ** (1 / len(grid)))
    return [max(1, int(side * shrink + 1e-6)) for side in grid]
