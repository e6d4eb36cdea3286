"""Mean Teacher, UA-MT and entropy minimisation against NumPy, and a resumed run against an uninterrupted one."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from batches import CLASSES, batch_of
from numpy_losses import numpy_dice_loss, numpy_partial_cross_entropy, softmax

from lesslabel.cli import main
from lesslabel.data.case import Kind
from lesslabel.data.store import Store
from lesslabel.errors import ConfigError
from lesslabel.methods import EntropyMinimisation, MeanTeacher, UncertaintyAwareMeanTeacher
from lesslabel.networks import UNet

SHAPE = UNet(channels=(4, 8))
MIXED = [Kind.DENSE, Kind.NONE, Kind.DENSE, Kind.NONE]  # labelled and unlabelled in no particular order
UNLABELLED = [1, 3]
HALFWAY = math.exp(-5 * 0.5**2)


@pytest.fixture
def batch():
    return batch_of(MIXED)


@pytest.fixture
def _halfway(monkeypatch):
    for method in (MeanTeacher, UncertaintyAwareMeanTeacher, EntropyMinimisation):
        monkeypatch.setattr(method, "global_step", 5)
        monkeypatch.setattr(method, "trainer", SimpleNamespace(max_steps=10))


def make(method, **settings):
    torch.manual_seed(0)
    made = method(CLASSES, network=SHAPE, **settings)
    if method is not EntropyMinimisation:
        torch.manual_seed(1)
        made.teacher.update(made.build_network(), 0.0)  # another network, so that the two disagree
    return made.eval()


def numpy_supervised(probabilities, target):
    return 0.5 * numpy_partial_cross_entropy(probabilities, target), 0.5 * numpy_dice_loss(probabilities, target)


@torch.no_grad()
@pytest.mark.usefixtures("_halfway")
def test_mean_teacher_is_supervision_plus_weighted_consistency(batch):
    method = make(MeanTeacher, consistency_weight=0.3, noise=0.0)
    terms = method.losses(batch)
    student = softmax(method.network(batch["image"]).double().numpy())
    teacher = softmax(method.teacher(batch["image"]).double().numpy())
    cross_entropy, dice = numpy_supervised(student, batch["target"].numpy())
    consistency = 0.3 * HALFWAY * ((student[UNLABELLED] - teacher[UNLABELLED]) ** 2).mean()
    assert float(terms["cross_entropy"]) == pytest.approx(cross_entropy, rel=1e-5)
    assert float(terms["dice"]) == pytest.approx(dice, rel=1e-5)
    assert float(terms["consistency"]) == pytest.approx(consistency, rel=1e-5)


@torch.no_grad()
def test_the_teacher_alone_sees_clipped_noise_drawn_by_torch(batch):
    method = make(MeanTeacher, noise=0.1)
    seen = {"student": [], "teacher": []}
    method.network.register_forward_pre_hook(lambda _, given: seen["student"].append(given[0]))
    method.teacher.network.register_forward_pre_hook(lambda _, given: seen["teacher"].append(given[0]))
    for _ in range(2):
        torch.manual_seed(7)
        method.losses(batch)
    assert torch.equal(seen["student"][0], batch["image"])
    torch.manual_seed(7)
    image = batch["image"][UNLABELLED]
    expected = image + torch.clamp(0.1 * torch.randn_like(image), -0.2, 0.2)
    torch.testing.assert_close(seen["teacher"][0], expected)
    assert torch.equal(*seen["teacher"])
    assert (seen["teacher"][0] - image).abs().max() == pytest.approx(0.2, abs=1e-6)


def test_the_teacher_gives_no_gradient_and_the_student_takes_it_from_unlabelled_samples_alone(batch):
    method = make(MeanTeacher).train()
    method.losses(batch)["consistency"].backward()
    assert any(parameter.grad.any() for parameter in method.network.parameters())
    assert all(parameter.grad is None for parameter in method.teacher.parameters())


@pytest.mark.parametrize("method", [MeanTeacher, UncertaintyAwareMeanTeacher])
def test_a_batch_without_unlabelled_samples_is_supervision_alone(method):
    terms = make(method).train().losses(batch_of([Kind.DENSE, Kind.SCRIBBLE]))
    assert set(terms) == {"cross_entropy", "dice"}
    sum(terms.values()).backward()


@torch.no_grad()
@pytest.mark.usefixtures("_halfway")
def test_uncertainty_aware_consistency_against_numpy(batch):
    method = make(UncertaintyAwareMeanTeacher, consistency_weight=0.3, passes=3, largest_entropy=0.8, noise=0.5)
    method.teacher.network.head.weight *= 40  # an untrained network is sure of nothing
    torch.manual_seed(7)
    term = float(method.losses(batch)["consistency"])
    torch.manual_seed(7)
    image = batch["image"][UNLABELLED]
    passes = [
        softmax(method.teacher(image + (0.5 * torch.randn_like(image)).clamp(-1, 1)).double().numpy()) for _ in range(4)
    ]
    student = softmax(method.network(image).double().numpy())
    mean = np.mean(passes[1:], axis=0)
    certain = -(mean * np.log(mean)).sum(1) < 0.8 * (0.75 + 0.25 * HALFWAY)
    assert 0 < certain.sum() < certain.size
    expected = ((student - passes[0]) ** 2).mean(1)[certain].mean()
    assert term == pytest.approx(0.3 * HALFWAY * expected, rel=1e-5)


@torch.no_grad()
@pytest.mark.usefixtures("_halfway")
def test_entropy_minimisation_against_numpy(batch):
    method = make(EntropyMinimisation, entropy_weight=0.3)
    terms = method.losses(batch)
    probabilities = softmax(method.network(batch["image"]).double().numpy())
    cross_entropy, dice = numpy_supervised(probabilities, batch["target"].numpy())
    entropy = -(probabilities * np.log(probabilities)).sum(1).mean() / math.log(CLASSES)
    assert float(terms["cross_entropy"]) == pytest.approx(cross_entropy, rel=1e-5)
    assert float(terms["dice"]) == pytest.approx(dice, rel=1e-5)
    assert float(terms["entropy"]) == pytest.approx(0.3 * HALFWAY * entropy, rel=1e-5)


def test_the_ramp_ends_where_it_is_told(batch, monkeypatch):
    method = make(MeanTeacher, ramp_iterations=100, noise=0.0)
    values = {}
    for step in (0, 50, 100, 150):
        monkeypatch.setattr(MeanTeacher, "global_step", step)
        values[step] = float(method.losses(batch)["consistency"].detach())
    assert values[0] == pytest.approx(math.exp(-5) * values[100], rel=1e-5)
    assert values[50] == pytest.approx(math.exp(-1.25) * values[100], rel=1e-5)
    assert values[150] == values[100]


@pytest.mark.parametrize("name", ["entropy_weight", "ramp_iterations"])
def test_negative_settings_of_entropy_minimisation_are_named(name):
    with pytest.raises(ConfigError, match=name):
        EntropyMinimisation(3, **{name: -1})


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Mean Teacher on a tiny phantom of which two patients show their labels; four updates, two an epoch."""
    folder = tmp_path_factory.mktemp("semi")
    store = folder / "store"
    assert main(["prepare", "phantom", "-", str(store), "--cases", "12", "--size", "32", "--depth", "2"]) == 0
    order = folder / "order.txt"
    order.write_text("\n".join(sorted({record.patient for record in Store(store).records.values()})))
    path = folder / "mean_teacher.yaml"
    settings = {
        "model": {
            "class_path": "lesslabel.methods.MeanTeacher",
            "init_args": {
                "num_classes": 4,
                "consistency_weight": 10.0,
                "network": {"channels": [4, 8], "encoder_dropout": [0.1, 0.3]},
            },
        },
        "data": {
            "class_path": "lesslabel.data.PhantomDataModule",
            "init_args": {
                "store": str(store),
                "view": {"supervision": [{"annotation": "dense", "patients": 2, "order": str(order)}]},
                "batch_size": 2,
                "unlabelled_batch_size": 2,
                "steps_per_epoch": 2,
            },
        },
        "trainer": {"max_steps": 4, "log_every_n_steps": 1, "accelerator": "cpu"},
    }
    path.write_text(yaml.safe_dump(settings))
    return path


def weights_of(run):
    return torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]


def test_resumed_equals_uninterrupted_teacher_included(config, tmp_path, monkeypatch):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert main(["fit", "--config", str(config), "--run", str(whole)]) == 0
    losses, calls = MeanTeacher.losses, []

    def interrupted(self, batch):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return losses(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(MeanTeacher, "losses", interrupted)
        assert main(["fit", "--config", str(config), "--run", str(broken)]) == 130
    stopped = weights_of(broken)
    assert main(["fit", "--config", str(config), "--run", str(broken), "--ckpt_path", "last"]) == 0
    expected, resumed = weights_of(whole), weights_of(broken)
    assert expected.keys() == resumed.keys()
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)
    moved = [name for name in resumed if name.startswith("teacher.") and not torch.equal(resumed[name], stopped[name])]
    assert moved
    assert any(not torch.equal(resumed[name], resumed[name.removeprefix("teacher.")]) for name in moved)
