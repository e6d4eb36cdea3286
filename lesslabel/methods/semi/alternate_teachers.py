"""AD-MT: two teachers that are updated in turn, for random periods, by differently augmented images."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE
from lesslabel.losses import pseudo_label_loss, voxel_entropy
from lesslabel.methods.checks import require_at_least, require_not_negative, require_share
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.perturb import StrongIntensity, strong_view
from lesslabel.methods.targets import supervised_terms, unlabelled_samples
from lesslabel.methods.teacher import Predictor, RunningStatistics, Teacher, TeacherMethod, warmed_up_decay
from lesslabel.networks import Network, UNet

_MANY = 1_000_000


class AlternateTeachers(TeacherMethod):
    """A student that learns from two teachers together, each updated for random periods only (AD-MT).

    From "Alternate Diverse Teaching for Semi-supervised Medical Image Segmentation" (Zhao et al., ECCV 2024,
    arXiv:2311.17325). Only one teacher at a time follows the student; after 1 to `period` iterations the other does.
    While the first one does, the student sees unlabelled images with changed intensities, otherwise with CutMix, so
    the teachers become diverse. Their predictions are weighed by exp(−entropy) in every voxel; where the teachers
    conflict and the student disagrees with the result, whoever is more confident gives the label. The student's loss is
    ``½·(L_CE + L_Dice) + λ(t)·L_Dice(y(strong view), label)`` over confident voxels. The public code weighs both
    predictions by the same factor, the sum of both entropies; it draws the unlabelled samples of each period anew. Here
    each teacher counts its own updates, so that its first one makes it a copy of the student, whenever that is.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        period: longest period of one teacher, in iterations.
        pseudo_label_weight: λ, the value at the end of the ramp.
        ramp_iterations: T, after which λ(t) = λ·exp(−5·(1 − t/T)²) stays; None is the length of the run.
        threshold: voxels whose most probable class is below it have no pseudo label.
        strong: ranges of the intensity changes.
        teacher_decay: of the exponential averages.
        running_statistics: the teachers' policy for buffers, see `Teacher`.
        predict_with: the student, or the first teacher.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    turn: Tensor
    left: Tensor
    updates: Tensor

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        period: int = 50,
        pseudo_label_weight: float = 2.0,
        ramp_iterations: int | None = None,
        threshold: float = 0.95,
        strong: StrongIntensity = StrongIntensity(),
        teacher_decay: float = 0.99,
        running_statistics: RunningStatistics = "averaged",
        predict_with: Predictor = "student",
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes,
            in_channels=in_channels,
            teacher_decay=teacher_decay,
            running_statistics=running_statistics,
            predict_with=predict_with,
            network=network,
            optimiser=optimiser,
            inference=inference,
        )
        require_at_least(1, period=period)
        require_not_negative(pseudo_label_weight=pseudo_label_weight, ramp_iterations=ramp_iterations)
        require_share(threshold=threshold)
        self.second_teacher = Teacher(self.network, running_statistics)
        self.period = period
        self.pseudo_label_weight = pseudo_label_weight
        self.ramp_iterations = ramp_iterations
        self.threshold = threshold
        self.strong = strong
        self.register_buffer("turn", torch.zeros((), dtype=torch.long))
        self.register_buffer("left", torch.zeros((), dtype=torch.long))
        self.register_buffer("updates", torch.zeros(2, dtype=torch.long))

    def complete_weights(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Let both teachers start as copies of a network without them; updates that were not counted were many."""
        return super().complete_weights(_with_updates(weights))

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        for name, value in _with_updates(state_dict).items():
            state_dict.setdefault(name, value)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the supervised terms and the Dice of strong views against the teachers' labels."""
        image = batch["image"]
        unlabelled = unlabelled_samples(batch)
        if not unlabelled.any():
            return supervised_terms(self.network(image), batch)
        logits = self.network(image)
        label = self.pseudo_label(image[unlabelled], logits[unlabelled].detach().float().softmax(dim=1))
        changed = StrongIntensity(probability=0.0) if self.turn else self.strong
        view, mixed = strong_view(image[unlabelled], label, changed, float(self.turn))
        loss = pseudo_label_loss(self.network(view).float().softmax(dim=1), mixed)
        weight = self.pseudo_label_weight * self.ramp_up(self.ramp_iterations)
        return {**supervised_terms(logits, batch), "pseudo_label": weight * loss}

    @torch.no_grad()
    def pseudo_label(self, image: Tensor, student: Tensor) -> Tensor:
        """Label images by both teachers, and by the student where they conflict.

        Args:
            image: B×C×[D×]H×W.
            student: its prediction, probabilities of the same grid.

        Returns:
            B×[D×]H×W class indices, `IGNORE` where nobody is confident.
        """
        first, second = (teacher(image).float().softmax(dim=1) for teacher in (self.teacher, self.second_teacher))
        confidence, label = ensemble(first, second).max(dim=1)
        own_confidence, own = student.max(dim=1)
        conflict = first.max(dim=1).indices != second.max(dim=1).indices
        rather_own = conflict & (own != label) & (own_confidence > confidence)
        label = torch.where(rather_own, own, label)
        return label.masked_fill(torch.where(rather_own, own_confidence, confidence) < self.threshold, IGNORE)

    def after_update(self) -> None:
        """Update the teacher whose turn it is, and draw the next period when this one ends."""
        if not self.left:
            self.left.fill_(int(torch.randint(1, self.period + 1, ())))
        turn = int(self.turn)
        teacher = self.second_teacher if turn else self.teacher
        teacher.update(self.network, warmed_up_decay(int(self.updates[turn]), self.teacher_decay))
        self.updates[turn] += 1
        self.left -= 1
        if not self.left:
            self.turn.fill_(1 - turn)


def _with_updates(weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The weights of a version that did not count them, with so many updates that the next is no copy."""
    if "turn" not in weights or "updates" in weights:
        return weights
    return {**weights, "updates": torch.full((2,), _MANY)}


def ensemble(first: Tensor, second: Tensor) -> Tensor:
    """Average two predictions with the weights exp(−entropy) of every voxel; all B×C×[D×]H×W."""
    one, other = ((-voxel_entropy(probabilities)).exp()[:, None] for probabilities in (first, second))
    return (one * first + other * second) / (one + other)
