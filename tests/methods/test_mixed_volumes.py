"""Volumes of which some slices are dense, others scribbled, others unlabelled."""

import math

import numpy as np
import pytest
import torch
from batches import CLASSES, answer_voxel_by_voxel, batch_of, slice_by_slice, volumes_of
from numpy_losses import numpy_dice_loss, numpy_partial_cross_entropy, softmax

from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE, Kind
from lesslabel.errors import ConfigError
from lesslabel.losses import dice_loss, level_sets, partial_cross_entropy
from lesslabel.methods import DTC, BidirectionalCopyPaste, MeanTeacher, Supervised
from lesslabel.methods.semi import bidirectional_copy_paste
from lesslabel.methods.targets import dense_target, supervised_terms, target_of_kinds, unlabelled_samples
from lesslabel.networks import UNet, VNet

SHAPE = UNet(dimensions=3, channels=(4, 8), encoder_dropout=(0.0, 0.0))
DENSE, SCRIBBLE, NONE = Kind.DENSE, Kind.SCRIBBLE, Kind.NONE


def six_slices() -> Batch:
    """A volume with three dense slices and scribbles on the other three, and one without labels."""
    first, second = (
        volumes_of([[SCRIBBLE, DENSE, DENSE, SCRIBBLE], [NONE] * 4]),
        volumes_of([[DENSE, SCRIBBLE] * 2] * 2),
    )
    second["target"][1], second["kind"][1] = IGNORE, int(NONE)
    both = {
        name: torch.cat([first[name], second[name].narrow(axis, 0, 2)], dim=axis)
        for name, axis in (("image", 2), ("target", 1), ("kind", 1), ("annotated_labels", 2))
    }
    return Batch(uid=first["uid"], **both)


@torch.no_grad()
def test_dice_is_that_of_the_three_dense_slices_and_cross_entropy_that_of_all_known_voxels() -> None:
    batch = six_slices()
    assert (batch["kind"][0] == int(DENSE)).sum() == 3
    torch.manual_seed(0)
    method = Supervised(CLASSES, network=SHAPE).eval()
    logits = method.network(batch["image"])
    terms = method.losses(batch)
    probabilities, target = softmax(logits.double().numpy()), batch["target"].numpy()
    dense = batch["kind"][0] == int(DENSE)
    expected = numpy_dice_loss(probabilities[:1, :, dense], target[:1, dense])
    assert float(terms["dice"]) == pytest.approx(0.5 * expected, rel=1e-5)
    alone = dice_loss(logits[:1, :, dense].softmax(dim=1), batch["target"][:1, dense])
    assert float(terms["dice"]) == pytest.approx(0.5 * float(alone), rel=1e-6)
    expected = numpy_partial_cross_entropy(probabilities, target)
    assert float(terms["cross_entropy"]) == pytest.approx(0.5 * expected, rel=1e-5)
    assert expected != pytest.approx(numpy_partial_cross_entropy(probabilities[:1, :, dense], target[:1, dense]))


def test_by_hand() -> None:
    """Four slices of one voxel: dense, scribbled, dense, unlabelled; p of class 1 is 1/2, 1/4, 3/4, 7/8."""
    foreground = torch.tensor([0.5, 0.25, 0.75, 0.875])
    logits = torch.stack([(1 - foreground).log(), foreground.log()])[None, :, :, None, None]
    batch = Batch(
        image=torch.zeros(1, 1, 4, 1, 1),
        target=torch.tensor([1, 0, 0, IGNORE])[None, :, None, None],
        kind=torch.tensor([[int(DENSE), int(SCRIBBLE), int(DENSE), int(NONE)]]),
        annotated_labels=torch.ones(1, 2, 4, dtype=torch.bool),
        uid=["a"],
    )
    terms = supervised_terms(logits, batch)
    cross_entropy = -(math.log(0.5) + math.log(0.75) + math.log(0.25)) / 3
    # class 1: p = (1/2, 3/4), t = (1, 0); background: p = (1/2, 1/4), t = (0, 1)
    dice = 1 - (2 * 0.5 / (0.25 + 0.5625 + 1) + 2 * 0.25 / (0.25 + 0.0625 + 1)) / 2
    assert float(terms["cross_entropy"]) == pytest.approx(0.5 * cross_entropy, rel=1e-5)
    assert float(terms["dice"]) == pytest.approx(0.5 * dice, rel=1e-4)


def test_targets_of_kinds_and_unlabelled_samples_are_those_of_slices() -> None:
    batch = volumes_of([[DENSE, SCRIBBLE, NONE, DENSE], [NONE] * 4, [SCRIBBLE, NONE, NONE, NONE]])
    dense, drawn = dense_target(batch), target_of_kinds(batch, (Kind.SCRIBBLE, Kind.PSEUDO))
    for sample, volume in enumerate(batch["kind"].tolist()):
        for z, kind in enumerate(volume):
            expected = batch["target"][sample, z]
            assert torch.equal(dense[sample, z], expected if kind == DENSE else torch.full_like(expected, IGNORE))
            assert torch.equal(drawn[sample, z], expected if kind == SCRIBBLE else torch.full_like(expected, IGNORE))
    assert unlabelled_samples(batch).tolist() == [False, True, False]


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_kind_for_each_sample_counts_in_all_its_slices(dimensions: int) -> None:
    """What code that builds batches of its own may give, in 3D too."""
    batch = batch_of([DENSE, SCRIBBLE, NONE], dimensions)
    hidden = dense_target(batch)
    assert torch.equal(hidden[0], batch["target"][0])
    assert (hidden[1:] == IGNORE).all()
    assert unlabelled_samples(batch).tolist() == [False, False, True]
    if dimensions == 3:
        by_slice = slice_by_slice(batch)
        assert torch.equal(dense_target(by_slice), hidden)
        assert unlabelled_samples(by_slice).tolist() == [False, False, True]


@pytest.mark.parametrize("shape", [(2,), (3, 5), (3, 4, 16), (1, 4)])
def test_kinds_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    batch = batch_of([DENSE] * 3, 3)
    batch["kind"] = torch.ones(shape, dtype=torch.int64)
    with pytest.raises(ConfigError, match="one value for each sample, or in 3D one for each slice"):
        dense_target(batch)
    in_2d = batch_of([DENSE] * 3)
    in_2d["kind"] = torch.ones(3, 16, dtype=torch.int64)
    with pytest.raises(ConfigError, match="do not fit"):
        dense_target(in_2d)


@torch.no_grad()
def test_level_sets_of_dtc_are_those_of_runs_of_dense_slices() -> None:
    torch.manual_seed(0)
    method = DTC(CLASSES, network=VNet(3, (4, 8), (0.0, 0.0))).eval()
    batch = volumes_of([[DENSE, DENSE, SCRIBBLE, DENSE], [NONE] * 4])
    _, second = method.network(batch["image"])
    signed = torch.tanh(second)[0].numpy()
    errors = [
        (signed[:, run] - level_sets(batch["target"][0, run].numpy(), CLASSES)) ** 2 for run in (slice(2), slice(3, 4))
    ]
    expected = np.concatenate(errors, axis=1).mean()
    assert float(method.losses(batch)["level_set"]) == pytest.approx(float(expected), rel=1e-5)


def test_consistency_is_asked_for_where_no_slice_is_labelled() -> None:
    torch.manual_seed(0)
    method = MeanTeacher(CLASSES, network=SHAPE).eval()
    seen: list[int] = []
    method.teacher.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    method.losses(volumes_of([[NONE, NONE, SCRIBBLE, NONE], [NONE] * 4, [DENSE] * 4]))
    assert seen == [1]


@torch.no_grad()
def test_pasted_voxels_keep_the_kind_of_the_slice_they_were_cut_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two volumes whose dense slices are not the same ones; the box holds the inner two slices."""
    inside = torch.zeros(4, 16, 16, dtype=torch.bool)
    inside[1:3, 3:14, 2:15] = True
    monkeypatch.setattr(bidirectional_copy_paste, "random_box", lambda *_: inside)
    method = BidirectionalCopyPaste(CLASSES, network=SHAPE).eval()
    answer_voxel_by_voxel(method)
    batch = volumes_of([[DENSE, SCRIBBLE, DENSE, NONE], [SCRIBBLE, DENSE, SCRIBBLE, DENSE]])
    terms = method.losses(batch)
    outer, inner = batch["image"]
    logits = method.network(torch.where(inside, inner, outer)[None])
    dice, known = [], []
    for sample, region in ((0, ~inside), (1, inside)):
        target = torch.where(region, batch["target"][sample], IGNORE)
        dense = [z for z, kind in enumerate(batch["kind"][sample].tolist()) if kind == DENSE]
        probabilities = softmax(logits.double().numpy())
        dice.append(numpy_dice_loss(probabilities[:, :, dense], target[None, dense].numpy()))
        known.append(float(partial_cross_entropy(logits, target[None])))
    assert float(terms["dice"]) == pytest.approx(0.5 * sum(dice), rel=1e-5)
    assert float(terms["cross_entropy"]) == pytest.approx(0.5 * sum(known), rel=1e-5)
