"""What every supervised loss promises. A new loss adds a row to UNWEIGHTED or WEIGHTED."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lesslabel.data.case import IGNORE
from lesslabel.errors import ConfigError
from lesslabel.losses import dice_loss, partial_cross_entropy

SupervisedLoss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""(logits, target, annotated_labels) → scalar."""

CLASSES = 4


def cross_entropy(logits: Tensor, target: Tensor, annotated_labels: Tensor | None) -> Tensor:
    return partial_cross_entropy(logits, target, annotated_labels=annotated_labels)


def cross_entropy_weighted_by_voxel(logits: Tensor, target: Tensor, annotated_labels: Tensor | None) -> Tensor:
    weight = 0.5 + torch.sigmoid(logits.detach()[:, 0])
    return partial_cross_entropy(logits, target, annotated_labels=annotated_labels, weight=weight)


def cross_entropy_weighted_by_sample(logits: Tensor, target: Tensor, annotated_labels: Tensor | None) -> Tensor:
    weight = 0.5 + torch.sigmoid(logits.detach()[:, 1].flatten(1).mean(1))
    return partial_cross_entropy(logits, target, annotated_labels=annotated_labels, weight=weight)


def dice(
    logits: Tensor,
    target: Tensor,
    annotated_labels: Tensor | None,
    *,
    squared: bool,
    per_sample: bool,
    include_background: bool,
) -> Tensor:
    return dice_loss(
        logits.softmax(dim=1),
        target,
        squared=squared,
        include_background=include_background,
        annotated_labels=annotated_labels,
        per_sample=per_sample,
    )


UNWEIGHTED: dict[str, SupervisedLoss] = {"cross_entropy": cross_entropy} | {
    f"dice-{'squared' if squared else 'plain'}-{'sample' if per_sample else 'batch'}"
    f"-{'all' if include_background else 'foreground'}": partial(
        dice, squared=squared, per_sample=per_sample, include_background=include_background
    )
    for squared in (True, False)
    for per_sample in (True, False)
    for include_background in (True, False)
}

WEIGHTED: dict[str, SupervisedLoss] = {
    "cross_entropy_weighted_by_voxel": cross_entropy_weighted_by_voxel,
    "cross_entropy_weighted_by_sample": cross_entropy_weighted_by_sample,
}
"""Their weight is made from the logits, detached, so that it follows its sample wherever that goes in the batch."""

SUPERVISED = UNWEIGHTED | WEIGHTED

every_unweighted_loss = pytest.mark.parametrize("loss", UNWEIGHTED.values(), ids=UNWEIGHTED.keys())
every_loss = pytest.mark.parametrize("loss", SUPERVISED.values(), ids=SUPERVISED.keys())
every_grid = pytest.mark.parametrize("grid", [(6, 5), (3, 4, 5)], ids=["2d", "3d"])


def random_batch(
    seed: int, grid: tuple[int, ...], batch: int = 3, known_share: float = 0.4, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, a target with unknowns in which unannotated classes do not occur, and the annotated labels."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(batch, CLASSES, *grid, generator=generator, dtype=dtype)
    target = torch.randint(0, CLASSES, (batch, *grid), generator=generator)
    annotated = torch.rand(batch, CLASSES, generator=generator) < 0.7
    annotated[:, 0] = True
    target[~annotated.gather(1, target.flatten(1)).view_as(target)] = 0
    target[torch.rand(target.shape, generator=generator) >= known_share] = IGNORE
    return logits, target, annotated


def random_volumes(seed: int, known_share: float = 0.4) -> tuple[Tensor, Tensor, Tensor]:
    """The same in 3D, with annotated labels B×C×D that differ from slice to slice."""
    logits, target, annotated = random_batch(seed, (6, 5), batch=8, known_share=known_share)
    return _as_volumes(logits), _as_volumes(target), annotated.unflatten(0, (2, 4)).transpose(1, 2)


def _as_volumes(slices: Tensor) -> Tensor:
    """Two volumes of four slices each."""
    volumes = slices.unflatten(0, (2, 4))
    return volumes if slices.ndim == 3 else volumes.transpose(1, 2)


def value_and_gradient(
    loss: SupervisedLoss, logits: Tensor, target: Tensor, annotated: Tensor | None
) -> tuple[Tensor, Tensor]:
    leaf = logits.clone().requires_grad_()
    value = loss(leaf, target, annotated)
    assert value.shape == ()
    (gradient,) = torch.autograd.grad(value, leaf)
    return value.detach(), gradient


@every_loss
@every_grid
@pytest.mark.parametrize("with_annotated", [False, True])
def test_nothing_known_gives_zero_with_zero_gradient(
    loss: SupervisedLoss, grid: tuple[int, ...], with_annotated: bool
) -> None:
    logits, target, annotated = random_batch(0, grid)
    target.fill_(IGNORE)
    value, gradient = value_and_gradient(loss, logits, target, annotated if with_annotated else None)
    assert value.item() == 0
    assert torch.equal(gradient, torch.zeros_like(gradient))


@every_loss
@every_grid
@settings(max_examples=15)
@given(
    seed=st.integers(0, 10_000),
    place=st.integers(0, 3),
    known_share=st.sampled_from([0.05, 0.4, 1.0]),
    with_annotated=st.booleans(),
)
def test_an_unlabelled_sample_changes_nothing(
    loss: SupervisedLoss, grid: tuple[int, ...], seed: int, place: int, known_share: float, with_annotated: bool
) -> None:
    logits, target, annotated = random_batch(seed, grid, batch=3, known_share=known_share)
    other_logits, _, other_annotated = random_batch(seed + 1, grid, batch=1)
    before, gradient_before = value_and_gradient(loss, logits, target, annotated if with_annotated else None)

    def with_other(ours: Tensor, other: Tensor) -> Tensor:
        return torch.cat([ours[:place], other, ours[place:]])

    longer_target = with_other(target, torch.full_like(target[:1], IGNORE))
    longer_annotated = with_other(annotated, other_annotated) if with_annotated else None
    after, gradient = value_and_gradient(loss, with_other(logits, other_logits), longer_target, longer_annotated)
    torch.testing.assert_close(after, before, rtol=1e-12, atol=1e-14)
    kept = [index for index in range(4) if index != place]
    torch.testing.assert_close(gradient[kept], gradient_before, rtol=1e-10, atol=1e-14)
    assert not gradient[place].any()


@every_unweighted_loss
@every_grid
@settings(max_examples=10)
@given(seed=st.integers(0, 10_000), with_annotated=st.booleans())
def test_a_prediction_where_nothing_is_known_does_not_matter(
    loss: SupervisedLoss, grid: tuple[int, ...], seed: int, with_annotated: bool
) -> None:
    logits, target, annotated = random_batch(seed, grid)
    chosen = annotated if with_annotated else None
    unknown = (target == IGNORE)[:, None].expand_as(logits)
    value, gradient = value_and_gradient(loss, logits, target, chosen)
    changed, _ = value_and_gradient(loss, torch.where(unknown, -7 * logits, logits), target, chosen)
    torch.testing.assert_close(changed, value, rtol=1e-12, atol=0)
    assert not gradient[unknown].any()
    assert gradient[~unknown].any()


@every_loss
def test_every_class_annotated_is_the_same_as_none(loss: SupervisedLoss) -> None:
    logits, target, annotated = random_batch(2, (6, 5))
    expected = loss(logits, target, None)
    torch.testing.assert_close(loss(logits, target, torch.ones_like(annotated)), expected, rtol=0, atol=0)


@every_loss
def test_a_background_marked_as_not_annotated_still_takes_what_is_merged(loss: SupervisedLoss) -> None:
    logits, target, annotated = random_batch(2, (6, 5))
    expected = loss(logits, target, annotated)
    annotated[:, 0] = False
    assert torch.equal(loss(logits, target, annotated), expected)


@every_loss
def test_arguments_are_left_as_they_were(loss: SupervisedLoss) -> None:
    arguments = random_batch(2, (6, 5))
    copies = [argument.clone() for argument in arguments]
    loss(*arguments)
    assert all(torch.equal(argument, copy) for argument, copy in zip(arguments, copies, strict=True))


@every_unweighted_loss
def test_a_class_merged_in_every_sample_equals_a_network_without_it(loss: SupervisedLoss) -> None:
    """log(e^a + e^b) is the logit of a merged class, so merging can be done by hand in the logits."""
    logits, target, annotated = random_batch(4, (6, 5))
    annotated[:] = True
    annotated[:, 2] = False
    target[target == 2] = 0
    by_hand = torch.stack([torch.logaddexp(logits[:, 0], logits[:, 2]), logits[:, 1], logits[:, 3]], dim=1)
    smaller = torch.where(target == 3, 2, target)
    torch.testing.assert_close(loss(logits, target, annotated), loss(by_hand, smaller, None), rtol=1e-12, atol=0)


@every_loss
def test_a_label_of_an_unannotated_class_counts_as_background(loss: SupervisedLoss) -> None:
    logits, target, annotated = random_batch(5, (6, 5))
    annotated[:] = True
    annotated[1, 3] = False
    contradicting, consistent = target.clone(), target.clone()
    contradicting[1, 0, :2] = 3
    consistent[1, 0, :2] = 0
    assert torch.equal(loss(logits, contradicting, annotated), loss(logits, consistent, annotated))


@every_loss
def test_a_volume_of_one_slice_equals_the_slice(loss: SupervisedLoss) -> None:
    logits, target, annotated = random_batch(6, (6, 5))
    in_3d = loss(logits[:, :, None], target[:, None], annotated)
    torch.testing.assert_close(in_3d, loss(logits, target, annotated), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", [name for name in UNWEIGHTED if "sample" not in name])
@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), known_share=st.sampled_from([0.05, 0.4, 1.0]))
def test_a_volume_is_the_batch_of_its_slices(name: str, seed: int, known_share: float) -> None:
    """What is annotated may change from slice to slice; sums over the batch do not see where a volume ends."""
    logits, target, annotated = random_batch(seed, (6, 5), batch=8, known_share=known_share)
    volumes = random_volumes(seed, known_share)
    value, gradient = value_and_gradient(UNWEIGHTED[name], logits, target, annotated)
    in_3d, gradient_in_3d = value_and_gradient(UNWEIGHTED[name], *volumes)
    torch.testing.assert_close(in_3d, value, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(gradient_in_3d, _as_volumes(gradient), rtol=1e-10, atol=1e-14)


@every_loss
@pytest.mark.parametrize("seed", range(5))
def test_one_value_for_a_volume_counts_in_all_its_slices(loss: SupervisedLoss, seed: int) -> None:
    """Bit by bit: what is said of a sample is what is said of each of its slices."""
    logits, target, annotated = random_batch(seed, (3, 4, 5))
    value, gradient = value_and_gradient(loss, logits, target, annotated)
    by_slice, gradient_by_slice = value_and_gradient(loss, logits, target, annotated[:, :, None].repeat(1, 1, 3))
    assert torch.equal(by_slice, value)
    assert torch.equal(gradient_by_slice, gradient)


@every_unweighted_loss
@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), place=st.integers(0, 4), known_share=st.sampled_from([0.05, 0.4, 1.0]))
def test_an_unlabelled_slice_changes_nothing(loss: SupervisedLoss, seed: int, place: int, known_share: float) -> None:
    logits, target, annotated = random_volumes(seed, known_share)
    other_logits, _, other_annotated = random_volumes(seed + 1)
    before, gradient_before = value_and_gradient(loss, logits, target, annotated)

    def with_other(ours: Tensor, other: Tensor, axis: int) -> Tensor:
        first, last = ours.tensor_split([place], dim=axis)
        return torch.cat([first, other.narrow(axis, 0, 1), last], dim=axis)

    after, gradient = value_and_gradient(
        loss,
        with_other(logits, other_logits, 2),
        with_other(target, torch.full_like(target, IGNORE), 1),
        with_other(annotated, other_annotated, 2),
    )
    torch.testing.assert_close(after, before, rtol=1e-12, atol=1e-14)
    kept = [index for index in range(5) if index != place]
    torch.testing.assert_close(gradient[:, :, kept], gradient_before, rtol=1e-10, atol=1e-14)
    assert not gradient[:, :, place].any()


@every_loss
@pytest.mark.parametrize("shape", [(3, CLASSES + 1), (2, CLASSES), (3, CLASSES, 4), (3, CLASSES, 3, 4)])
def test_annotated_labels_of_another_shape_are_refused(loss: SupervisedLoss, shape: tuple[int, ...]) -> None:
    """Also where nothing is to be merged, and where they would broadcast over the wrong axis of the grid."""
    logits, target, _ = random_batch(12, (3, 4, 5))
    with pytest.raises(ConfigError, match=r"do not fit \(3, 4, 3, 4, 5\); give one value for each sample, or in 3D"):
        loss(logits, target, torch.ones(shape, dtype=torch.bool))
    in_2d = random_batch(12, (6, 5))[:2]
    with pytest.raises(ConfigError, match="do not fit"):
        loss(*in_2d, torch.ones(3, CLASSES, 6, dtype=torch.bool))


@every_loss
def test_the_order_of_the_samples_does_not_matter(loss: SupervisedLoss) -> None:
    logits, target, annotated = random_batch(7, (6, 5))
    turned = loss(logits.flip(0), target.flip(0), annotated.flip(0))
    torch.testing.assert_close(turned, loss(logits, target, annotated), rtol=1e-12, atol=0)


@every_loss
@every_grid
@pytest.mark.parametrize("with_annotated", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_logits_stay_finite(
    loss: SupervisedLoss, grid: tuple[int, ...], with_annotated: bool, dtype: torch.dtype
) -> None:
    logits, target, annotated = random_batch(8, grid, dtype=dtype)
    value, gradient = value_and_gradient(loss, 1e4 * logits.sign(), target, annotated if with_annotated else None)
    assert value.isfinite()
    assert gradient.isfinite().all()


@every_loss
def test_a_certain_and_right_prediction_costs_nothing(loss: SupervisedLoss) -> None:
    _, target, _ = random_batch(9, (6, 5))
    right = torch.where(target == IGNORE, 0, target)
    logits = 100.0 * torch.nn.functional.one_hot(right, CLASSES).movedim(-1, 1).double()
    assert loss(logits, target, None).item() == pytest.approx(0, abs=1e-12)


@every_unweighted_loss
@pytest.mark.parametrize("with_annotated", [False, True])
def test_gradient_is_the_derivative(loss: SupervisedLoss, with_annotated: bool) -> None:
    logits, target, annotated = random_batch(10, (3, 3), batch=2, known_share=0.6)
    chosen = annotated if with_annotated else None
    assert torch.autograd.gradcheck(lambda x: loss(x, target, chosen), logits.requires_grad_())


@every_loss
def test_half_precision_is_summed_in_float32(loss: SupervisedLoss) -> None:
    """20 000 known voxels: a bfloat16 sum would stall at 256."""
    logits, target, annotated = random_batch(11, (100, 100), batch=4, known_share=0.5, dtype=torch.float32)
    half = logits.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(half, target, annotated)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(half.float(), target, annotated), rtol=2e-3, atol=0)


@every_loss
@pytest.mark.parametrize("shape", [(3, 1, 6, 5), (3, 5, 6), (2, 6, 5), (3, 6, 5, 1)])
def test_a_target_of_another_shape_is_refused(loss: SupervisedLoss, shape: tuple[int, ...]) -> None:
    logits, _, _ = random_batch(12, (6, 5))
    with pytest.raises(ConfigError, match="does not fit prediction"):
        loss(logits, torch.zeros(shape, dtype=torch.int64), None)
