"""Cross pseudo supervision against NumPy."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from batches import CLASSES, batch_of
from numpy_losses import numpy_dice_loss, numpy_partial_cross_entropy, softmax

from lesslabel.data.case import Kind
from lesslabel.errors import ConfigError
from lesslabel.methods import CrossPseudoSupervision
from lesslabel.networks import UNet

SHAPE = UNet(channels=(4, 8))
MIXED = [Kind.DENSE, Kind.NONE, Kind.NONE]
PLACES = {"all": [0, 1, 2], "unlabelled": [1, 2]}
LOSSES = {"cross_entropy": numpy_partial_cross_entropy, "dice": numpy_dice_loss}


def make(**settings) -> CrossPseudoSupervision:
    torch.manual_seed(0)
    return CrossPseudoSupervision(CLASSES, network=SHAPE, **settings)


def test_the_networks_start_apart() -> None:
    method = make()
    convolutions = [name for name, weight in method.network.named_parameters() if weight.ndim > 1]
    assert convolutions
    second = dict(method.second.named_parameters())
    assert not any(torch.equal(method.network.get_parameter(name), second[name]) for name in convolutions)


@pytest.mark.parametrize("places", ["all", "unlabelled"])
@pytest.mark.parametrize("loss", ["cross_entropy", "dice"])
@torch.no_grad()
def test_each_network_learns_from_labels_and_from_the_other(loss, places, monkeypatch) -> None:
    monkeypatch.setattr(CrossPseudoSupervision, "global_step", 5)
    monkeypatch.setattr(CrossPseudoSupervision, "trainer", SimpleNamespace(max_steps=10))
    batch = batch_of(MIXED)
    method = make(pseudo_label_weight=0.3, pseudo_label_loss=loss, pseudo_label_on=places).eval()
    terms = method.losses(batch)
    first, second = (softmax(net(batch["image"]).double().numpy()) for net in (method.network, method.second))
    target, chosen = batch["target"].numpy(), PLACES[places]
    known = [0.5 * (numpy_partial_cross_entropy(p, target)) for p in (first, second)]
    dice = [0.5 * numpy_dice_loss(p, target) for p in (first, second)]
    expected = LOSSES[loss](first[chosen], second.argmax(1)[chosen])
    expected += LOSSES[loss](second[chosen], first.argmax(1)[chosen])
    assert float(terms["cross_entropy"]) == pytest.approx(sum(known), rel=1e-5)
    assert float(terms["dice"]) == pytest.approx(sum(dice), rel=1e-5)
    assert float(terms["pseudo_label"]) == pytest.approx(0.3 * math.exp(-1.25) * expected, rel=1e-5)


@pytest.mark.parametrize("loss", ["cross_entropy", "dice"])
def test_no_gradient_flows_through_a_label(loss) -> None:
    """With the second network's own loss taken away, its weights get nothing: it only labelled."""
    batch = batch_of(MIXED)
    method = make(pseudo_label_loss=loss)
    first, second = method.network(batch["image"]), method.second(batch["image"])
    (unused,) = torch.autograd.grad(
        method._pseudo_label_loss(first, second.max(1).indices, batch), second, allow_unused=True
    )
    assert unused is None
    method.losses(batch)["pseudo_label"].backward()
    theirs = next(method.second.parameters()).grad.clone()
    method.second.zero_grad()
    label = method.network(batch["image"]).argmax(1)
    weight = method.pseudo_label_weight * math.exp(-5)
    (weight * method._pseudo_label_loss(method.second(batch["image"]), label, batch)).backward()
    torch.testing.assert_close(theirs, next(method.second.parameters()).grad)


def test_a_batch_without_unlabelled_samples_works() -> None:
    batch = batch_of([Kind.DENSE, Kind.SCRIBBLE])
    assert float(make(pseudo_label_on="unlabelled").losses(batch)["pseudo_label"].detach()) == 0.0
    assert float(make().losses(batch)["pseudo_label"].detach()) > 0.0


@torch.no_grad()
def test_the_first_network_predicts_or_both_on_average() -> None:
    image = batch_of(MIXED)["image"]
    method = make().eval()
    assert torch.equal(method.logits(image), method.network(image))
    both = make(predict_with="both").eval()
    expected = np.mean([softmax(net(image).double().numpy()) for net in (both.network, both.second)], axis=0)
    np.testing.assert_allclose(both.probabilities(image).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pseudo_label_weight": -1.0}, "pseudo_label_weight"),
        ({"ramp_iterations": -1}, "ramp_iterations"),
        ({"pseudo_label_loss": "focal"}, "pseudo_label_loss"),
        ({"pseudo_label_on": "labelled"}, "pseudo_label_on"),
        ({"predict_with": "second"}, "predict_with"),
    ],
)
def test_bad_settings_are_named(settings, message) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**settings)
