"""Tent and AdaMI: what moves, what does not, and hand-computed terms."""

import math

import pytest
import torch
from batches import CLASSES, batch_of
from torch import nn

from lesslabel.data.case import Kind
from lesslabel.errors import ConfigError
from lesslabel.losses import class_share_divergence, entropy_loss
from lesslabel.methods import AdaMI, Tent
from lesslabel.networks import UNet

SHAPE = UNet(channels=(4, 8), encoder_dropout=(0.0, 0.5))


def one_update(method: Tent | AdaMI) -> dict[str, torch.Tensor]:
    """Take one large step and return which weights moved."""
    before = {name: tensor.clone() for name, tensor in method.state_dict().items()}
    optimiser = torch.optim.SGD((p for p in method.parameters() if p.requires_grad), lr=1.0)
    sum(method.losses(batch_of([Kind.NONE, Kind.NONE])).values()).backward()
    optimiser.step()
    return {name: tensor for name, tensor in method.state_dict().items() if not torch.equal(tensor, before[name])}


def test_tent_moves_scale_shift_and_statistics_of_normalisation_and_nothing_else() -> None:
    torch.manual_seed(0)
    method = Tent(CLASSES, network=SHAPE).train()
    normalisations = {
        f"{name}.{part}"
        for name, module in method.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    }
    moved = set(one_update(method))
    assert moved
    assert moved <= normalisations


def test_tent_keeps_dropout_off() -> None:
    method = Tent(CLASSES, network=SHAPE).train()
    batch = batch_of([Kind.NONE, Kind.NONE])
    assert torch.equal(method.losses(batch)["entropy"], method.losses(batch)["entropy"])


def test_tent_lowers_the_entropy_it_minimises() -> None:
    torch.manual_seed(0)
    method = Tent(CLASSES, network=SHAPE).train()
    optimiser = torch.optim.Adam((p for p in method.parameters() if p.requires_grad), lr=0.05)
    batch, values = batch_of([Kind.NONE, Kind.NONE]), []
    for _ in range(10):
        loss = method.losses(batch)["entropy"]
        values.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert values[-1] < 0.95 * values[0]


def test_entropy_weights_and_share_divergence_by_hand() -> None:
    probabilities = torch.tensor([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]]).T.reshape(1, 3, 1, 2)
    half, quarter = 0.5 * math.log(2), 0.25 * math.log(4)
    by_hand = (0.2 * half + 0.3 * quarter + 0.5 * quarter) / 2 / math.log(3)
    assert entropy_loss(probabilities, torch.tensor([0.2, 0.3, 0.5])).item() == pytest.approx(by_hand)
    # the mean prediction is 0.75, 0.125, 0.125
    by_hand = 0.75 * math.log(0.75 / 0.8) + 0.125 * math.log(0.125 / 0.1) + 0.125 * math.log(0.125 / 0.1)
    divergence = class_share_divergence(probabilities, torch.tensor([0.8, 0.1, 0.1]))
    assert divergence.item() == pytest.approx(by_hand, rel=1e-5)
    assert class_share_divergence(probabilities, torch.tensor([0.75, 0.125, 0.125])).item() == pytest.approx(
        0, abs=1e-6
    )


@pytest.mark.parametrize("shares", [[0.5, 0.5], [1.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
def test_adami_refuses_what_are_no_shares(shares: list[float]) -> None:
    with pytest.raises(ConfigError, match=f"model.class_shares needs {CLASSES} positive shares"):
        AdaMI(CLASSES, class_shares=shares, network=SHAPE)


def test_adami_moves_the_shares_towards_the_source() -> None:
    torch.manual_seed(0)
    wanted = torch.tensor([0.9, 0.06, 0.04])
    method = AdaMI(CLASSES, class_shares=wanted.tolist(), share_weight=10.0, network=SHAPE).train()
    optimiser = torch.optim.Adam(method.parameters(), lr=0.02)
    batch, values = batch_of([Kind.NONE, Kind.NONE]), []
    for _ in range(15):
        terms = method.losses(batch)
        values.append(terms["class_shares"].item())
        optimiser.zero_grad()
        sum(terms.values()).backward()
        optimiser.step()
    assert values[-1] < 0.2 * values[0]
