"""CycleMix beside figures worked out by hand and a loop over voxels."""

import math

import numpy as np
import pytest
import torch
from batches import CLASSES, batch_of
from numpy_losses import numpy_partial_cross_entropy, softmax

from lesslabel.data.case import IGNORE, Kind
from lesslabel.errors import ConfigError
from lesslabel.losses import partial_cross_entropy
from lesslabel.methods import CycleMix
from lesslabel.methods.perturb import CutMixParameters, sample_cutmix
from lesslabel.methods.weak.cycle_mix import largest_parts, mixed_cross_entropy
from lesslabel.networks import UNet

SHAPE = UNet(channels=(4, 8))


def one_hot(label: list[list[int]]) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor([label]), CLASSES).movedim(-1, 1).float()


def test_of_each_class_the_largest_part_is_kept() -> None:
    predicted = one_hot([[1, 1, 0, 2], [0, 0, 1, 0], [2, 2, 0, 0]])  # diagonal voxels do not touch
    expected = one_hot([[1, 1, 0, 0], [0, 0, 0, 0], [2, 2, 0, 0]])
    torch.testing.assert_close(largest_parts(0.8 * predicted + 0.1), expected)


def test_nothing_but_background_stays_background() -> None:
    background = one_hot([[0, 0], [0, 0]])
    torch.testing.assert_close(largest_parts(background), background)


def test_a_mix_is_supervised_by_the_strokes_of_both_without_the_hole() -> None:
    batch = batch_of([Kind.SCRIBBLE, Kind.DENSE])
    shape = batch["target"].shape
    inside, empty = torch.zeros(shape, dtype=torch.bool), torch.zeros(shape, dtype=torch.bool)
    inside[0, :8, :8] = inside[1, 4:, 4:] = True
    empty[:, 5, :] = True
    logits = torch.randn(2, CLASSES, *shape[1:], generator=torch.Generator().manual_seed(0))
    mix = CutMixParameters(inside, torch.tensor([1, 0]))
    target = np.where(inside, batch["target"].flip(0), batch["target"])
    target = np.where(empty, IGNORE, target)
    expected = numpy_partial_cross_entropy(softmax(logits.double().numpy()), target)
    assert float(mixed_cross_entropy(logits, batch, mix, empty)) == pytest.approx(expected, rel=1e-5)


def test_a_mix_is_averaged_over_weights_where_there_are_some() -> None:
    batch = batch_of([Kind.SCRIBBLE, Kind.DENSE])
    generator = torch.Generator().manual_seed(1)
    batch["weight"] = torch.rand(batch["target"].shape, generator=generator)
    mix = sample_cutmix(2, batch["target"].shape[1:], probability=1.0, generator=generator)
    nothing = torch.zeros_like(mix.inside)
    logits = torch.randn(2, CLASSES, *batch["target"].shape[1:], generator=generator)
    expected = partial_cross_entropy(logits, mix.apply(batch["target"]), weight=mix.apply(batch["weight"]))
    assert float(mixed_cross_entropy(logits, batch, mix, nothing)) == pytest.approx(float(expected), rel=1e-5)


def test_a_batch_that_is_emptied_as_a_whole_has_a_finite_loss() -> None:
    method = CycleMix(CLASSES, occluded_share=(1.0, 1.0), network=SHAPE)
    for seed in range(20):
        torch.manual_seed(seed)
        assert all(torch.isfinite(term) for term in method.losses(batch_of([Kind.SCRIBBLE] * 2)).values())


def test_a_mix_without_any_stroke_costs_nothing() -> None:
    batch = batch_of([Kind.NONE, Kind.NONE])
    mix = sample_cutmix(2, batch["target"].shape[1:], probability=1.0)
    nothing = torch.zeros_like(mix.inside)
    logits = torch.zeros(2, CLASSES, *batch["target"].shape[1:])
    assert float(mixed_cross_entropy(logits, batch, mix, nothing)) == 0.0


@torch.no_grad()
def test_the_prediction_of_the_mix_is_compared_with_the_mix_of_predictions() -> None:
    batch = batch_of([Kind.SCRIBBLE, Kind.SCRIBBLE, Kind.NONE])
    method = CycleMix(CLASSES, global_weight=2.0, local_weight=0.0, network=SHAPE).eval()
    answer = method.network.forward
    method.network.forward = lambda images: 200 * answer(images)  # so that predictions differ
    torch.manual_seed(3)
    terms = method.losses(batch)
    assert set(terms) == {"partial_cross_entropy", "mixed_cross_entropy", "global"}
    torch.manual_seed(3)
    samples, shape = len(batch["image"]), batch["image"].shape[2:]
    mix = sample_cutmix(samples, shape, share=(0.1, 0.5), probability=1.0)
    hole = sample_cutmix(samples, shape, share=(0.02, 0.05), probability=1.0)
    image = batch["image"].clone()
    for sample, partner in enumerate(mix.partner.tolist()):
        image[sample, 0][mix.inside[sample]] = batch["image"][partner, 0][mix.inside[sample]]
        image[sample, 0][hole.inside[sample]] = 0.0
    of_images = softmax(method.network(batch["image"]).double().numpy())
    of_mixes = softmax(method.network(image).double().numpy())
    cosines = []
    for sample, partner in enumerate(mix.partner.tolist()):
        for place in np.ndindex(*shape):
            if not hole.inside[sample][place]:
                source = partner if mix.inside[sample][place] else sample
                one, other = of_mixes[(sample, slice(None), *place)], of_images[(source, slice(None), *place)]
                cosines.append(one @ other / math.sqrt(one @ one) / math.sqrt(other @ other))
    assert float(terms["global"]) == pytest.approx(2 * (1 - np.mean(cosines)), rel=1e-4)


@torch.no_grad()
def test_a_prediction_in_one_piece_and_certain_costs_nothing() -> None:
    batch = batch_of([Kind.DENSE, Kind.DENSE])
    method = CycleMix(CLASSES, network=SHAPE)
    certain = 40 * torch.nn.functional.one_hot(batch["target"], CLASSES).movedim(-1, 1).float()
    method.network.forward = lambda _: certain
    assert float(method.losses(batch)["local"]) == pytest.approx(0.0, abs=1e-6)


def test_bad_settings_are_named() -> None:
    with pytest.raises(ConfigError, match="local_weight"):
        CycleMix(CLASSES, local_weight=-1.0)
    with pytest.raises(ConfigError, match=r"share \(0.0, 0.5\)"):
        CycleMix(CLASSES, mixed_share=(0.0, 0.5))
