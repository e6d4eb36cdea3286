"""DPL and SHOT: prototypes and labels by hand, what is frozen, and where training starts."""

import math

import pytest
import torch
from batches import CLASSES, batch_of
from torch import nn

from lesslabel.data.case import IGNORE, Kind
from lesslabel.errors import ConfigError
from lesslabel.losses import class_share_divergence
from lesslabel.methods import DPL, SHOT, MeanTeacher, Supervised
from lesslabel.methods.adapt.dpl import denoised_label
from lesslabel.methods.adapt.shot import prototype_label
from lesslabel.methods.prototypes import class_prototypes, nearest_prototype
from lesslabel.networks import UNet

SHAPE = UNet(channels=(4, 8), encoder_dropout=(0.0, 0.5))


def row(*values: float) -> torch.Tensor:
    """Voxels in a row, of one sample and one channel."""
    return torch.tensor(values).reshape(1, 1, 1, -1)


def test_a_prototype_is_a_weighted_mean_and_an_absent_one_is_never_nearest() -> None:
    features = torch.cat([row(0.0, 2.0, 10.0), row(1.0, 1.0, 1.0)], dim=1)
    weights = torch.cat([row(1.0, 3.0, 0.0), row(0.0, 0.0, 0.5), row(0.0, 0.0, 0.0)], dim=1)
    prototypes = class_prototypes(features, weights)
    torch.testing.assert_close(prototypes[:2], torch.tensor([[1.5, 1.0], [10.0, 1.0]]))
    assert prototypes[2].isnan().all()
    assert nearest_prototype(features, prototypes).flatten().tolist() == [0, 0, 1]
    # by angle 2.0 is nearer to 1.5 too; a longer vector of the same direction is as near
    assert nearest_prototype(5.0 * features, prototypes, cosine=True).flatten().tolist() == [0, 0, 1]


def two_passes(*foreground: tuple[float, float]) -> torch.Tensor:
    """T×B×C×H×W of two classes from the foreground's probability in both passes."""
    passes = [row(*(pair[index] for pair in foreground)) for index in range(2)]
    return torch.stack([torch.cat([1.0 - each, each], dim=1) for each in passes])


def test_dpl_keeps_what_is_certain_and_near_its_prototype() -> None:
    predictions = two_passes((0.9, 0.9), (0.9, 0.9), (0.1, 0.1), (0.1, 0.1), (0.6, 0.6), (0.9, 0.78), (0.95, 0.87))
    # the structure; one whose feature is that of the rest; the rest, twice; 0.6 < γ; σ = 0.06; σ = 0.04
    features = row(4.0, 0.2, 0.0, 0.0, 0.0, 4.0, 4.0)
    label = denoised_label(predictions, features, 0.75, 0.05)
    assert label.flatten().tolist() == [1, IGNORE, 0, 0, 0, IGNORE, 1]
    # the prototype of the structure was (0.9·4 + 0.9·0.2 + 0.91·4) / 2.71 = 2.7, that of the rest 0
    features[..., 1] = 2.2
    assert denoised_label(predictions, features, 0.75, 0.05).flatten().tolist()[1] == 1
    assert denoised_label(predictions, features, 0.75, 0.2).flatten().tolist()[5:] == [1, 1]


def test_dpl_weighs_prototypes_by_probability() -> None:
    predictions = two_passes((1.0, 1.0), (0.8, 0.8), (0.0, 0.0))
    features = row(6.0, 0.0, -5.0)
    # (1·6 + 0.8·0) / 1.8 = 3.33: 0 is nearer to it than to −5; without weights it would be 3
    assert denoised_label(predictions, features, 0.75, 0.05).flatten().tolist() == [1, 1, 0]
    features[..., 2] = -3.2
    assert denoised_label(predictions, features, 0.75, 0.05).flatten().tolist() == [1, IGNORE, 0]


def test_dpl_trains_the_network_and_never_the_source() -> None:
    torch.manual_seed(0)
    method = DPL(CLASSES, passes=3, threshold=0.2, largest_deviation=0.5, network=SHAPE).train()
    before = {name: tensor.clone() for name, tensor in method.state_dict().items()}
    optimiser = torch.optim.SGD((p for p in method.parameters() if p.requires_grad), lr=0.1)
    method.losses(batch_of([Kind.NONE, Kind.NONE]))["cross_entropy"].backward()
    optimiser.step()
    moved = {name for name, tensor in method.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved
    assert not {name for name in moved if name.startswith("source.")}


@pytest.mark.parametrize(("make", "copy"), [(DPL, "source"), (MeanTeacher, "teacher")])
def test_training_starts_from_a_network_without_a_copy(make: type[DPL] | type[MeanTeacher], copy: str) -> None:
    torch.manual_seed(1)
    given = Supervised(CLASSES, network=SHAPE).state_dict()
    method = make(CLASSES, network=SHAPE)
    method.load_state_dict(method.complete_weights(given))
    state = method.state_dict()
    for name, tensor in given.items():
        assert torch.equal(state[name], tensor)
        assert torch.equal(state[f"{copy}.{name}"], tensor)
    assert method.complete_weights(state) is state


def test_shot_labels_by_prototypes_twice() -> None:
    # Directions 0°, 10°, 60° and 90°; the prediction says that 60° is of the first class, and 0° with little weight.
    angles = torch.deg2rad(row(0.0, 10.0, 60.0, 90.0))
    features = torch.cat([3.0 * angles.cos(), 3.0 * angles.sin()], dim=1)
    first = row(0.9, 0.9, 0.6, 0.1)
    label = prototype_label(features, torch.cat([first, 1.0 - first], dim=1))

    def mean(degrees: list[float], weights: list[float]) -> float:
        east = sum(w * math.cos(math.radians(d)) for d, w in zip(degrees, weights, strict=True))
        north = sum(w * math.sin(math.radians(d)) for d, w in zip(degrees, weights, strict=True))
        return math.degrees(math.atan2(north, east))

    place = [0.0, 10.0, 60.0, 90.0]
    centres = [mean(place, [0.9, 0.9, 0.6, 0.1]), mean(place, [0.1, 0.1, 0.4, 0.9])]
    once = [int(abs(d - centres[1]) < abs(d - centres[0])) for d in place]
    centres = [mean(place, [float(c == k) for c in once]) for k in (0, 1)]
    twice = [int(abs(d - centres[1]) < abs(d - centres[0])) for d in place]
    assert label.flatten().tolist() == twice == [0, 0, 1, 1]


def test_shot_never_moves_the_head() -> None:
    torch.manual_seed(0)
    method = SHOT(CLASSES, class_shares=[0.9, 0.06, 0.04], network=SHAPE).train()
    assert isinstance(method.network.head, nn.Module)
    assert not any(weight.requires_grad for weight in method.network.head.parameters())
    terms = method.losses(batch_of([Kind.NONE, Kind.NONE]))
    assert terms.keys() == {"entropy", "class_shares", "pseudo_label"}
    sum(terms.values()).backward()
    assert all(weight.grad is not None for weight in method.network.encoder.parameters())


def test_equal_shares_give_the_published_diversity() -> None:
    probabilities = torch.rand(2, 3, 4, 4).softmax(dim=1)
    mean = probabilities.mean(dim=(0, 2, 3))
    published = (mean * mean.log()).sum() + math.log(3)
    torch.testing.assert_close(class_share_divergence(probabilities, torch.full((3,), 1 / 3)), published)


def test_shot_refuses_what_are_no_shares() -> None:
    with pytest.raises(ConfigError, match=f"model.class_shares needs {CLASSES} positive shares"):
        SHOT(CLASSES, class_shares=[0.5, 0.5], network=SHAPE)


def test_prototypes_are_the_same_under_autocast() -> None:
    """A product in bf16 has three digits; features far from 0 then go to another prototype."""
    torch.manual_seed(0)
    features, weights = torch.randn(2, 16, 12, 12) + 5.0, torch.rand(2, CLASSES, 12, 12)
    prototypes = class_prototypes(features, weights)
    nearest = nearest_prototype(features, prototypes)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(class_prototypes(features, weights), prototypes)
        assert torch.equal(nearest_prototype(features, prototypes), nearest)
