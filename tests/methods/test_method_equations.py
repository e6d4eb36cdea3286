"""Each method's loss against an independent computation in NumPy."""

import numpy as np
import pytest
import torch
from batches import CLASSES, batch_of, sample_targets
from numpy_losses import numpy_dice_loss, numpy_partial_cross_entropy, softmax

from lesslabel.data.case import IGNORE, Kind
from lesslabel.errors import ConfigError
from lesslabel.methods import DMPLS, Optimiser, PartialCrossEntropy, Supervised
from lesslabel.methods.targets import dense_target
from lesslabel.networks import UNet

SHAPE = UNet(channels=(4, 8))


@pytest.fixture
def batch():
    return batch_of([Kind.SCRIBBLE, Kind.SCRIBBLE])


@torch.no_grad()
def test_dmpls_is_half_the_cross_entropies_plus_weighted_mixed_pseudo_label_dice(batch):
    torch.manual_seed(0)
    method = DMPLS(CLASSES, pseudo_label_weight=0.3, alpha=0.25, network=SHAPE).eval()
    first, second = (softmax(logits.double().numpy()) for logits in method.network(batch["image"]))
    target = batch["target"].numpy()
    mixed = (0.25 * first + 0.75 * second).argmax(1)
    terms = method.losses(batch)
    known = 0.5 * (numpy_partial_cross_entropy(first, target) + numpy_partial_cross_entropy(second, target))
    agreement = 0.3 * 0.5 * (numpy_dice_loss(first, mixed) + numpy_dice_loss(second, mixed))
    assert float(terms["partial_cross_entropy"]) == pytest.approx(known, rel=1e-5)
    assert float(terms["mixed"]) == pytest.approx(agreement, rel=1e-5)


@torch.no_grad()
def test_the_ablations_change_the_agreement_alone(batch):
    results = {}
    for agreement in ("cross", "consistency"):
        torch.manual_seed(0)
        method = DMPLS(CLASSES, pseudo_label_weight=1.0, agreement=agreement, network=SHAPE).eval()
        first, second = (softmax(logits.double().numpy()) for logits in method.network(batch["image"]))
        results[agreement] = float(method.losses(batch)[agreement])
    cross = 0.5 * (numpy_dice_loss(first, second.argmax(1)) + numpy_dice_loss(second, first.argmax(1)))
    assert results["cross"] == pytest.approx(cross, rel=1e-5)
    assert results["consistency"] == pytest.approx(float(((first - second) ** 2).mean()), rel=1e-5)


def test_one_alpha_is_drawn_per_iteration_from_the_unit_interval(batch, monkeypatch):
    method = DMPLS(CLASSES, network=SHAPE).train()
    drawn = []
    monkeypatch.setattr(
        "lesslabel.methods.weak.dmpls.mixed_pseudo_label",
        lambda first, _, alpha: drawn.append(alpha) or first.argmax(1),
    )
    for _ in range(50):
        method.losses(batch)
    assert all(alpha.ndim == 0 and 0 <= alpha < 1 for alpha in drawn)
    assert len({float(alpha) for alpha in drawn}) == 50


@torch.no_grad()
def test_supervised_is_half_cross_entropy_and_half_dice(batch):
    dense = batch_of([Kind.DENSE, Kind.DENSE])
    torch.manual_seed(0)
    method = Supervised(CLASSES, network=SHAPE).eval()
    probabilities = softmax(method.network(dense["image"]).double().numpy())
    terms = method.losses(dense)
    target = dense["target"].numpy()
    assert float(terms["cross_entropy"]) == pytest.approx(
        0.5 * numpy_partial_cross_entropy(probabilities, target), rel=1e-5
    )
    assert float(terms["dice"]) == pytest.approx(0.5 * numpy_dice_loss(probabilities, target), rel=1e-5)
    assert float(method.losses(batch)["dice"]) == 0.0  # Dice speaks of dense labels only


@torch.no_grad()
def test_a_single_branch_learns_from_its_own_hard_prediction(batch):
    torch.manual_seed(0)
    method = PartialCrossEntropy(CLASSES, pseudo_label_weight=0.5, network=SHAPE).eval()
    probabilities = softmax(method.network(batch["image"]).double().numpy())
    expected = 0.5 * numpy_dice_loss(probabilities, probabilities.argmax(1))
    assert float(method.losses(batch)["pseudo_label"]) == pytest.approx(expected, rel=1e-5)


def test_a_class_nobody_annotated_is_not_taught_as_background():
    """Where class 2 was not annotated, its voxels are labelled background: predicting either must cost the same."""
    batch = batch_of([Kind.DENSE])
    dense, _, _ = sample_targets(2)
    batch["target"][0] = torch.where(dense == 2, 0, dense)
    batch["annotated_labels"][0, 2] = False
    method = PartialCrossEntropy(CLASSES, network=SHAPE).train()
    logits = torch.zeros(1, CLASSES, 16, 16, requires_grad=True)
    method.network.forward = lambda _: logits
    method.losses(batch)["partial_cross_entropy"].backward()
    was_class_2 = dense == 2
    gradient = logits.grad[0]
    torch.testing.assert_close(gradient[0][was_class_2], gradient[2][was_class_2])


def test_dense_target_hides_every_other_kind():
    batch = batch_of([Kind.DENSE, Kind.SCRIBBLE, Kind.NONE])
    hidden = dense_target(batch)
    assert torch.equal(hidden[0], batch["target"][0])
    assert (hidden[1:] == IGNORE).all()


def test_poly_and_step_decay_follow_their_formulas():
    def rates(optimiser: Optimiser, steps: int) -> list[float]:
        parameter = torch.nn.Parameter(torch.zeros(1))
        built = optimiser.build([parameter])
        scheduler = optimiser.schedule(built, steps)["scheduler"]
        seen = []
        for _ in range(steps):
            seen.append(built.param_groups[0]["lr"])
            built.step()
            scheduler.step()
        return seen

    np.testing.assert_allclose(rates(Optimiser(), 10), [0.01 * (1 - t / 10) ** 0.9 for t in range(10)])
    stepped = rates(Optimiser(decay="step", every=4, factor=0.1), 10)
    np.testing.assert_allclose(stepped, [0.01 * 0.1 ** (t // 4) for t in range(10)])
    assert set(rates(Optimiser(name="adam", decay="none"), 3)) == {0.01}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DMPLS(1), "num_classes"),
        (lambda: DMPLS(3, alpha=1.5), "alpha"),
        (lambda: PartialCrossEntropy(3, pseudo_label_weight=-1.0), "pseudo_label_weight"),
        (lambda: Optimiser(learning_rate=0.0), "learning_rate"),
        (lambda: Optimiser(every=0), "every"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
