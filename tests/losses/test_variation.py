"""Total variation and Mumford–Shah against values computed by hand and in NumPy."""

import numpy as np
import pytest
import torch

from lesslabel.losses import mumford_shah_loss, total_variation_loss


def test_total_variation_of_a_square_is_its_perimeter():
    square = torch.zeros(1, 1, 6, 7)
    square[..., 2:4, 2:5] = 1.0
    prediction = torch.cat([1 - square, square], 1)
    assert float(total_variation_loss(prediction)) == pytest.approx(10 / 42)
    assert float(total_variation_loss(prediction, include_background=True)) == pytest.approx(20 / 84)


def test_total_variation_of_a_cube_is_its_surface():
    cube = torch.zeros(1, 1, 5, 5, 5)
    cube[..., 1:3, 1:4, 1:3] = 1.0
    faces = 2 * (2 * 3 + 3 * 2 + 2 * 2)
    assert float(total_variation_loss(torch.cat([1 - cube, cube], 1))) == pytest.approx(faces / 125)


@pytest.mark.parametrize("grid", [(5, 6), (3, 4, 5)], ids=["2d", "3d"])
def test_mumford_shah_is_the_variance_in_classes_plus_the_length(grid):
    generator = torch.Generator().manual_seed(0)
    y = torch.randn(2, 3, *grid, generator=generator, dtype=torch.float64).softmax(1)
    x = torch.randn(2, 2, *grid, generator=generator, dtype=torch.float64)
    total = 0.0
    for sample in range(2):
        for share in y[sample].numpy():
            for channel in x[sample].numpy():
                mean = (share * channel).sum() / share.sum()
                total += (share * (channel - mean) ** 2).sum()
            total += 0.5 * sum(np.abs(np.diff(share, axis=axis)).sum() for axis in range(len(grid)))
    loss = mumford_shah_loss(y, x, length_weight=0.5)
    assert float(loss) == pytest.approx(total / y[:, 0].numel(), rel=1e-10)


def test_the_gradient_is_the_derivative_though_the_means_depend_on_the_prediction():
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(1, 3, 4, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    image = torch.randn(1, 1, 4, 5, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda values: mumford_shah_loss(values.softmax(1), image), logits)


def test_two_flat_regions_cost_their_boundary_alone():
    image = torch.zeros(1, 1, 6, 6)
    image[..., 3:] = 2.0
    prediction = torch.cat([(image == 0).float(), (image > 0).float()], 1)
    assert float(mumford_shah_loss(prediction, image)) == pytest.approx(2 * 6 / 36)
    assert float(mumford_shah_loss(prediction, image, length_weight=0.0)) == pytest.approx(0, abs=1e-6)
