"""Pairwise energies against a loop over all pairs, and their hand-written gradient against finite differences."""

import numpy as np
import pytest
import torch

from lesslabel.data.case import IGNORE
from lesslabel.errors import ConfigError
from lesslabel.losses import confident_label, dense_crf_loss, gated_crf_loss, soft_label_loss

GRIDS = [(5, 6), (3, 4, 5)]


def prediction_and_image(grid, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 3, *grid, generator=generator, dtype=torch.float64)
    image = 0.2 * torch.randn(2, 2, *grid, generator=generator, dtype=torch.float64)
    return logits.softmax(1), image


def energy_pair_by_pair(y, x, position_sigma, intensity_sigma, near, gate=None):
    """Σ kᵢⱼ·(1 − Σ yᵢ·yⱼ) of one sample, y (C, grid) and x (channels, grid), over ordered pairs."""
    places = [tuple(place) for place in np.argwhere(np.ones(y.shape[1:], bool))]
    total = 0.0
    for i in places:
        for j in places:
            if i == j or not near(i, j) or (gate is not None and not (gate[i] and gate[j])):
                continue
            apart = sum((a - b) ** 2 for a, b in zip(i, j, strict=True))
            unlike = ((x[(slice(None), *i)] - x[(slice(None), *j)]) ** 2).sum()
            kernel = np.exp(-apart / (2 * position_sigma**2) - unlike / (2 * intensity_sigma**2))
            total += kernel * (1 - (y[(slice(None), *i)] * y[(slice(None), *j)]).sum())
    return total


@pytest.mark.parametrize("grid", GRIDS, ids=["2d", "3d"])
@pytest.mark.parametrize("gated", [False, True])
def test_the_gated_crf_is_the_sum_over_pairs_in_a_window(grid, gated):
    y, x = prediction_and_image(grid)
    gate = torch.rand(2, *grid, generator=torch.Generator().manual_seed(1)) < 0.7 if gated else None
    loss = gated_crf_loss(y, x, radius_voxel=2, position_sigma_voxel=1.5, intensity_sigma=0.3, gate=gate)
    sums = [
        energy_pair_by_pair(
            y[sample].numpy(),
            x[sample].numpy(),
            1.5,
            0.3,
            lambda i, j: max(abs(a - b) for a, b in zip(i, j, strict=True)) <= 2,
            None if gate is None else gate[sample].numpy(),
        )
        for sample in range(2)
    ]
    voxels = y[:, 0].numel() if gate is None else int(gate.sum())
    assert float(loss) == pytest.approx(sum(sums) / voxels, rel=1e-10)


@pytest.mark.parametrize("grid", GRIDS, ids=["2d", "3d"])
def test_the_dense_crf_is_the_mean_over_all_pairs_where_the_grid_is_small(grid):
    y, x = prediction_and_image(grid)
    loss = dense_crf_loss(y, x, nodes=100, position_sigma_voxel=2.0, intensity_sigma=0.3)
    sums = [energy_pair_by_pair(y[s].numpy(), x[s].numpy(), 2.0, 0.3, lambda *_: True) for s in range(2)]
    assert float(loss) == pytest.approx(sum(sums) / (2 * y[0, 0].numel() ** 2), rel=1e-9)


def test_a_coarser_grid_averages_cells_and_keeps_distances_in_voxels():
    y, x = prediction_and_image((8, 8))
    coarse = dense_crf_loss(y, x, nodes=16, position_sigma_voxel=4.0, intensity_sigma=0.3)
    means = [torch.nn.functional.avg_pool2d(values, 2) for values in (y, x)]
    by_hand = dense_crf_loss(*means, nodes=16, position_sigma_voxel=2.0, intensity_sigma=0.3)
    torch.testing.assert_close(coarse, by_hand)


@pytest.mark.parametrize("loss", [lambda y, x: gated_crf_loss(y, x, radius_voxel=1), dense_crf_loss])
@pytest.mark.parametrize("grid", [(3, 4), (2, 2, 3)], ids=["2d", "3d"])
def test_the_gradient_is_the_derivative(loss, grid):
    y, x = (values[:1] for values in prediction_and_image(grid))
    assert torch.autograd.gradcheck(lambda values: loss(values.softmax(1), x), y.clone().requires_grad_())


@pytest.mark.parametrize("loss", [gated_crf_loss, dense_crf_loss])
def test_one_certain_class_everywhere_costs_nothing_and_an_edge_of_the_image_is_the_cheapest_boundary(loss):
    image = torch.zeros(1, 1, 8, 8)
    image[..., 4:] = 1.0

    def cost(first_column):
        inside = torch.zeros(1, 1, 8, 8)
        inside[..., first_column:] = 1.0
        return float(loss(torch.cat([1 - inside, inside], 1), image))

    assert cost(8) == pytest.approx(0, abs=1e-6)
    assert cost(4) < min(cost(2), cost(3), cost(5), cost(6)) / 10


def test_half_precision_gives_the_sum_of_float32():
    y, x = (values.float() for values in prediction_and_image((40, 40)))
    half = gated_crf_loss(y.bfloat16(), x)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, gated_crf_loss(y.bfloat16().float(), x))


def test_the_dense_kernel_is_float32_under_autocast():
    y, x = (values.float() for values in prediction_and_image((24, 24)))
    y.requires_grad_()
    (exact,) = torch.autograd.grad(dense_crf_loss(y, x, nodes=100), y)
    with torch.autocast("cpu", torch.bfloat16):
        (found,) = torch.autograd.grad(dense_crf_loss(y, x, nodes=100), y)
    torch.testing.assert_close(found, exact, rtol=1e-5, atol=1e-9)


def test_an_image_of_another_grid_is_refused():
    y, x = prediction_and_image((5, 6))
    with pytest.raises(ConfigError, match="does not lie on the grid"):
        gated_crf_loss(y, x[..., :-1])


def test_a_label_is_unknown_where_no_class_is_probable_enough():
    probabilities = torch.tensor([[0.6, 0.5, 0.2], [0.3, 0.5, 0.1], [0.1, 0.0, 0.7]]).T[None, :, None]
    label = confident_label(probabilities.transpose(1, 3), 0.5, above=True)
    assert label.flatten().tolist() == [0, IGNORE, 2]


def test_a_soft_label_costs_its_cross_entropy():
    label = torch.tensor([0.25, 0.75]).view(1, 2, 1)
    logits = torch.tensor([0.9, 0.1]).log().view(1, 2, 1).requires_grad_()
    loss = soft_label_loss(logits, label)
    assert float(loss.detach()) == pytest.approx(-(0.25 * np.log(0.9) + 0.75 * np.log(0.1)), rel=1e-6)
    loss.backward()
    torch.testing.assert_close(logits.grad.flatten(), torch.tensor([0.9 - 0.25, 0.1 - 0.75]), rtol=1e-5, atol=1e-6)
