"""Omni: annotations completed by the teacher, and the same formula whatever is annotated."""

import math

import numpy as np
import pytest
import torch
from batches import CLASSES, batch_of, volumes_of
from numpy_losses import numpy_dice_loss, numpy_partial_cross_entropy, softmax
from torch import nn

from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE, Kind
from lesslabel.errors import ConfigError
from lesslabel.losses import class_balanced_label, confident_label
from lesslabel.methods import Omni
from lesslabel.methods.perturb import StrongIntensity
from lesslabel.methods.teacher import forgetting_decay
from lesslabel.networks import UNet

KINDS = [
    [Kind.DENSE, Kind.SCRIBBLE, Kind.NONE],
    [Kind.SCRIBBLE, Kind.SCRIBBLE],
    [Kind.DENSE, Kind.NONE],
    [Kind.DENSE],
    [Kind.NONE, Kind.NONE],
]


def make(dimensions: int = 2, **settings) -> Omni:
    torch.manual_seed(0)
    return Omni(CLASSES, network=UNet(dimensions=dimensions, channels=(4, 8)), **settings).eval()


class Says(nn.Module):
    """A network with the given probability of class 1 in each voxel, and of class 2 the rest."""

    def __init__(self, *probabilities: float) -> None:
        super().__init__()
        one = torch.tensor(probabilities)
        self.logits = torch.stack([torch.zeros_like(one), one, 1 - one]).log()[None, :, None]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(image), -1, -1, -1)


def test_what_is_annotated_stays_and_the_confident_teacher_completes_it() -> None:
    method = make(threshold=0.8, least_share=0.0)
    method.teacher.network = Says(0.9, 0.9, 0.6, 0.1)
    batch = Batch(
        image=torch.zeros(2, 1, 1, 4),
        target=torch.tensor([[[0, IGNORE, IGNORE, IGNORE]], [[0, 2, IGNORE, 1]]]),
        kind=torch.full((2,), int(Kind.SCRIBBLE)),
        annotated_labels=torch.tensor([[True, True, True], [True, True, False]]),
        uid=["a", "b"],
    )
    # the second annotation does not speak of class 2, so that its background may be of it; what it does name stays
    assert method.completed(batch).tolist() == [[[0, 1, IGNORE, 2]], [[1, 2, IGNORE, 1]]]


def test_a_class_is_labelled_by_its_most_confident_voxels_however_large_the_others_are() -> None:
    """By hand: of class 0 three voxels reach 0.8; of the two of class 1, both below it, the more confident one."""
    confidence = torch.tensor([0.95, 0.9, 0.85, 0.7, 0.6, 0.55])
    label = torch.tensor([0, 0, 0, 0, 1, 1])
    probabilities = torch.zeros(1, 3, 1, 6)
    probabilities[0, 2, 0] = 1 - confidence
    probabilities[0, label, 0, torch.arange(6)] = confidence
    assert class_balanced_label(probabilities, 0.8, 0.5).tolist() == [[[0, 0, 0, IGNORE, 1, IGNORE]]]
    assert class_balanced_label(probabilities, 0.8, 1.0).tolist() == [[[0, 0, 0, 0, 1, 1]]]
    assert torch.equal(class_balanced_label(probabilities, 0.8, 0.0), confident_label(probabilities, 0.8))


def test_strokes_count_as_much_beside_a_dense_slice_as_alone() -> None:
    """A dense slice of the batch has hundreds of known voxels, a scribbled one a few."""
    method = make().train()
    batch, alone = batch_of([Kind.DENSE, Kind.SCRIBBLE]), batch_of([Kind.DENSE, Kind.SCRIBBLE])
    alone["target"][0], alone["kind"][0] = IGNORE, int(Kind.NONE)
    with torch.no_grad():
        both, one = method.losses(batch), method.losses(alone)
    assert float(both["partial_cross_entropy"]) == pytest.approx(float(one["partial_cross_entropy"]), rel=1e-6)
    assert float(one["cross_entropy"]) == 0.0


@pytest.mark.parametrize("kinds", KINDS, ids=lambda kinds: "-".join(kind.name.lower() for kind in kinds))
@torch.no_grad()
def test_one_formula_for_any_mixture_of_annotations(kinds: list[Kind]) -> None:
    """Without changes of the image the strong view is the plain one."""
    method = make(
        completed_weight=2.0,
        threshold=0.345,
        least_share=0.0,
        strong=StrongIntensity(probability=0.0),
        cutmix_probability=0.0,
    )
    batch = batch_of(kinds)
    probabilities = softmax(method.network(batch["image"]).double().numpy())
    target = batch["target"].numpy()
    own = np.where(probabilities.max(1) >= 0.345, probabilities.argmax(1), IGNORE)
    completed = np.where(target == IGNORE, own, target)
    terms = method.losses(batch)
    weight = 2.0 * math.exp(-5) * 0.5
    expected = weight * numpy_partial_cross_entropy(probabilities, completed)
    assert float(terms["completed_cross_entropy"]) == pytest.approx(expected, rel=1e-4)
    assert float(terms["completed_dice"]) == pytest.approx(weight * numpy_dice_loss(probabilities, completed), rel=1e-4)

    def cross_entropy_of(samples: list[int]) -> float:
        return numpy_partial_cross_entropy(probabilities[samples], target[samples]) if samples else 0.0

    dense = [index for index, kind in enumerate(kinds) if kind == Kind.DENSE]
    dice = 0.5 * numpy_dice_loss(probabilities[dense], target[dense]) if dense else 0.0
    assert float(terms["dice"]) == pytest.approx(dice, rel=1e-4)
    assert float(terms["cross_entropy"]) == pytest.approx(0.5 * cross_entropy_of(dense), rel=1e-4)
    sparse = [index for index, kind in enumerate(kinds) if kind == Kind.SCRIBBLE]
    assert float(terms["partial_cross_entropy"]) == pytest.approx(cross_entropy_of(sparse), rel=1e-4)


@torch.no_grad()
def test_slices_of_one_volume_may_be_annotated_differently() -> None:
    batch = volumes_of([[Kind.DENSE, Kind.SCRIBBLE, Kind.NONE, Kind.DENSE], [Kind.NONE] * 4])
    batch["annotated_labels"][0, 2, 1] = False
    completed = make(3, threshold=0.0).completed(batch)
    assert (completed != IGNORE).all()
    known = batch["target"] != IGNORE
    known[0, 1] &= batch["target"][0, 1] != 0
    assert torch.equal(completed[known], batch["target"][known])


def test_the_teacher_predicts() -> None:
    method = make()
    with torch.no_grad():
        method.network.head.weight.zero_()
    image = batch_of([Kind.NONE])["image"]
    assert torch.equal(method.logits(image), method.teacher(image))


def test_the_teacher_is_close_behind_its_student() -> None:
    assert [forgetting_decay(step, 0.99) for step in (0, 8)] == [0.1, 0.5]
    assert forgetting_decay(889, 0.99) < forgetting_decay(890, 0.99) == forgetting_decay(9000, 0.99) == 0.99
    method = make()
    before = method.teacher.network.head.weight.clone()
    with torch.no_grad():
        method.network.head.weight.zero_()
    method.after_update()  # the first one
    torch.testing.assert_close(method.teacher.network.head.weight, 0.1 * before)


@pytest.mark.parametrize(
    "settings", [{"threshold": -0.1}, {"least_share": 1.5}, {"cutmix_probability": 2.0}, {"completed_weight": -1.0}]
)
def test_bad_settings_of_omni_are_named(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        make(**settings)
