"""A teacher, the exponential moving average of its student, and the base class of methods with a teacher."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lesslabel.errors import ConfigError
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.checks import require_choice
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.networks import Network, UNet

RunningStatistics = Literal["averaged", "copied", "own"]
Predictor = Literal["student", "teacher"]


class Teacher(nn.Module):
    """A network whose weights are an exponential moving average of another's, without gradient and optimiser.

    Its weights are part of the method's state, so checkpoints hold them and a resumed run continues with them. In
    training it works as the published teachers do: dropout is on and batch normalisation uses the statistics of the
    batch. The running statistics, which are used only in evaluation, follow one of these policies:

    - ``averaged``: exponential average of the student's, like the weights;
    - ``copied``: the student's;
    - ``own``: updated by the teacher's own forward passes, as in the published code of Mean Teacher.

    Args:
        student: the network that the teacher starts as a copy of.
        running_statistics: policy for the buffers.

    Raises:
        ConfigError: if the policy is unknown.
    """

    def __init__(self, student: nn.Module, running_statistics: RunningStatistics = "averaged") -> None:
        super().__init__()
        if running_statistics not in get_args(RunningStatistics):
            raise ConfigError(f"running_statistics: {running_statistics!r} is not 'averaged', 'copied' or 'own'")
        self.network = deepcopy(student).requires_grad_(False)
        self.running_statistics = running_statistics
        if running_statistics != "own":
            _hold_running_statistics(self.network)

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """Run the forward pass without a gradient."""
        result: Tensor = self.network(image)
        return result

    @torch.no_grad()
    def update(self, student: nn.Module, decay: float) -> None:
        """Update towards the student: decay·teacher + (1 − decay)·student.

        Args:
            student: the network that was just updated, of the same shape.
            decay: in [0, 1]; 0 makes the teacher a copy.
        """
        for mine, theirs in zip(self.network.parameters(), student.parameters(), strict=True):
            mine.lerp_(theirs, 1 - decay)
        if self.running_statistics == "own":
            return
        for statistic, current in zip(self.network.buffers(), student.buffers(), strict=True):
            if self.running_statistics == "averaged" and statistic.is_floating_point():
                statistic.lerp_(current, 1 - decay)
            else:
                statistic.copy_(current)


class FrozenCopy(Teacher):
    """A network as training found it: it never learns, and predicts as in evaluation, whatever mode the method is in.

    Methods that adapt a trained network keep the source's model in it.

    Args:
        network: the network that it is a copy of.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.eval()

    def train(self, mode: bool = True) -> "FrozenCopy":  # noqa: ARG002  the mode of the method does not matter
        """Stay in evaluation."""
        super().train(False)
        return self


def with_copies(weights: Mapping[str, Tensor], copy: str) -> Mapping[str, Tensor]:
    """Complete the weights of a method by those of a `Teacher` that starts as a copy of its network.

    Args:
        weights: by name, those of the network beginning with ``network.``.
        copy: name of the teacher in the method.

    Returns:
        The same if they hold the teacher, else its weights too.
    """
    if any(name.startswith(f"{copy}.") for name in weights):
        return weights
    copied = {f"{copy}.{name}": tensor.clone() for name, tensor in weights.items() if name.startswith("network.")}
    return {**weights, **copied}


def warmed_up_decay(step: int, decay: float) -> float:
    """Compute min(1 − 1 / (step + 1), decay): the plain average in the first steps, then the exponential one.

    Args:
        step: number of updates before this one; the first update makes the teacher a copy of the student.
        decay: value after the warm-up.
    """
    return min(1 - 1 / (step + 1), decay)


def forgetting_decay(step: int, decay: float) -> float:
    """Compute min((1 + step) / (10 + step), decay): an average that forgets the first, untrained states soon.

    The plain average of `warmed_up_decay` weighs all states alike for a hundred steps at a decay of 0.99, so that in a
    run of a few hundred the teacher is far behind its student. Here it spans about a tenth of the steps so far. The
    rule is that of `tf.train.ExponentialMovingAverage` with a number of updates.

    Args:
        step: number of updates before this one.
        decay: value that is reached after a while, 0.99 after 890 updates.
    """
    return min((1 + step) / (10 + step), decay)


@contextmanager
def held_statistics(network: nn.Module) -> Iterator[None]:
    """Keep the running statistics of batch normalisation as they are while the block runs in training."""
    layers = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.training]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True


class TeacherMethod(SegmentationMethod):
    """The base class of methods with a teacher.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        teacher_decay: of the exponential average, in [0, 1).
        running_statistics: the teacher's policy for buffers, see `Teacher`.
        predict_with: which of the two predicts in validation and test.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        teacher_decay: float = 0.99,
        running_statistics: RunningStatistics = "averaged",
        predict_with: Predictor = "student",
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        if not 0.0 <= teacher_decay < 1.0:
            raise ConfigError(f"model.teacher_decay must be in [0, 1), got {teacher_decay}")
        require_choice(Predictor, predict_with=predict_with)
        self.network = self.build_network()
        self.teacher = Teacher(self.network, running_statistics)
        self.teacher_decay = teacher_decay
        self.predict_with = predict_with

    def logits(self, image: Tensor) -> Tensor:
        """Predict with the student or the teacher, as set by `predict_with`."""
        result: Tensor = self.network(image) if self.predict_with == "student" else self.teacher(image)
        return result

    def complete_weights(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Let every teacher start as a copy of a network without one."""
        for name, part in self.named_children():
            if isinstance(part, Teacher):
                weights = with_copies(weights, name)
        return weights

    def after_update(self) -> None:
        """Update the teacher."""
        self.teacher.update(self.network, warmed_up_decay(self.iteration, self.teacher_decay))


def _hold_running_statistics(network: nn.Module) -> None:
    """Let batch normalisation use its running statistics in evaluation, but never update them."""
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            # in training the layer then uses only the batch; momentum 0 would still count the batches
            module.track_running_stats = False
