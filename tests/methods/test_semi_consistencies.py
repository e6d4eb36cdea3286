"""ICT, URPC, CCT and MC-Net against NumPy: predictions that must agree under a change of image, scale or decoder."""

import math

import numpy as np
import pytest
import torch
from batches import CLASSES, batch_of
from numpy_losses import numpy_dice_loss, numpy_partial_cross_entropy, softmax
from torch import nn

from lesslabel.data.case import Kind
from lesslabel.errors import ConfigError
from lesslabel.losses import sharpened, soft_dice_distance, uncertainty_rectified_loss
from lesslabel.methods import URPC, CrossConsistency, InterpolationConsistency, MutualConsistency
from lesslabel.methods.semi.interpolation_consistency import mixed_with_next
from lesslabel.networks import UNet

SHAPE = UNet(channels=(4, 8))
MIXED = [Kind.DENSE, Kind.NONE, Kind.NONE]
START = math.exp(-5)  # of the ramp


def make(kind, **settings):
    torch.manual_seed(0)
    return kind(CLASSES, network=SHAPE, **settings).eval()


def numpy_softmax(logits: torch.Tensor) -> np.ndarray:
    return softmax(logits.detach().double().numpy())


def test_each_sample_is_mixed_with_the_next() -> None:
    values = torch.tensor([[1.0], [2.0], [4.0]])
    assert mixed_with_next(values, torch.tensor([1.0, 0.5, 0.25])).flatten().tolist() == [1.0, 3.0, 1.75]


@torch.no_grad()
def test_ict_wants_the_prediction_of_a_mixture_to_be_the_mixture_of_predictions(monkeypatch) -> None:
    beta = torch.tensor([0.25, 0.9])
    monkeypatch.setattr(torch.distributions.Beta, "sample", lambda *_: beta)
    method = make(InterpolationConsistency, consistency_weight=2.0)
    first, second = batch_of(MIXED)["image"][1:]
    teacher = numpy_softmax(method.teacher(torch.stack([first, second])))
    mixtures = torch.stack([0.25 * first + 0.75 * second, 0.9 * second + 0.1 * first])
    target = np.stack([0.25 * teacher[0] + 0.75 * teacher[1], 0.9 * teacher[1] + 0.1 * teacher[0]])
    expected = 2.0 * START * np.mean((numpy_softmax(method.network(mixtures)) - target) ** 2)
    assert float(method.losses(batch_of(MIXED))["consistency"]) == pytest.approx(expected, rel=1e-4)


def test_urpc_by_hand() -> None:
    """Two scales, two voxels; both agree in the second voxel."""
    scales = [np.array([[0.5, 0.5], [0.2, 0.8]]), np.array([[0.9, 0.1], [0.2, 0.8]])]
    mean = (scales[0] + scales[1]) / 2
    expected = []
    for scale in scales:
        divergence = (mean * np.log(mean / scale)).sum(1)
        weight = np.exp(-divergence)
        expected.append(
            (((scale - mean) ** 2).mean(1) * weight).sum() / weight.sum() + divergence.mean(),
        )
    logits = [torch.tensor(scale.T.reshape(1, 2, 1, 2)).log() for scale in scales]
    assert float(uncertainty_rectified_loss(logits)) == pytest.approx(np.mean(expected), rel=1e-6)
    assert float(uncertainty_rectified_loss([logits[0]] * 3)) == pytest.approx(0.0, abs=1e-12)


@torch.no_grad()
def test_urpc_supervises_every_scale_and_compares_unlabelled_ones() -> None:
    method = make(URPC, consistency_weight=3.0)
    batch = batch_of(MIXED)
    scales = method.network(batch["image"])
    assert len(scales) == 2
    assert torch.equal(scales[0], method.logits(batch["image"]))
    terms = method.losses(batch)
    target = batch["target"].numpy()
    predictions = [numpy_softmax(logits) for logits in scales]
    dice = np.mean([numpy_dice_loss(p, target) for p in predictions])
    known = np.mean([numpy_partial_cross_entropy(p, target) for p in predictions])
    assert float(terms["dice"]) == pytest.approx(0.5 * dice, rel=1e-5)
    assert float(terms["cross_entropy"]) == pytest.approx(0.5 * known, rel=1e-5)
    consistency = 3.0 * START * float(uncertainty_rectified_loss([logits[1:] for logits in scales]))
    assert float(terms["consistency"]) == pytest.approx(consistency, rel=1e-5)


@torch.no_grad()
def test_cct_compares_each_auxiliary_decoder_with_the_main_one() -> None:
    """Decoders that give the same everywhere: only their distance to the main prediction counts."""
    method = make(CrossConsistency, consistency_weight=2.0)

    class Certain(nn.Module):
        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

        def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
            logits = torch.full((len(features[0]), CLASSES, *features[0].shape[2:]), -50.0)
            logits[:, self.index] = 50.0
            return logits

    method.auxiliaries = nn.ModuleList(Certain(index) for index in range(3))
    main = numpy_softmax(method.network(batch_of(MIXED)["image"][1:]))
    certain = np.eye(CLASSES)[:, None, :, None, None]
    expected = 2.0 * START * np.mean([np.mean((certain[index] - main) ** 2) for index in range(3)])
    assert float(method.losses(batch_of(MIXED))["consistency"]) == pytest.approx(expected, rel=1e-5)


def test_cct_lets_no_gradient_into_the_main_decoder() -> None:
    method = make(CrossConsistency)
    method.losses(batch_of(MIXED))["consistency"].backward()
    assert all(weight.grad is None for weight in method.network.decoder.parameters())
    assert all(weight.grad is not None for weight in method.network.encoder.parameters())


def test_sharpening_by_hand() -> None:
    logits = torch.tensor([0.6, 0.4]).log().view(1, 2, 1, 1)
    expected = torch.tensor([0.36, 0.16]).view(1, 2, 1, 1) / 0.52
    torch.testing.assert_close(sharpened(logits, 0.5), expected)


@pytest.mark.parametrize("further", [("linear",), ("linear", "nearest")])
@torch.no_grad()
def test_mcnet_compares_every_decoder_with_the_sharpened_other_ones(further) -> None:
    method = make(MutualConsistency, further_decoders=further, temperature=0.1, consistency_weight=2.0)
    batch = batch_of(MIXED)
    predictions = [numpy_softmax(logits) for logits in method.network(batch["image"])]
    assert len(predictions) == len(further) + 1
    labels = [p**10 / (p**10).sum(1, keepdims=True) for p in predictions]
    pairs = [(i, j) for i in range(len(labels)) for j in range(len(labels)) if i != j]
    expected = 2.0 * START * sum(np.mean((predictions[i] - labels[j]) ** 2) for i, j in pairs)
    terms = method.losses(batch)
    assert float(terms["consistency"]) == pytest.approx(expected, rel=1e-4)
    dice = sum(numpy_dice_loss(p, batch["target"].numpy()) for p in predictions)
    assert float(terms["dice"]) == pytest.approx(0.5 * dice, rel=1e-5)


def test_dice_of_two_predictions_by_hand() -> None:
    first, second = (torch.tensor(p).view(1, 2, 1, 1) for p in ([1.0, 0.0], [0.5, 0.5]))
    # class 0: 2·½ / (1 + ¼); class 1: 0 / ¼
    assert float(soft_dice_distance(first, second)) == pytest.approx(1 - (0.8 + 0.0) / 2, abs=1e-4)
    assert float(soft_dice_distance(second, second)) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (InterpolationConsistency, {"mixing": 0.0}, "mixing"),
        (URPC, {"scales": 1}, "scales"),
        (CrossConsistency, {"noise": -0.1}, "noise"),
        (MutualConsistency, {"temperature": 0.0}, "temperature"),
        (MutualConsistency, {"further_decoders": ()}, "further_decoders"),
    ],
)
def test_settings_out_of_their_range_are_named(kind, settings, message) -> None:
    with pytest.raises(ConfigError, match=message):
        make(kind, **settings)
