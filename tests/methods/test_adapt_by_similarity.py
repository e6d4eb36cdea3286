"""CPR: similarity, its loss and the random walk by NumPy, the refined labels by hand, and the order of the stages."""

import math

import numpy as np
import pytest
import torch
from batches import CLASSES, batch_of

from lesslabel.data.case import IGNORE, Kind
from lesslabel.errors import ConfigError
from lesslabel.methods import CPR, Supervised
from lesslabel.methods.adapt.cpr import calibrated, clear_label, focal_loss
from lesslabel.methods.similarity import (
    at_offset,
    neighbour_offsets,
    neighbour_similarity,
    random_walk,
    similarity_loss,
)
from lesslabel.networks import UNet

SHAPE = UNet(channels=(4, 8), encoder_dropout=(0.0, 0.3))
GRIDS = [(5, 4), (3, 4, 2)]


def row(*values: float) -> torch.Tensor:
    """Voxels in a row, of one sample and one channel."""
    return torch.tensor(values).reshape(1, 1, 1, -1)


def places_of(grid: tuple[int, ...]) -> np.ndarray:
    return np.stack(np.unravel_index(np.arange(math.prod(grid)), grid), axis=1)


def dense_similarity(features: np.ndarray, grid: tuple[int, ...], radius: int) -> np.ndarray:
    """The matrix of one sample, features × places; 0 for places that are no neighbours, 1 for a place itself."""
    places = places_of(grid)
    near = ((places[:, None] - places[None]) ** 2).sum(axis=2) < radius**2
    return np.where(near, np.exp(-np.abs(features[:, :, None] - features[:, None]).mean(axis=0)), 0.0)


def test_the_neighbourhood_is_a_ball_without_its_centre() -> None:
    assert len(neighbour_offsets(4, 2)) == 44  # 22 pairs and their opposites
    assert sorted(neighbour_offsets(2, 2)) == sorted((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0))
    assert len(neighbour_offsets(2, 3)) == 26
    assert all(tuple(-side for side in step) in neighbour_offsets(3, 3) for step in neighbour_offsets(3, 3))


def test_a_neighbour_is_read_and_the_outside_is_filled() -> None:
    values = torch.arange(6).reshape(1, 2, 3)
    assert at_offset(values, (1, -1), -7).tolist() == [[[-7, 3, 4], [-7, -7, -7]]]
    assert at_offset(values, (5, 0), -7).unique().tolist() == [-7]


@pytest.mark.parametrize("grid", GRIDS)
def test_walk_and_similarity_are_those_of_the_dense_matrix(grid: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.rand((2, 6, *grid), generator=generator)
    values = torch.rand((2, 3, *grid), generator=generator)
    offsets = neighbour_offsets(3, len(grid))
    similarity = neighbour_similarity(features, offsets)
    walked = random_walk(values, similarity**2, offsets, steps=4)
    for sample in range(2):
        matrix = dense_similarity(features[sample].flatten(1).numpy(), grid, 3) ** 2
        transition = matrix / matrix.sum(axis=0, keepdims=True)
        # as published: squared twice
        expected = values[sample].flatten(1).numpy() @ np.linalg.matrix_power(transition, 4)
        np.testing.assert_allclose(walked[sample].flatten(1).numpy(), expected, rtol=1e-4)
    torch.testing.assert_close(random_walk(values, similarity, offsets, steps=0), values)


@pytest.mark.parametrize("grid", GRIDS)
def test_the_loss_of_the_similarity_by_pairs(grid: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(1)
    features = torch.rand((1, 6, *grid), generator=generator)
    label = torch.randint(0, 4, (1, *grid), generator=generator)
    label[label == 3] = IGNORE
    offsets = neighbour_offsets(3, len(grid))
    matrix = dense_similarity(features[0].flatten(1).numpy(), grid, 3)
    own = label.flatten().numpy()
    pairs: dict[str, list[float]] = {"background": [], "structure": [], "different": []}
    for i in range(len(own)):
        for j in range(len(own)):
            if i == j or matrix[i, j] == 0.0 or IGNORE in (own[i], own[j]):
                continue
            if own[i] != own[j]:
                pairs["different"].append(-math.log(1 - matrix[i, j]))
            else:
                pairs["structure" if own[i] else "background"].append(-math.log(matrix[i, j]))
    means = {kind: float(np.mean(losses)) for kind, losses in pairs.items()}
    expected = means["background"] / 4 + means["structure"] / 4 + means["different"] / 2
    loss = similarity_loss(neighbour_similarity(features, offsets), label, offsets)
    assert float(loss) == pytest.approx(expected, rel=1e-3)
    assert float(similarity_loss(neighbour_similarity(features, offsets), label * 0 + IGNORE, offsets)) == 0.0


def test_a_label_that_its_neighbours_do_not_share_walks_away() -> None:
    features = row(0.0, 0.0, 0.0, 9.0, 9.0)
    foreground = row(0.9, 0.1, 0.9, 0.0, 0.0)
    offsets = neighbour_offsets(2, 2)
    walked = random_walk(foreground, neighbour_similarity(features, offsets), offsets, steps=4)
    assert walked[0, 0, 0, 1] > 0.5
    assert walked[0, 0, 0, 3] < 0.01


def test_calibration_restores_the_maximum_and_invents_nothing() -> None:
    after, before = torch.cat([row(0.2, 0.4), row(0.0, 0.0)], 1), torch.cat([row(0.9, 0.1), row(0.0, 0.0)], 1)
    torch.testing.assert_close(calibrated(after, before), torch.cat([row(0.45, 0.9), row(0.0, 0.0)], 1))


def test_clear_labels_by_hand() -> None:
    p = torch.cat([row(0.0, 0.7, 0.5, 0.1), row(0.9, 0.1, 0.5, 0.86), row(0.1, 0.39, 0.2, 0.95)], 1)
    assert clear_label(p, 0.4, 0.85).flatten().tolist() == [1, 0, IGNORE, 2]


def test_the_focal_loss_by_hand() -> None:
    y = torch.cat([row(0.8, 0.3, 0.5), row(0.2, 0.7, 0.5)], 1)
    label = torch.tensor([0, 0, IGNORE]).reshape(1, 1, 3)
    expected = -(0.2**2 * math.log(0.8) + 0.7**2 * math.log(0.3)) / 2
    assert float(focal_loss(y.log(), label, 2.0)) == pytest.approx(expected, rel=1e-5)
    assert float(focal_loss(y.log(), label, 0.0)) == pytest.approx(-(math.log(0.8) + math.log(0.3)) / 2, rel=1e-5)
    assert float(focal_loss(y.log(), label * 0 + IGNORE, 2.0)) == 0.0


def test_the_similarity_learns_first_and_the_network_later() -> None:
    torch.manual_seed(0)
    batch = batch_of([Kind.NONE, Kind.NONE])
    method = CPR(CLASSES, passes=2, largest_deviation=0.5, threshold=0.4, block_voxel=2, network=SHAPE).train()
    terms = method.losses(batch)
    assert terms.keys() == {"context"}
    terms["context"].backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in method.context[0].parameters())
    assert all(weight.grad is None for weight in method.network.parameters())
    method = CPR(CLASSES, passes=2, context_share=0.0, low=0.45, high=0.5, network=SHAPE).train()
    terms = method.losses(batch)
    assert terms.keys() == {"context", "focal"}
    terms["focal"].backward()
    assert all(weight.grad is not None for weight in method.network.parameters())
    assert all(weight.grad is None for weight in [*method.context.parameters(), *method.source.parameters()])


def test_it_starts_from_a_network_alone() -> None:
    torch.manual_seed(1)
    given = Supervised(CLASSES, network=SHAPE).state_dict()
    method = CPR(CLASSES, network=SHAPE)
    drawn = method.context[0].weight.detach().clone()
    method.load_state_dict(method.complete_weights(given))
    state = method.state_dict()
    for name, tensor in given.items():
        assert torch.equal(state[name], tensor)
        assert torch.equal(state[f"source.{name}"], tensor)
    assert torch.equal(state["context.0.weight"], drawn)
    assert method.complete_weights(state) is state


@pytest.mark.parametrize(
    "settings", [{"radius": 1}, {"block_voxel": 0}, {"walk_power": 0.0}, {"high": 1.5}, {"focus": -1.0}]
)
def test_a_setting_out_of_its_range_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"model.{next(iter(settings))} must"):
        CPR(CLASSES, network=SHAPE, **settings)  # type: ignore[arg-type]
