"""Cross teaching: two architectures, Dice against each other's labels on unlabelled samples."""

import math

import pytest
import torch
from batches import CLASSES, batch_of
from numpy_losses import numpy_dice_loss, softmax

from lesslabel.data.case import Kind
from lesslabel.errors import ConfigError
from lesslabel.methods import CrossTeaching
from lesslabel.networks import UNet, VNet

MIXED = [Kind.DENSE, Kind.NONE, Kind.NONE]


def make(**settings) -> CrossTeaching:
    torch.manual_seed(0)
    settings = {"second_network": VNet(channels=(4, 6)), **settings}
    return CrossTeaching(CLASSES, network=UNet(channels=(4, 8)), **settings).eval()


@torch.no_grad()
def test_each_architecture_learns_the_labels_of_the_other() -> None:
    method = make(pseudo_label_weight=2.0)
    assert type(method.network) is not type(method.second)
    image = batch_of(MIXED)["image"]
    first, second = (softmax(net(image).double().numpy())[1:] for net in (method.network, method.second))
    dice = numpy_dice_loss(first, second.argmax(1)) + numpy_dice_loss(second, first.argmax(1))
    terms = method.losses(batch_of(MIXED))
    assert float(terms["pseudo_label"]) == pytest.approx(2.0 * math.exp(-5) * dice, rel=1e-5)
    assert torch.equal(method.logits(image), method.network(image))


def test_networks_of_other_dimensions_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"second_network\.dimensions is 3"):
        make(second_network=VNet(dimensions=3, channels=(4, 6)))
