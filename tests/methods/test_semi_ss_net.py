"""SS-Net: the most harmful small change, and the bank of features."""

import pytest
import torch
from batches import CLASSES, batch_of
from torch import nn

from lesslabel.data.case import IGNORE, Kind
from lesslabel.errors import ConfigError
from lesslabel.losses import soft_dice_distance
from lesslabel.methods import SSNet
from lesslabel.networks import UNet

MIXED = [Kind.DENSE, Kind.NONE]


def make(**settings) -> SSNet:
    torch.manual_seed(0)
    return SSNet(CLASSES, network=UNet(channels=(4, 8)), **settings).eval()


class Ramp(nn.Module):
    """The probability of class 1 depends on the mean of the left voxels alone."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logit = image[..., :2].sum(dim=(-1, -2), keepdim=True).expand_as(image)
        return torch.cat([torch.zeros_like(logit), logit], dim=1)


def test_the_change_is_in_the_direction_that_matters() -> None:
    """Only left voxels matter, all alike: the change is ε / √n in each of them, up or down."""
    method = make(magnitude=0.5, probe=0.1)
    method.network = Ramp()
    image = torch.zeros(1, 1, 2, 4)
    plain = method.network(image).softmax(1)
    found = float(method._smoothness(image, plain))
    change = torch.zeros_like(image)
    change[..., :2] = 0.5 / 2
    expected = {float(soft_dice_distance(method.network(image + sign * change).softmax(1), plain)) for sign in (1, -1)}
    assert any(found == pytest.approx(one, rel=1e-4) for one in expected)
    assert found > 0


def test_looking_for_the_change_leaves_no_trace() -> None:
    method = make().train()
    image = batch_of(MIXED)["image"]
    probabilities = method.network(image).softmax(1)
    before = {name: buffer.clone() for name, buffer in method.network.named_buffers()}
    method._smoothness(image, probabilities)
    assert all(torch.equal(before[name], buffer) for name, buffer in method.network.named_buffers())
    assert all(weight.grad is None for weight in method.parameters())
    assert all(module.track_running_stats for module in method.network.modules() if isinstance(module, nn.BatchNorm2d))


def plain_features(**settings) -> tuple[SSNet, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A method without projections, and four voxels of which three are known and two are right about it."""
    method = make(**settings)
    method.projection = method.predictor = nn.Identity()
    features = torch.tensor([[[[2.0, 0, 0, 0], [0, 3.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 1.0]]]])
    probabilities = torch.tensor([[0.1, 0.8, 0.1], [0.0, 0.9, 0.1], [0.1, 0.8, 0.1], [0.2, 0.6, 0.2]])
    return method, features, probabilities.T[None, :, None], torch.tensor([[[1, 1, 0, IGNORE]]])


def test_the_bank_keeps_the_most_confident_features_that_are_right() -> None:
    method, features, probabilities, target = plain_features(bank=1)
    method._fill_bank(features, probabilities, target)
    assert method.filled.tolist() == [False, True, False]
    assert method.bank[1].tolist() == [[0.0, 1.0, 0.0, 0.0]]
    method, *rest = plain_features(bank=3)
    method._fill_bank(*rest)
    assert method.bank[1].tolist() == [[0.0, 1, 0, 0], [1.0, 0, 0, 0], [0.0, 1, 0, 0]]


def test_background_that_may_be_a_missing_class_is_no_example_of_background(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = batch_of([Kind.DENSE, Kind.DENSE])
    batch["annotated_labels"][0, 2] = False
    method, seen = make(), []
    for name in ("_fill_bank", "_separation"):
        monkeypatch.setattr(method, name, lambda *given: (seen.append(given[2]), torch.zeros(()))[1])
    method.losses(batch)
    for target in seen:
        assert (target[0] == IGNORE).equal(batch["target"][0] == 0)
        assert target[1].equal(batch["target"][1])
    assert len(seen) == 2


def test_features_are_compared_with_the_bank_of_their_class() -> None:
    """Class 1 has voxels 0 and 1 by label and 3 by prediction; one of three lies on the bank's feature."""
    method, features, probabilities, target = plain_features(bank=1)
    method._fill_bank(features, probabilities, target)
    assert float(method._separation(features, probabilities, target)) == pytest.approx(1 - 1 / 3)
    assert float(make()._separation(features, probabilities, target)) == 0.0


@pytest.mark.parametrize("setting", ["magnitude", "probe", "bank", "voxels"])
def test_a_setting_of_zero_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=setting):
        make(**{setting: 0})
