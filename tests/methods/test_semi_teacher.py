"""The teacher: an exponential average that no gradient, optimiser or forward pass moves."""

from copy import deepcopy

import pytest
import pytorch_lightning as pl
import torch
from batches import CLASSES, batch_of
from torch.utils.data import DataLoader

from lesslabel.data.case import Kind
from lesslabel.errors import ConfigError
from lesslabel.methods import BidirectionalCopyPaste, MeanTeacher, UncertaintyAwareMeanTeacher
from lesslabel.methods.teacher import Teacher, warmed_up_decay
from lesslabel.networks import UNet, build_network

SHAPE = UNet(channels=(4, 8))
MIXED = [Kind.DENSE, Kind.DENSE, Kind.NONE, Kind.NONE]


def network(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return build_network(SHAPE, 1, CLASSES)


def weights(module: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def statistics(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: buffer.clone() for name, buffer in module.named_buffers()}


def is_same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


class Recorder(pl.Callback):
    """Keeps the student's weights after every batch."""

    def __init__(self) -> None:
        self.student: list[list[torch.Tensor]] = []

    def on_train_batch_end(self, _trainer, pl_module, *_):
        self.student.append(weights(pl_module.network))


def train(method, steps: int, accumulate: int = 1) -> Recorder:
    recorder = Recorder()
    batches = DataLoader([batch_of(MIXED, seed=seed) for seed in range(steps * accumulate)], batch_size=None)
    trainer = pl.Trainer(
        max_steps=steps,
        accumulate_grad_batches=accumulate,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[recorder],
    )
    trainer.fit(method, batches)
    assert trainer.global_step == steps
    return recorder


def test_the_average_by_hand() -> None:
    student = torch.nn.Linear(1, 1, bias=False)
    teacher = Teacher(student)
    seen = []
    for step, value in enumerate([1.0, 2.0, 4.0, 8.0]):
        with torch.no_grad():
            student.weight.fill_(value)
        teacher.update(student, warmed_up_decay(step, 0.6))
        seen.append(teacher.network.weight.item())
    # decays 0, 1/2, 0.6, 0.6
    assert seen == pytest.approx([1.0, 1.5, 0.6 * 1.5 + 0.4 * 4, 0.6 * (0.6 * 1.5 + 0.4 * 4) + 0.4 * 8])


def test_the_decay_warms_up() -> None:
    assert [warmed_up_decay(step, 0.99) for step in (0, 1, 3)] == [0.0, 0.5, 0.75]
    assert warmed_up_decay(98, 0.99) == pytest.approx(98 / 99)
    assert warmed_up_decay(1000, 0.99) == 0.99


@pytest.mark.parametrize("accumulate", [1, 3])
def test_training_moves_the_teacher_once_per_update_also_with_accumulated_gradients(accumulate: int) -> None:
    torch.manual_seed(0)
    method = MeanTeacher(CLASSES, teacher_decay=0.7, network=SHAPE)
    recorder = train(method, steps=4, accumulate=accumulate)
    after_updates = recorder.student[accumulate - 1 :: accumulate]
    assert len(after_updates) == 4
    expected = after_updates[0]
    for decay, student in zip((0.5, 2 / 3, 0.7), after_updates[1:], strict=True):
        expected = [decay * mine + (1 - decay) * theirs for mine, theirs in zip(expected, student, strict=True)]
    for mine, theirs in zip(weights(method.teacher), expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-7)
    assert any(not torch.equal(*pair) for pair in zip(expected, after_updates[-1], strict=True))


def test_a_pre_training_teacher_is_a_copy_and_an_average_afterwards() -> None:
    torch.manual_seed(0)
    copied = BidirectionalCopyPaste(CLASSES, pretrain_iterations=2, network=SHAPE)
    recorder = train(copied, steps=2)
    assert all(torch.equal(*pair) for pair in zip(weights(copied.teacher), recorder.student[-1], strict=True))
    torch.manual_seed(0)
    moved = BidirectionalCopyPaste(CLASSES, pretrain_iterations=2, teacher_decay=0.9, network=SHAPE)
    recorder = train(moved, steps=3)
    for mine, before, after in zip(weights(moved.teacher), *recorder.student[1:], strict=True):
        torch.testing.assert_close(mine, 0.9 * before + 0.1 * after, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("make", [MeanTeacher, UncertaintyAwareMeanTeacher, BidirectionalCopyPaste])
def test_a_teacher_has_no_gradient_and_no_place_in_the_optimiser(make) -> None:
    method = make(CLASSES, network=SHAPE)
    if isinstance(method, BidirectionalCopyPaste):
        method.pretrain_iterations = 0
    train(method, steps=1)
    theirs = {id(parameter) for parameter in method.teacher.parameters()}
    (group,) = method.optimizers().optimizer.param_groups
    assert theirs.isdisjoint(id(parameter) for parameter in group["params"])
    assert len(group["params"]) == len(list(method.network.parameters()))
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in method.teacher.parameters())
    assert all(f"teacher.network.{name}" in method.state_dict() for name in method.network.state_dict())


@pytest.mark.parametrize("policy", ["averaged", "copied"])
def test_a_teacher_never_moves_its_own_running_statistics(policy) -> None:
    student = network()
    teacher = Teacher(student, policy).train()
    before = statistics(teacher)
    teacher(batch_of(MIXED)["image"])
    assert is_same(statistics(teacher), before)


def test_synchronised_layers_keep_the_policy_and_the_names_of_the_weights() -> None:
    """What `trainer.sync_batchnorm` makes of a method; without other processes they act as the plain ones."""
    method = MeanTeacher(CLASSES, network=SHAPE)
    names, before = list(method.state_dict()), statistics(method.teacher)
    method = torch.nn.SyncBatchNorm.convert_sync_batchnorm(method).train()
    assert list(method.state_dict()) == names
    assert any(isinstance(module, torch.nn.SyncBatchNorm) for module in method.teacher.modules())
    method.losses(batch_of(MIXED))
    assert is_same(statistics(method.teacher), before)


def test_unless_that_is_declared() -> None:
    student = network()
    teacher, free = Teacher(student, "own").train(), deepcopy(student).train()
    image = batch_of(MIXED)["image"]
    teacher(image)
    free(image)
    moved = statistics(teacher.network)
    assert is_same(moved, statistics(free))
    teacher.update(network(seed=1), 0.5)
    assert is_same(statistics(teacher.network), moved)


def test_the_buffer_policies_by_hand() -> None:
    student = network()
    averaged, copied = Teacher(student, "averaged"), Teacher(student, "copied")
    old = statistics(student)
    student.train()(batch_of(MIXED)["image"])
    new = statistics(student)
    for teacher in (averaged, copied):
        teacher.update(student, 0.75)
    assert is_same(statistics(copied.network), new)
    for name, buffer in statistics(averaged.network).items():
        expected = new[name] if name.endswith("num_batches_tracked") else 0.75 * old[name] + 0.25 * new[name]
        torch.testing.assert_close(buffer, expected)


def test_in_training_a_teacher_normalises_by_the_batch_and_in_evaluation_by_its_running_statistics() -> None:
    student = network()
    student.train()(batch_of(MIXED)["image"])
    teacher = Teacher(student)
    image = batch_of(MIXED, seed=5)["image"]
    with torch.no_grad():
        torch.testing.assert_close(teacher.eval()(image), student.eval()(image))
        torch.testing.assert_close(teacher.train()(image), student.train()(image))
        assert not torch.allclose(teacher.train()(image), teacher.eval()(image))


def test_the_prediction_comes_from_the_one_that_is_named() -> None:
    image = batch_of(MIXED)["image"]
    for name in ("student", "teacher"):
        method = MeanTeacher(CLASSES, predict_with=name, network=SHAPE).eval()
        method.teacher.update(network(seed=9), 0.0)
        expected = method.network(image) if name == "student" else method.teacher.network(image)
        assert torch.equal(method.logits(image), expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MeanTeacher(3, teacher_decay=1.0), "teacher_decay"),
        (lambda: MeanTeacher(3, noise=-0.1), "noise"),
        (lambda: MeanTeacher(3, ramp_iterations=-1), "ramp_iterations"),
        (lambda: MeanTeacher(3, consistency_weight=-1.0), "consistency_weight"),
        (lambda: MeanTeacher(3, predict_with="both"), "predict_with"),
        (lambda: MeanTeacher(3, running_statistics="shared"), "running_statistics"),
        (lambda: UncertaintyAwareMeanTeacher(3, passes=0), "passes"),
        (lambda: UncertaintyAwareMeanTeacher(3, largest_entropy=0.0), "largest_entropy"),
    ],
)
def test_bad_settings_are_named(make, message) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
