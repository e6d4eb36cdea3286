"""Bidirectional copy-paste by hand, voxel by voxel."""

import numpy as np
import pytest
import torch
from batches import CLASSES, batch_of
from numpy_losses import numpy_dice_loss, numpy_partial_cross_entropy, softmax
from scipy import ndimage

from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE, Kind
from lesslabel.errors import ConfigError
from lesslabel.methods import BidirectionalCopyPaste
from lesslabel.methods.semi import bidirectional_copy_paste
from lesslabel.methods.semi.bidirectional_copy_paste import random_box
from lesslabel.methods.targets import take_samples, within
from lesslabel.networks import UNet

SHAPE = UNet(channels=(4, 8))
SIDE = 6
INSIDE = np.zeros((SIDE, SIDE), dtype=bool)
INSIDE[1:5, 2:6] = True
CORNERS = ((0, 0), (2, 3), (1, 2), (4, 5), (5, 2))  # outside, inside, the box's own corners, outside


def tiny_batch(labelled: int, unlabelled: int) -> Batch:
    """Labelled images hold 10, 20 …, unlabelled −10, −20 …, each plus its pixel's number; kinds are shuffled."""
    values = [10.0 * (i + 1) for i in range(labelled)] + [-10.0 * (i + 1) for i in range(unlabelled)]
    kinds = [Kind.DENSE] * labelled + [Kind.NONE] * unlabelled
    order = np.random.default_rng(0).permutation(len(values))
    pixels = torch.arange(SIDE * SIDE).reshape(1, SIDE, SIDE) / 100
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(CLASSES, (len(values), SIDE, SIDE), generator=generator)
    targets[labelled:] = IGNORE
    return Batch(
        image=torch.stack([values[i] + pixels for i in order]),
        target=targets[order],
        kind=torch.tensor([int(kinds[i]) for i in order]),
        annotated_labels=torch.ones(len(values), CLASSES, dtype=torch.bool),
        uid=[str(i) for i in order],
    )


class Pointwise(torch.nn.Module):
    """Logits that are a function of the voxel alone; keeps what it saw."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = torch.nn.Parameter(torch.tensor(slope))
        self.seen: list[torch.Tensor] = []

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.seen.append(image)
        return self.slope * torch.cat([torch.sin(image), torch.cos(3 * image), torch.sin(7 * image)], dim=1)


@pytest.fixture
def method(monkeypatch):
    made = BidirectionalCopyPaste(
        CLASSES, pretrain_iterations=0, pseudo_label_weight=0.5, largest_component=False, network=SHAPE
    )
    made.network, made.teacher.network = Pointwise(2.0), Pointwise(-1.0)
    monkeypatch.setattr(bidirectional_copy_paste, "random_box", lambda *_: torch.from_numpy(INSIDE))
    return made


def groups(batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    labelled = batch["kind"].numpy() == int(Kind.DENSE)
    image = batch["image"].numpy()
    return image[labelled], batch["target"].numpy()[labelled], image[~labelled]


def numpy_part(logits: np.ndarray, target: np.ndarray) -> tuple[float, float]:
    probabilities = softmax(logits)
    return numpy_partial_cross_entropy(probabilities, target), numpy_dice_loss(probabilities, target)


def logits_of(network: Pointwise, image: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return network(torch.from_numpy(image)).double().numpy()


def test_both_directions_are_pasted_as_published(method) -> None:
    batch = tiny_batch(4, 4)
    images, _, unlabelled = groups(batch)
    method.losses(batch)
    inward, outward = (image.numpy()[:, 0] for image in method.network.seen)
    assert len(inward) == len(outward) == 2
    for pair in range(2):
        for y, x in CORNERS:
            box = 1 <= y < 5 and 2 <= x < 6
            assert inward[pair, y, x] == (images if box else unlabelled)[pair, 0, y, x]
            assert outward[pair, y, x] == (unlabelled if box else images)[pair + 2, 0, y, x]


def test_the_terms_are_the_weighted_parts_of_both_directions(method) -> None:
    batch = tiny_batch(4, 4)
    _, targets, unlabelled = groups(batch)
    with torch.no_grad():
        terms = method.losses(batch)
    inward, outward = (logits_of(method.network, image.numpy()) for image in list(method.network.seen))
    pseudo = logits_of(method.teacher.network, unlabelled).argmax(1)
    parts = {
        "labelled": [
            numpy_part(inward, np.where(INSIDE, targets[:2], IGNORE)),
            numpy_part(outward, np.where(INSIDE, IGNORE, targets[2:])),
        ],
        "pseudo": [
            numpy_part(inward, np.where(INSIDE, IGNORE, pseudo[:2])),
            numpy_part(outward, np.where(INSIDE, pseudo[2:], IGNORE)),
        ],
    }
    assert float(terms["cross_entropy"]) == pytest.approx(0.5 * sum(p[0] for p in parts["labelled"]), rel=1e-5)
    assert float(terms["dice"]) == pytest.approx(0.5 * sum(p[1] for p in parts["labelled"]), rel=1e-5)
    assert float(terms["pseudo_label"]) == pytest.approx(0.25 * sum(map(sum, parts["pseudo"])), rel=1e-5)


def test_pre_training_pastes_labelled_into_labelled(method) -> None:
    method.pretrain_iterations = 1
    batch = tiny_batch(4, 3)
    images, targets, _ = groups(batch)
    with torch.no_grad():
        terms = method.losses(batch)
    (mixed,) = method.network.seen
    assert not method.teacher.network.seen
    np.testing.assert_array_equal(mixed.numpy(), np.where(INSIDE, images[2:], images[:2]))
    logits = logits_of(method.network, mixed.numpy())
    outside = numpy_part(logits, np.where(INSIDE, IGNORE, targets[:2]))
    inside = numpy_part(logits, np.where(INSIDE, targets[2:], IGNORE))
    assert set(terms) == {"cross_entropy", "dice"}
    assert float(terms["cross_entropy"]) == pytest.approx(0.5 * (outside[0] + inside[0]), rel=1e-5)
    assert float(terms["dice"]) == pytest.approx(0.5 * (outside[1] + inside[1]), rel=1e-5)


@pytest.mark.parametrize(("labelled", "unlabelled"), [(1, 1), (3, 1), (1, 2), (2, 5), (3, 3)])
def test_odd_and_unequal_numbers_use_every_sample_in_both_directions(method, labelled, unlabelled) -> None:
    batch = tiny_batch(labelled, unlabelled)
    sum(method.losses(batch).values()).backward()
    inward, outward = (image.detach() for image in method.network.seen)
    assert len(inward) + len(outward) == max(labelled, unlabelled, 2)
    assert min(len(inward), len(outward)) >= 1
    seen = torch.cat([inward, outward]).round(decimals=-1).unique().tolist()
    values = [10.0 * (i + 1) for i in range(labelled)] + [-10.0 * (i + 1) for i in range(unlabelled)]
    assert seen == sorted(values)


@pytest.mark.parametrize("labelled", [1, 2, 3, 5])
def test_pre_training_uses_every_labelled_sample(method, labelled) -> None:
    method.pretrain_iterations = 1
    method.losses(tiny_batch(labelled, 0))
    seen = method.network.seen[0].round(decimals=-1).unique().tolist()
    assert seen == [10.0 * (i + 1) for i in range(labelled)]


def test_without_unlabelled_samples_it_learns_from_labels_and_without_labels_nothing(method) -> None:
    assert set(method.losses(tiny_batch(2, 0))) == {"cross_entropy", "dice"}
    assert not method.teacher.network.seen
    nothing = method.losses(tiny_batch(0, 2))
    assert all(float(term.detach()) == 0.0 for term in nothing.values())
    sum(nothing.values()).backward()


def test_no_gradient_flows_through_a_pseudo_label(method) -> None:
    method.teacher.network.slope.requires_grad_()
    labels = method.pseudo_labels(tiny_batch(0, 2)["image"])
    assert not labels.requires_grad
    assert labels.dtype == torch.int64


@pytest.mark.parametrize("dimensions", [2, 3])
def test_pseudo_labels_keep_the_largest_component_of_each_class(dimensions) -> None:
    grid = (4, 16, 16) if dimensions == 3 else (16, 16)
    torch.manual_seed(0)
    method = BidirectionalCopyPaste(CLASSES, network=SHAPE)
    raw = torch.randint(CLASSES, (2, *grid))
    method.teacher.forward = lambda _: torch.nn.functional.one_hot(raw, CLASSES).movedim(-1, 1).float()
    kept = method.pseudo_labels(torch.zeros(2, 1, *grid))
    for sample, labels in zip(raw.numpy(), kept.numpy(), strict=True):
        for index in range(1, CLASSES):
            components, count = ndimage.label(sample == index)
            largest = max((components == number).sum() for number in range(1, count + 1))
            assert (labels == index).sum() == largest
            assert ndimage.label(labels == index)[1] == 1
            assert (sample[labels == index] == index).all()


@pytest.mark.parametrize("shape", [(6, 9), (7, 5), (4, 6, 9)])
def test_the_box_has_two_thirds_of_each_side_and_lies_anywhere_inside(shape) -> None:
    torch.manual_seed(0)
    corners = set()
    for _ in range(300):
        inside = random_box(shape, 2 / 3).numpy()
        bounds = [(int(axis.min()), int(axis.max()) + 1) for axis in np.nonzero(inside)]
        assert [end - start for start, end in bounds] == [side * 2 // 3 for side in shape]
        assert inside.sum() == np.prod([end - start for start, end in bounds])
        corners.add(tuple(start for start, _ in bounds))
    assert len(corners) == np.prod([side - side * 2 // 3 + 1 for side in shape])


def test_samples_are_taken_in_order_and_in_turn_with_all_they_carry() -> None:
    batch = batch_of([Kind.DENSE, Kind.SCRIBBLE, Kind.NONE])
    batch["weight"] = torch.rand(batch["target"].shape)
    batch["derived"] = torch.rand(batch["image"].shape)
    taken = take_samples(batch, torch.tensor([1, 3, 5]))
    assert taken["uid"] == ["case1", "case0", "case2"]
    for name in ("image", "target", "kind", "annotated_labels", "weight", "derived"):
        assert torch.equal(taken[name], batch[name][[1, 0, 2]])


def test_a_region_hides_the_target_outside_and_leaves_the_batch_alone() -> None:
    batch = batch_of([Kind.DENSE])
    whole = batch["target"].clone()
    region = torch.zeros(16, 16, dtype=torch.bool)
    region[3:9] = True
    hidden = within(batch, region)["target"]
    assert torch.equal(hidden[0, 3:9], whole[0, 3:9])
    assert (hidden[0, :3] == IGNORE).all()
    assert (hidden[0, 9:] == IGNORE).all()
    assert torch.equal(batch["target"], whole)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pretrain_iterations": -1}, "pretrain_iterations"),
        ({"pseudo_label_weight": -0.5}, "pseudo_label_weight"),
        ({"box": 1.0}, "box"),
        ({"teacher_decay": -0.1}, "teacher_decay"),
    ],
)
def test_bad_settings_are_named(settings, message) -> None:
    with pytest.raises(ConfigError, match=message):
        BidirectionalCopyPaste(3, **settings)
