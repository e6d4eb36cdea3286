"""FixMatch, UniMatch and AD-MT: confident labels of plain images, learnt on strong views."""

import math

import numpy as np
import pytest
import torch
from batches import CLASSES, batch_of
from numpy_losses import numpy_dice_loss, softmax
from torch import nn

from lesslabel.data.case import IGNORE, Kind
from lesslabel.errors import ConfigError
from lesslabel.losses import confident_cross_entropy, confident_label
from lesslabel.methods import AlternateTeachers, FixMatch, UniMatch
from lesslabel.methods.perturb import StrongIntensity, drop_salient, scale_features, strong_view
from lesslabel.methods.semi.alternate_teachers import ensemble
from lesslabel.networks import UNet

SHAPE = UNet(channels=(4, 8))
MIXED = [Kind.DENSE, Kind.NONE, Kind.NONE]
UNCHANGED = StrongIntensity(probability=0.0)


def make(kind, **settings):
    torch.manual_seed(0)
    return kind(CLASSES, network=SHAPE, **settings).eval()


def predicted(method) -> np.ndarray:
    return softmax(method.network(batch_of(MIXED)["image"][1:]).detach().double().numpy())


def test_labels_are_given_where_the_prediction_is_confident() -> None:
    probabilities = torch.tensor([[0.1, 0.6, 0.8, 0.5], [0.9, 0.4, 0.2, 0.5]]).view(1, 2, 2, 2)
    assert confident_label(probabilities, 0.8).tolist() == [[[1, IGNORE], [0, IGNORE]]]
    logits = probabilities.log()
    # −ln 0.9 and −ln 0.8 over four voxels
    expected = -(math.log(0.9) + math.log(0.8)) / 4
    assert float(confident_cross_entropy(logits, confident_label(probabilities, 0.8))) == pytest.approx(expected)
    assert float(confident_cross_entropy(logits, confident_label(probabilities, 1.0))) == 0.0


@torch.no_grad()
def test_fixmatch_averages_over_all_voxels_the_cross_entropy_of_the_confident_ones() -> None:
    method = make(FixMatch, pseudo_label_weight=0.7, threshold=0.345, strong=UNCHANGED, cutmix_probability=0.0)
    probabilities = predicted(method)
    confidence = probabilities.max(1)
    assert 0 < (confidence >= 0.345).mean() < 1
    expected = 0.7 * np.where(confidence >= 0.345, -np.log(confidence), 0.0).mean()
    assert float(method.losses(batch_of(MIXED))["pseudo_label"]) == pytest.approx(expected, rel=1e-5)


@torch.no_grad()
def test_unimatch_compares_three_decodings_with_one_label() -> None:
    """Without any perturbation all three are the plain prediction."""
    plain = {"strong": UNCHANGED, "cutmix_probability": 0.0, "feature_dropout": 0.0}
    method = make(UniMatch, pseudo_label_weight=0.6, feature_weight=0.3, threshold=0.345, **plain)
    probabilities = predicted(method)
    label = np.where(probabilities.max(1) >= 0.345, probabilities.argmax(1), IGNORE)
    dice = numpy_dice_loss(probabilities, label)
    terms = method.losses(batch_of(MIXED))
    assert float(terms["feature"]) == pytest.approx(0.3 * dice, rel=1e-5)
    assert float(terms["pseudo_label"]) == pytest.approx(0.6 * dice, rel=1e-5)


def test_unimatch_encodes_the_plain_images_once_and_both_views_together() -> None:
    method = make(UniMatch).train()
    encoded, decoded = [], []
    method.network.encoder.register_forward_hook(lambda _, inputs, __: encoded.append(len(inputs[0])))
    method.network.decoder.register_forward_hook(lambda _, inputs, __: decoded.append(len(inputs[0][0])))
    method.losses(batch_of(MIXED))
    assert encoded == [3, 4]
    assert decoded == [3, 2, 4]


def test_a_ramp_holds_the_pseudo_labels_back_at_first() -> None:
    batch = batch_of(MIXED)
    torch.manual_seed(1)
    full = make(FixMatch, threshold=0.345).losses(batch)["pseudo_label"]
    torch.manual_seed(1)
    first = make(FixMatch, threshold=0.345, ramp_iterations=None).losses(batch)["pseudo_label"]
    torch.testing.assert_close(first, math.exp(-5) * full)


@pytest.mark.parametrize("shape", [(4, 1, 12, 14), (4, 1, 4, 8, 10)])
def test_a_strong_view_mixes_labels_as_it_mixes_images(shape: tuple[int, ...]) -> None:
    label = torch.arange(4).view(-1, *(1,) * (len(shape) - 2)).expand(shape[0], *shape[2:]).contiguous()
    torch.manual_seed(0)
    view, mixed = strong_view(label[:, None].float(), label, UNCHANGED, 1.0)
    assert torch.equal(view[:, 0].long(), mixed)
    assert not torch.equal(mixed, label)


def test_salient_places_are_dropped_and_noise_is_relative() -> None:
    level = torch.tensor([[1.0, 4.0], [10.0, 2.0]]).view(1, 1, 2, 2)
    assert drop_salient([level], (0.3, 0.3))[0].flatten().tolist() == [1.0, 0.0, 0.0, 2.0]
    changed = scale_features([level], 0.3)[0] / level
    assert 0.7 <= float(changed.min()) < float(changed.max()) <= 1.3


def test_teachers_are_weighed_by_their_entropy() -> None:
    """exp(−ln 2) = ½ for the undecided one, exp(0) = 1 for the other."""
    first, second = (torch.tensor(p).view(1, 2, 1, 1) for p in ([0.5, 0.5], [1.0, 0.0]))
    expected = torch.tensor([(0.25 + 1.0) / 1.5, 0.25 / 1.5]).view(1, 2, 1, 1)
    torch.testing.assert_close(ensemble(first, second), expected)


class Fixed(nn.Module):
    """A network that always gives the same probabilities."""

    def __init__(self, probabilities: list[list[float]]) -> None:
        super().__init__()
        self.logits = torch.tensor(probabilities).T.log()[None, :, None]

    def forward(self, _: torch.Tensor) -> torch.Tensor:
        return self.logits


def test_where_the_teachers_conflict_the_more_confident_of_student_and_teachers_labels() -> None:
    """Voxels: the teachers agree; they conflict and the student is surer; they conflict and he is less sure."""
    method = make(AlternateTeachers, threshold=0.6)
    method.teacher.network = Fixed([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1]])
    method.second_teacher.network = Fixed([[0.8, 0.2], [0.4, 0.6], [0.4, 0.6]])
    student = torch.tensor([[0.01, 0.99], [0.01, 0.99], [0.45, 0.55]]).T[None, :, None]
    assert method.pseudo_label(torch.zeros(1, 1, 1, 3), student).tolist() == [[[0, 1, 0]]]
    method.threshold = 0.95
    assert method.pseudo_label(torch.zeros(1, 1, 1, 3), student).tolist() == [[[IGNORE, 1, IGNORE]]]


def test_teachers_follow_the_student_in_turn() -> None:
    method = make(AlternateTeachers, period=1)
    names = ("teacher", "second_teacher")
    followed = []
    for _ in range(4):
        before = {name: getattr(method, name).network.head.weight.clone() for name in names}
        with torch.no_grad():
            method.network.head.weight.add_(1.0)
        method.after_update()
        followed.append([not torch.equal(getattr(method, name).network.head.weight, before[name]) for name in names])
    assert followed == [[True, False], [False, True]] * 2
    torch.manual_seed(0)
    long = make(AlternateTeachers, period=5)
    assert long.updates.tolist() == [0, 0]
    turns = []
    for _ in range(60):
        long.after_update()
        turns.append(int(long.turn))
    assert set(turns) == {0, 1}
    assert sum(long.updates.tolist()) == 60
    assert max(len(run) for run in "".join(map(str, turns)).replace("01", "0 1").replace("10", "1 0").split()) <= 5


def test_the_first_update_of_each_teacher_copies_the_student() -> None:
    method = make(AlternateTeachers, period=1)
    for teacher in (method.teacher, method.second_teacher):
        with torch.no_grad():
            method.network.head.weight.add_(1.0)
        method.after_update()
        torch.testing.assert_close(teacher.network.head.weight, method.network.head.weight, rtol=0, atol=0)


def test_a_trained_network_becomes_both_teachers() -> None:
    method = make(AlternateTeachers)
    weights = {f"network.{name}": torch.full_like(value, 2) for name, value in method.network.state_dict().items()}
    completed = method.complete_weights(weights)
    method.load_state_dict({**method.state_dict(), **completed})
    for teacher in (method.teacher, method.second_teacher):
        assert float(teacher.network.head.weight.detach().mean()) == 2.0
    assert {name.split(".")[0] for name in completed} == {"network", "teacher", "second_teacher"}


def test_a_state_without_a_count_of_updates_goes_on() -> None:
    method = make(AlternateTeachers, period=1)
    older = {name: value for name, value in method.state_dict().items() if name != "updates"}
    again = make(AlternateTeachers, period=1)
    again.load_state_dict(older)
    before = again.teacher.network.head.weight.clone()
    with torch.no_grad():
        again.network.head.weight.add_(1.0)
    again.after_update()
    torch.testing.assert_close(again.teacher.network.head.weight, before + 0.01, rtol=0, atol=1e-6)
    assert set(method.complete_weights(older)) == set(method.state_dict())


def test_ad_mt_learns_the_label_of_both_teachers_in_either_turn() -> None:
    """Student and teachers are alike, so that their label is the student's own where it is confident."""
    method = make(AlternateTeachers, threshold=0.345, pseudo_label_weight=0.6, ramp_iterations=0, strong=UNCHANGED)
    probabilities = predicted(method)
    label = np.where(probabilities.max(1) >= 0.345, probabilities.argmax(1), IGNORE)
    terms = method.losses(batch_of(MIXED))
    assert float(terms["pseudo_label"]) == pytest.approx(0.6 * numpy_dice_loss(probabilities, label), rel=1e-5)
    method.turn.fill_(1)  # CutMix of the two unlabelled images
    torch.manual_seed(1)
    mixed = method.losses(batch_of(MIXED))["pseudo_label"]
    torch.manual_seed(1)
    found = method.pseudo_label(batch_of(MIXED)["image"][1:], torch.from_numpy(probabilities).float())
    view, there = strong_view(batch_of(MIXED)["image"][1:], found, StrongIntensity(probability=0.0), 1.0)
    again = softmax(method.network(view).detach().double().numpy())
    assert not torch.equal(view, batch_of(MIXED)["image"][1:])
    assert float(mixed) == pytest.approx(0.6 * numpy_dice_loss(again, there.numpy()), rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (FixMatch, {"threshold": 1.5}, "threshold"),
        (FixMatch, {"pseudo_label_loss": "focal"}, "pseudo_label_loss"),
        (FixMatch, {"ramp_iterations": -1}, "ramp_iterations"),
        (UniMatch, {"feature_dropout": 1.0}, "feature dropout"),
        (UniMatch, {"feature_weight": -1.0}, "feature_weight"),
        (AlternateTeachers, {"period": 0}, "period"),
    ],
)
def test_settings_out_of_range_are_named(kind, settings, message) -> None:
    with pytest.raises(ConfigError, match=message):
        make(kind, **settings)
