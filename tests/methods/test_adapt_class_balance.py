"""CBMT: labels, weights and the loss by hand and by NumPy, and what the teacher does."""

import math

import numpy as np
import pytest
import torch
from batches import CLASSES, batch_of

from lesslabel.data.batch import Batch
from lesslabel.data.case import Kind
from lesslabel.errors import ConfigError
from lesslabel.methods import CBMT, Supervised
from lesslabel.methods.adapt.cbmt import class_weights, foreground_label, undecided_losses
from lesslabel.methods.perturb import StrongIntensity
from lesslabel.networks import UNet

SHAPE = UNet(channels=(4, 8), normalisation="instance")
AS_IT_IS = StrongIntensity(probability=0.0)


def voxels(*rows: tuple[float, ...]) -> torch.Tensor:
    """1×C×1×N probabilities of N voxels."""
    return torch.tensor(rows).T[None, :, None]


def test_structures_share_the_threshold_and_the_most_probable_one_wins() -> None:
    p = voxels((0.2, 0.5, 0.3), (0.2, 0.1, 0.7), (0.26, 0.7, 0.04), (0.25, 0.5, 0.25), (1.0, 0.0, 0.0))
    assert foreground_label(p, 0.75).flatten().tolist() == [1, 2, 0, 1, 0]


def test_undecided_voxels_by_hand() -> None:
    # γ = 0.75, α = 0.2: background if 1 − p_0 > 0.15, a structure if p_c < 0.95
    p = voxels((0.84, 0.16, 0.0), (0.86, 0.14, 0.0), (0.4, 0.6, 0.0), (0.1, 0.9, 0.0), (0.04, 0.96, 0.0))
    label = foreground_label(p, 0.75)
    assert label.flatten().tolist() == [0, 0, 0, 1, 1]
    sums, counts = undecided_losses(p, label, 0.75, 0.2)
    torch.testing.assert_close(sums, torch.tensor([-math.log(0.84) - math.log(0.4), -math.log(0.9), 0.0]))
    assert counts.tolist() == [2.0, 1.0, 0.0]


def test_the_weights_are_the_inverse_of_the_mean_losses() -> None:
    weights = class_weights(torch.tensor([[2.0, 0.5, 0.0], [4.0, 5.0, 0.0]]))
    torch.testing.assert_close(weights, torch.tensor([0.1 / 0.5, 1.0, 1.0]))  # means 0.5 and 0.1, and none
    assert class_weights(torch.zeros(2, 3)).tolist() == [1.0, 1.0, 1.0]


def published(teacher: np.ndarray, student: np.ndarray, gamma: float, alpha: float) -> float:
    """The loss of one structure with the background weighted, after the public code; both are its probabilities."""
    label = teacher > gamma
    below = ~label & (teacher > gamma * alpha)
    above = label & (teacher < 1 - (1 - gamma) * alpha)
    weight = np.where(label, 1.0, (-np.log(teacher[above])).mean() / (-np.log(1 - teacher[below])).mean())
    loss = -np.where(label, np.log(student), np.log(1 - student))
    return float((weight * loss).sum() / weight.sum())


@pytest.mark.parametrize(("gamma", "alpha"), [(0.5, 0.2), (0.6, 0.4)])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_for_two_classes_the_loss_is_the_published_one(dimensions: int, gamma: float, alpha: float) -> None:
    torch.manual_seed(2)
    shape = UNet(dimensions=dimensions, channels=(4, 8), normalisation="instance")  # type: ignore[arg-type]
    method = CBMT(2, threshold=gamma, margin=alpha, statistics_decay=0.0, strong=AS_IT_IS, network=shape)
    with torch.no_grad():
        method.teacher.network.head.weight.mul_(4.0)  # it is surer than the student
    batch = batch_of([Kind.NONE, Kind.DENSE], dimensions)
    with torch.no_grad():
        teacher = method.teacher(batch["image"]).softmax(dim=1)[:, 1].numpy()
        student = method.network(batch["image"]).softmax(dim=1)[:, 1].numpy()
    assert 0.02 < (teacher > gamma).mean() < 0.95
    loss = method.losses(batch)["cross_entropy"].item()
    assert loss == pytest.approx(published(teacher, student, gamma, alpha), rel=1e-5)


def test_statistics_fade_and_stay_with_the_weights() -> None:
    torch.manual_seed(0)
    method = CBMT(CLASSES, statistics_decay=0.5, network=SHAPE)
    batch = batch_of([Kind.NONE])
    method.losses(batch)
    once = method.undecided.clone()
    assert once[1].sum() > 0
    method.losses(batch)  # the teacher has not changed
    torch.testing.assert_close(method.undecided, 1.5 * once)
    assert torch.equal(method.state_dict()["undecided"], method.undecided)


def test_both_start_as_the_source_and_the_teacher_follows_slowly() -> None:
    torch.manual_seed(0)
    given = Supervised(CLASSES, network=SHAPE).state_dict()
    method = CBMT(CLASSES, teacher_decay=0.9, network=SHAPE)
    method.load_state_dict(method.complete_weights(given))
    source = method.network.head.weight.detach().clone()
    assert torch.equal(method.teacher.network.head.weight, source)
    with torch.no_grad():
        method.network.head.weight.add_(1.0)
    method.after_update()
    torch.testing.assert_close(method.teacher.network.head.weight, source + 0.1)
    image = batch_of([Kind.NONE])["image"]
    method.eval()
    torch.testing.assert_close(method.logits(image), method.teacher(image))
    state = method.state_dict()
    assert method.complete_weights(state) is state


def test_the_student_alone_sees_the_strong_view() -> None:
    torch.manual_seed(0)
    method = CBMT(CLASSES, strong=StrongIntensity(brightness=3.0, probability=1.0), network=SHAPE).train()
    seen: dict[str, torch.Tensor] = {}
    for name, network in (("teacher", method.teacher.network), ("student", method.network)):
        network.register_forward_pre_hook(lambda _, given, name=name: seen.update({name: given[0]}))
    batch: Batch = batch_of([Kind.NONE, Kind.NONE])
    method.losses(batch)
    assert torch.equal(seen["teacher"], batch["image"])
    assert (seen["student"] - batch["image"]).abs().mean() > 0.1


@pytest.mark.parametrize(
    "settings", [{"threshold": 0.0}, {"threshold": 1.1}, {"margin": -0.1}, {"statistics_decay": 2.0}]
)
def test_a_setting_out_of_its_range_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"model.{next(iter(settings))} must be"):
        CBMT(CLASSES, network=SHAPE, **settings)
