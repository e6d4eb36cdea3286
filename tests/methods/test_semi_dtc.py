"""DTC: its equations in NumPy, both heads, edge cases, ablations, two processes."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from batches import CLASSES, batch_of
from numpy_losses import softmax
from scipy import special
from two_processes import Loss, gradients, gradients_over_processes

from lesslabel.data.batch import Batch
from lesslabel.data.case import Kind
from lesslabel.errors import ConfigError
from lesslabel.losses import level_sets
from lesslabel.methods import DTC
from lesslabel.networks import VNet

BOTH = [Kind.DENSE, Kind.DENSE, Kind.NONE]
BETA, STEEPNESS = 0.3, 20.0


def make(classes: int = CLASSES, dimensions: int = 2, **settings: Any) -> DTC:
    torch.manual_seed(0)
    normalisation = settings.pop("normalisation", "batch")
    shape = VNet(dimensions, (4, 8), (0.0, 0.0), normalisation=normalisation)
    return DTC(classes, network=shape, **settings)


def batch_for(classes: int, kinds: list[Kind], dimensions: int = 2) -> Batch:
    batch = batch_of(kinds, dimensions)
    if classes == 2:
        batch["target"][batch["target"] == 2] = 1
        batch["annotated_labels"] = batch["annotated_labels"][:, :2]
    return batch


def heads_in_numpy(method: DTC, image: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Foreground probabilities and level sets, from what the two heads give."""
    first, second = (head.double().numpy() for head in method.network(image))
    foreground = special.expit(first) if method.num_classes == 2 else softmax(first)[:, 1:]
    return foreground, np.tanh(second)


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("dimensions", [2, 3])
@torch.no_grad()
def test_the_loss_is_the_published_one(dimensions: int, classes: int, squared: bool) -> None:
    method = make(classes, dimensions, level_set_weight=BETA, steepness=STEEPNESS, squared_dice=squared).eval()
    batch = batch_for(classes, BOTH, dimensions)
    foreground, signed = heads_in_numpy(method, batch["image"])
    target = batch["target"][:2].numpy()
    dice, regression = [], []
    for index in range(1, classes):
        p, t = foreground[:2, index - 1], (target == index).astype(float)
        size = (p**2).sum() + (t**2).sum() if squared else p.sum() + t.sum()
        dice.append(1 - (2 * (p * t).sum() + 1e-5) / (size + 1e-5))
        wanted = np.stack([level_sets(labels, classes)[index - 1] for labels in target])
        regression.append(((signed[:2, index - 1] - wanted) ** 2).mean())
    agreement = ((foreground - special.expit(-STEEPNESS * signed)) ** 2).mean()
    terms = method.losses(batch)
    assert terms["dice"].item() == pytest.approx(np.mean(dice), rel=1e-4)
    assert terms["level_set"].item() == pytest.approx(BETA * np.mean(regression), rel=1e-4)
    assert terms["consistency"].item() == pytest.approx(np.exp(-5) * agreement, rel=1e-4)


def test_per_sample_losses_are_the_mean_of_those_of_single_samples() -> None:
    method = make(per_sample=True, normalisation="instance").eval()
    batch = batch_of([Kind.DENSE, Kind.DENSE])
    batch["target"][1] = batch["target"][1].roll(3, -1)
    together = method.losses(batch)
    alone = [method.losses(pick(batch, [sample])) for sample in range(2)]
    for name in ("dice", "level_set"):
        torch.testing.assert_close(together[name], (alone[0][name] + alone[1][name]) / 2)


def pick(batch: Batch, samples: list[int]) -> Batch:
    """Some samples of a batch."""
    tensors = {name: value[samples] for name, value in batch.items() if isinstance(value, torch.Tensor)}
    return Batch(uid=[batch["uid"][sample] for sample in samples], **tensors)


@pytest.mark.parametrize("classes", [2, 3])
def test_agreement_alone_teaches_both_heads(classes: int) -> None:
    method = make(classes, segmentation_weight=0, level_set_weight=0, steepness=STEEPNESS)
    sum(method.losses(batch_for(classes, [Kind.NONE, Kind.NONE])).values()).backward()
    for head in (method.network.network.head, method.network.second_head):
        assert head.weight.grad.abs().sum() > 0


def test_labelled_and_unlabelled_pass_the_network_together() -> None:
    method, seen = make(), []
    method.network.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    method.losses(batch_of([Kind.DENSE, Kind.NONE, Kind.NONE]))
    assert seen == [3]


@pytest.mark.parametrize("empty", ["outside", "zeros"])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("label", [0, 1])
def test_a_patch_without_foreground_or_full_of_it_is_finite(label: int, classes: int, empty: str) -> None:
    method = make(classes, empty=empty).train()
    batch = batch_for(classes, BOTH)
    batch["target"][:2] = label
    terms = method.losses(batch)
    sum(terms.values()).backward()
    assert all(torch.isfinite(term) for term in terms.values())
    assert all(torch.isfinite(parameter.grad).all() for parameter in method.parameters())


def test_an_absent_class_is_pulled_to_probability_zero_not_to_a_half() -> None:
    """The target of an absent class is what a confident "no" looks like; the public code's is "undecided"."""
    batch = batch_of([Kind.DENSE])
    batch["target"][batch["target"] == 2] = 0
    confident, undecided = torch.full((1, 2, 16, 16), 9.0), torch.zeros(1, 2, 16, 16)
    losses = {}
    for empty in ("outside", "zeros"):
        for name, second in (("confident", confident), ("undecided", undecided)):
            method = make(empty=empty)
            batch["annotated_labels"][:, 1] = False  # leaves class 2, the absent one
            method.network.forward = lambda image, second=second: (torch.zeros(len(image), CLASSES, 16, 16), second)
            losses[empty, name] = method.losses(batch)["level_set"].item()
    assert losses["outside", "confident"] == pytest.approx(0.0, abs=1e-6)
    assert losses["outside", "undecided"] == pytest.approx(1.0)
    assert losses["zeros", "confident"] == pytest.approx(1.0, abs=1e-6)
    assert losses["zeros", "undecided"] == 0.0


@pytest.mark.parametrize(
    ("settings", "step", "expected"),
    [
        ({"ramp_iterations": 6000, "ramp_every": 150}, 0, np.exp(-5)),
        ({"ramp_iterations": 6000, "ramp_every": 150}, 149, np.exp(-5)),
        ({"ramp_iterations": 6000, "ramp_every": 150}, 3149, np.exp(-5 * (1 - 20 / 40) ** 2)),
        ({"ramp_iterations": 6000, "ramp_every": 150}, 6000, 1.0),
        ({"ramp_iterations": 6000}, 3149, np.exp(-5 * (1 - 3149 / 6000) ** 2)),
        ({"ramp_iterations": 0}, 0, 1.0),
        ({"ramp_iterations": 100, "consistency_weight": 0.5}, 500, 0.5),
    ],
)
def test_the_ramp_rises_as_published(
    settings: dict[str, Any], step: int, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DTC, "global_step", step)
    batch = batch_of(BOTH)
    full = make(ramp_iterations=0).losses(batch)["consistency"].item()
    assert make(**settings).losses(batch)["consistency"].item() == pytest.approx(expected * full, rel=1e-6)


@pytest.mark.parametrize(("step", "held"), [(0, 0), (19, 0), (20, 20), (459, 440), (800, 800), (815, 800)])
def test_the_length_of_the_run_is_the_length_of_its_ramp_in_steps_or_smooth(
    step: int, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DTC, "global_step", step)
    monkeypatch.setattr(DTC, "trainer", SimpleNamespace(max_steps=800))
    batch = batch_of(BOTH)
    full = make(ramp_iterations=0).losses(batch)["consistency"].item()
    for every, counted in ((20, held), (1, min(step, 800))):
        expected = np.exp(-5 * (1 - counted / 800) ** 2) * full
        assert make(ramp_every=every).losses(batch)["consistency"].item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_inverse_is_taken_in_float32_under_autocast(classes: int) -> None:
    method, seen = make(classes, ramp_iterations=0), []
    with torch.no_grad():  # into the few thousandths in which T⁻¹ rises
        for parameter in method.network.second_head.parameters():
            parameter *= 0.002
    method.network.register_forward_hook(lambda *call: seen.extend(call[-1]))
    with torch.autocast("cpu", torch.bfloat16):
        terms = method.losses(batch_for(classes, BOTH))
    sum(terms.values()).backward()
    assert [head.dtype for head in seen] == [torch.bfloat16] * 2
    first, second = (head.detach().double().numpy() for head in seen)
    foreground = special.expit(first) if classes == 2 else softmax(first)[:, 1:]
    agreement = ((foreground - special.expit(-1500 * np.tanh(second))) ** 2).mean()
    assert terms["consistency"].item() == pytest.approx(agreement, rel=1e-5)
    assert all(torch.isfinite(parameter.grad).all() for parameter in method.parameters())


@pytest.mark.parametrize("classes", [2, 3])
@torch.no_grad()
def test_the_level_set_head_predicts_the_lowest_value_below_zero(classes: int) -> None:
    method = make(classes, predict_with="level_set").eval()
    image = batch_of(BOTH)["image"]
    _, signed = heads_in_numpy(method, image)
    expected = np.where(signed.min(1) < 0, signed.argmin(1) + 1, 0)
    probabilities = method.probabilities(image)
    np.testing.assert_array_equal(probabilities.argmax(1).numpy(), expected)
    torch.testing.assert_close(probabilities.sum(1), torch.ones_like(probabilities[:, 0]))


@torch.no_grad()
def test_two_classes_are_one_sigmoid_channel() -> None:
    method = make(2).eval()
    image = batch_of(BOTH)["image"]
    first, second = method.network(image)
    assert first.shape[1] == second.shape[1] == 1
    torch.testing.assert_close(method.probabilities(image)[:, 1:], torch.sigmoid(first))


def test_a_weight_of_zero_silences_its_term_alone() -> None:
    batch = batch_of(BOTH)
    full = make(ramp_iterations=0).losses(batch)
    silenced = {"dice": "segmentation_weight", "level_set": "level_set_weight", "consistency": "consistency_weight"}
    for silent, weight in silenced.items():
        terms = make(ramp_iterations=0, **{weight: 0.0}).losses(batch)
        for name, term in terms.items():
            assert term.item() == (0.0 if name == silent else full[name].item())


def test_level_sets_of_the_data_module_are_used() -> None:
    batch = batch_of(BOTH)
    method = make(level_set="volume")
    with pytest.raises(ConfigError, match=r"model\.level_set is volume, but the batch has no level sets"):
        method.losses(batch)
    wanted = torch.rand(3, 2, 16, 16)
    batch["derived"] = wanted
    _, second = method.network(batch["image"])
    expected = (torch.tanh(second[:2]) - wanted[:2]).square().mean()
    torch.testing.assert_close(method.losses(batch)["level_set"], expected)
    method.losses(batch_of([Kind.NONE]))  # nothing dense, nothing missed


def batch_of_two_halves() -> Batch:
    """Two labelled samples whose objects differ in size and place, and two unlabelled ones."""
    batch = batch_of([Kind.DENSE, Kind.DENSE, Kind.NONE, Kind.NONE], dimensions=3)
    batch["target"][1] = batch["target"][1].roll(2, -1)
    batch["target"][1, :3] = 0
    return batch


def test_two_processes_with_half_the_batch_learn_what_one_does(tmp_path: Path) -> None:
    method = make(dimensions=3, per_sample=True, normalisation="instance", ramp_iterations=0).train()
    batch = batch_of_two_halves()
    shared = gradients_over_processes(method, [pick(batch, [0, 2]), pick(batch, [1, 3])], tmp_path)
    alone = gradients(Loss(method), batch)
    assert alone.keys() == shared.keys()
    assert max(gradient.abs().max() for gradient in alone.values()) > 0.01
    for name, gradient in alone.items():
        torch.testing.assert_close(shared[name], gradient, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "is_same"),
    [
        ({"per_sample": True, "normalisation": "instance"}, True),
        ({"per_sample": True, "normalisation": "batch"}, False),
        ({"per_sample": False, "normalisation": "instance"}, False),
    ],
)
def test_halves_of_a_batch_are_the_whole_without_batch_statistics_and_batch_sums(
    settings: dict[str, Any], is_same: bool
) -> None:
    """What several processes do: the mean of the gradients of their shares."""
    batch = batch_of_two_halves()
    first, second, whole = (
        gradients(Loss(make(dimensions=3, ramp_iterations=0, **settings).train()), pick(batch, samples))
        for samples in ([0, 2], [1, 3], [0, 1, 2, 3])
    )
    difference = max((whole[name] - (first[name] + second[name]) / 2).abs().max().item() for name in whole)
    assert difference < 1e-5 if is_same else difference > 1e-3, difference


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"level_set_weight": -1.0}, "level_set_weight"),
        ({"steepness": 0.0}, "steepness"),
        ({"ramp_every": 0}, "ramp_every"),
        ({"ramp_iterations": -1}, "ramp_iterations"),
        ({"empty": "nan"}, "empty"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**settings)
