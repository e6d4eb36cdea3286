"""The idea of each weak method against values computed by hand or in NumPy."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from batches import CLASSES, batch_of
from numpy_losses import numpy_dice_loss, numpy_partial_cross_entropy, softmax

from lesslabel.data.case import IGNORE, Kind
from lesslabel.errors import ConfigError
from lesslabel.losses import gated_crf_loss, mumford_shah_loss, total_variation_loss
from lesslabel.methods import (
    DMSPS,
    USTM,
    DenseCRF,
    EntropyMinimisation,
    GatedCRF,
    MumfordShah,
    Scribble2Label,
    ScribbleVS,
    TotalVariation,
)
from lesslabel.networks import UNet

SHAPE = UNet(channels=(4, 8))


@pytest.fixture
def batch():
    return batch_of([Kind.SCRIBBLE, Kind.SCRIBBLE, Kind.NONE])


def fixed(logits):
    """A network that always answers the same."""
    return SimpleNamespace(forward=lambda _: logits)


def answering(method, student, *teachers):
    """Replace the networks of a method by fixed answers."""
    method.network.forward = lambda _: student
    for module, logits in zip([method.teacher, getattr(method, "second_teacher", None)], teachers, strict=False):
        module.forward = lambda _, logits=logits: logits
    return method


def logits_of(target, strength, seed):
    """Logits that agree with the known voxels as strongly as asked, and are random elsewhere."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(len(target), CLASSES, *target.shape[1:], generator=generator)
    known = target != IGNORE
    right = torch.nn.functional.one_hot(target.where(known, 0), CLASSES).movedim(-1, 1)
    return logits + strength * right * known[:, None]


@torch.no_grad()
@pytest.mark.parametrize(("student", "teachers", "winner"), [(4, [1], 0), (1, [4], 1), (1, [2, 5], 2), (1, [5, 2], 1)])
def test_the_network_with_the_lower_cross_entropy_on_scribbles_teaches(batch, student, teachers, winner):
    method = ScribbleVS(CLASSES, pseudo_label_weight=0.8, ramp_share=0.0, second_teacher=len(teachers) > 1)
    answers = [logits_of(batch["target"], strength, seed) for seed, strength in enumerate([student, *teachers])]
    terms = answering(method, *answers).losses(batch)
    probabilities = softmax(answers[0].double().numpy())
    taught = softmax(answers[winner].double().numpy())
    label = np.where(taught.max(1) > 0.5, taught.argmax(1), IGNORE)
    known = numpy_partial_cross_entropy(probabilities, batch["target"].numpy())
    assert float(terms["partial_cross_entropy"]) == pytest.approx(known, rel=1e-5)
    expected = 0.4 * numpy_partial_cross_entropy(probabilities, label)
    assert float(terms["pseudo_label_cross_entropy"]) == pytest.approx(expected, rel=1e-5)
    assert float(terms["pseudo_label_dice"]) == pytest.approx(0.4 * numpy_dice_loss(probabilities, label), rel=1e-5)


def test_two_teachers_are_updated_in_turn():
    method = ScribbleVS(CLASSES, second_teacher=True, teacher_decay=0.5, network=SHAPE)
    weight = next(method.network.parameters())
    seen = []
    for iteration in range(6):
        method.held_iteration = iteration
        with torch.no_grad():
            weight.fill_(float(iteration))
        method.after_update()
        seen.append([float(next(t.network.parameters()).flatten()[0]) for t in (method.teacher, method.second_teacher)])
    # of each teacher the first update is a copy, the later ones average with the decay 0.5
    assert [first for first, _ in seen] == [0, 0, 1, 1, 2.5, 2.5]
    assert [second for _, second in seen[1:]] == [1, 1, 2, 2, 3.5]


@torch.no_grad()
@pytest.mark.parametrize("twice", [False, True])
def test_dmsps_compares_both_branches_with_their_soft_mixture(batch, monkeypatch, twice):
    torch.manual_seed(0)
    method = DMSPS(CLASSES, pseudo_label_weight=2.0, softmax_twice=twice, network=SHAPE).eval()
    logits = [values.double().numpy() for values in method.network(batch["image"])]
    first, second = (softmax(values) for values in logits)
    monkeypatch.setattr(torch, "rand", lambda *_, **__: torch.tensor(0.25))
    terms = method.losses(batch)
    mixed = 0.25 * first + 0.75 * second
    answers = [softmax(values) for values in ((first, second) if twice else logits)]
    expected = np.mean([-(mixed * np.log(answer)).sum(1).mean() for answer in answers])
    assert float(terms["mixed"]) == pytest.approx(2.0 * expected, rel=1e-5)
    target = batch["target"].numpy()
    known = 0.5 * (numpy_partial_cross_entropy(first, target) + numpy_partial_cross_entropy(second, target))
    assert float(terms["partial_cross_entropy"]) == pytest.approx(known, rel=1e-5)


@torch.no_grad()
def test_dmsps_predicts_with_the_main_branch_or_the_mean_of_both(batch):
    torch.manual_seed(0)
    method = DMSPS(CLASSES, network=SHAPE).eval()
    main, auxiliary = (logits.softmax(1) for logits in method.network(batch["image"]))
    torch.testing.assert_close(method.probabilities(batch["image"]), main)
    method.predict_with = "mean"
    torch.testing.assert_close(method.probabilities(batch["image"]), (main + auxiliary) / 2)


@torch.no_grad()
@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (GatedCRF(CLASSES, regulariser_weight=0.3, radius_voxel=2, network=SHAPE), gated_crf_loss),
        (TotalVariation(CLASSES, regulariser_weight=0.3, network=SHAPE), total_variation_loss),
        (MumfordShah(CLASSES, regulariser_weight=0.3, length_weight=0.5, network=SHAPE), mumford_shah_loss),
    ],
    ids=["gated crf", "total variation", "mumford-shah"],
)
def test_a_regulariser_is_added_to_the_partial_cross_entropy(batch, method, expected):
    logits = logits_of(batch["target"], 1.0, 0)
    method.network.forward = lambda _: logits
    terms = method.losses(batch)
    y, x = logits.softmax(1), batch["image"]
    value = {
        gated_crf_loss: lambda: gated_crf_loss(y, x, radius_voxel=2),
        total_variation_loss: lambda: total_variation_loss(y),
        mumford_shah_loss: lambda: mumford_shah_loss(y, x, length_weight=0.5),
    }[expected]()
    torch.testing.assert_close(terms["regulariser"], 0.3 * value)
    known = numpy_partial_cross_entropy(softmax(logits.double().numpy()), batch["target"].numpy())
    assert float(terms["partial_cross_entropy"]) == pytest.approx(known, rel=1e-5)


def test_a_ramp_lets_a_regulariser_rise_over_iterations(batch):
    method = TotalVariation(CLASSES, regulariser_weight=1.0, ramp_iterations=10, network=SHAPE)
    logits = logits_of(batch["target"], 1.0, 0)
    method.network.forward = lambda _: logits
    values = []
    for iteration in (0, 5, 10, 20):
        method.held_iteration = iteration
        values.append(float(method.losses(batch)["regulariser"]))
    factors = np.array(values) / values[-1]
    np.testing.assert_allclose(factors, [np.exp(-5), np.exp(-1.25), 1, 1], rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("turns", range(4))
def test_ustm_compares_the_turned_prediction_with_that_of_the_turned_image(batch, monkeypatch, turns):
    method = USTM(CLASSES, passes=1, consistency_weight=1.0, noise=0.0, largest_entropy=100.0, network=SHAPE)
    monkeypatch.setattr(torch, "randint", lambda *_: torch.tensor(turns))
    method.held_iteration = 0
    method.network.forward = lambda image: image.repeat(1, CLASSES, 1, 1) * torch.arange(3.0)[:, None, None]
    method.teacher.forward = method.network.forward
    terms = method.losses(batch)  # what answers voxel by voxel turns with its image
    assert float(terms["consistency"]) == pytest.approx(0.0, abs=1e-10)
    ramp = torch.linspace(0, 1, 16)[:, None].expand(16, 16)
    method.network.forward = lambda image: torch.stack([ramp, -ramp, 0 * ramp]).expand(len(image), 3, 16, 16)
    method.teacher.forward = method.network.forward
    y = softmax(method.network.forward(batch["image"]).double().numpy())
    expected = np.exp(-5) * ((np.rot90(y, turns, (2, 3)) - y) ** 2).mean()
    assert float(method.losses(batch)["consistency"]) == pytest.approx(expected, rel=1e-4, abs=1e-10)


@torch.no_grad()
def test_scribble2label_learns_from_confident_averages_outside_the_scribbles(batch):
    method = Scribble2Label(CLASSES, pseudo_label_weight=0.5, warm_up_share=0.0, confidence=0.6, network=SHAPE)
    student, average = (logits_of(batch["target"], 1.0, seed) for seed in (0, 1))
    terms = answering(method, student, average).losses(batch)
    taught = softmax(average.double().numpy())
    label = np.where((taught.max(1) > 0.6) & (batch["target"].numpy() == IGNORE), taught.argmax(1), IGNORE)
    expected = 0.5 * numpy_partial_cross_entropy(softmax(student.double().numpy()), label)
    assert float(terms["pseudo_label"]) == pytest.approx(expected, rel=1e-5)


def test_scribble2label_has_no_pseudo_labels_in_its_warm_up(batch):
    method = Scribble2Label(CLASSES, warm_up_share=0.5, network=SHAPE)
    assert set(method.losses(batch)) == {"partial_cross_entropy"}


@torch.no_grad()
def test_entropy_minimisation_on_scribbles_is_half_pce_plus_entropy(batch):
    torch.manual_seed(0)
    method = EntropyMinimisation(CLASSES, entropy_weight=1.0, ramp_iterations=0, network=SHAPE).eval()
    y = softmax(method.network(batch["image"]).double().numpy())
    terms = method.losses(batch)
    target = batch["target"].numpy()
    assert float(terms["cross_entropy"]) == pytest.approx(0.5 * numpy_partial_cross_entropy(y, target), rel=1e-5)
    assert float(terms["dice"]) == 0.0
    assert float(terms["entropy"]) == pytest.approx(-(y * np.log(y)).sum(1).mean() / np.log(CLASSES), rel=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ScribbleVS(3, confidence=1.5), "confidence"),
        (lambda: ScribbleVS(3, ramp_share=-0.1), "ramp_share"),
        (lambda: DMSPS(3, predict_with="auxiliary"), "predict_with"),  # type: ignore[arg-type]
        (lambda: GatedCRF(3, radius_voxel=0), "radius_voxel"),
        (lambda: GatedCRF(3, regulariser_weight=-1.0), "regulariser_weight"),
        (lambda: DenseCRF(3, intensity_sigma=0.0), "intensity_sigma"),
        (lambda: Scribble2Label(3, warm_up_share=2.0), "warm_up_share"),
    ],
)
def test_bad_settings_of_weak_methods_are_named(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
