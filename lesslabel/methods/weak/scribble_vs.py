"""ScribbleVS: student and teacher compete, and the better one teaches."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.losses import confident_label, dice_loss, gaussian_ramp, partial_cross_entropy
from lesslabel.methods.checks import require_not_negative, require_share
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.targets import known_cross_entropy
from lesslabel.methods.teacher import Predictor, RunningStatistics, Teacher, TeacherMethod, warmed_up_decay
from lesslabel.networks import Network, UNet


class ScribbleVS(TeacherMethod):
    """A student and its averaged teacher; the one with the lower pCE on the scribbles gives the pseudo-label.

    From "ScribbleVS: Scribble-Supervised Medical Image Segmentation via Dynamic Competitive Pseudo Label Selection"
    (Wang et al., 2024, arXiv:2411.10237). ``L = pCE(y, s) + λ(t)·½·(L_CE(y, PL) + L_Dice(y, PL))``. PL is the most
    probable class of the winner in voxels where its probability exceeds τ, and unknown elsewhere (regional pseudo-label
    diffusion); the winner is the network with the lower pCE on this batch (dynamic competitive selection), the student
    if they are equal. No gradient flows through PL.

    The published code differs: the teacher's average includes the first steps without a warm-up, all its buffers are
    averaged and then overwritten by its own passes in training mode, the student's weights shrink by a further 2e-4 a
    step, λ(t) changes every 300 iterations, and the checkpoint is the best of a validation after every iteration.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        pseudo_label_weight: λ, the value at the end of the ramp.
        ramp_share: share of the run after which λ(t) = λ·exp(−5·(1 − t/T)²) stays; 0 means from the start.
        confidence: τ in [0, 1].
        second_teacher: two teachers, updated in turn, compete with the student. An option of ours, after the alternate
            teachers of AD-MT (Zhao et al., ECCV 2024): each then averages every other state of the student.
        teacher_decay: of the exponential average.
        running_statistics: the teacher's policy for buffers, see `Teacher`.
        predict_with: which network predicts; the published code takes the student.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        pseudo_label_weight: float = 1.0,
        ramp_share: float = 0.2,
        confidence: float = 0.5,
        second_teacher: bool = False,
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
        require_not_negative(pseudo_label_weight=pseudo_label_weight)
        require_share(confidence=confidence, ramp_share=ramp_share)
        self.second_teacher = Teacher(self.network, running_statistics) if second_teacher else None
        self.pseudo_label_weight = pseudo_label_weight
        self.ramp_share = ramp_share
        self.confidence = confidence

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute pCE of the student, and cross-entropy and Dice against the winner's confident labels."""
        logits = self.network(batch["image"])
        known = known_cross_entropy(logits, batch)
        rivals = [(logits, known)]
        for teacher in self._teachers():
            answer = teacher(batch["image"])
            rivals.append((answer, known_cross_entropy(answer, batch)))
        label = self._label_of_the_winner(rivals)
        weight = 0.5 * self.pseudo_label_weight * gaussian_ramp(self.progress, self.ramp_share)
        return {
            "partial_cross_entropy": known,
            "pseudo_label_cross_entropy": weight * partial_cross_entropy(logits, label),
            "pseudo_label_dice": weight * dice_loss(logits.float().softmax(dim=1), label),
        }

    def after_update(self) -> None:
        """Update the teacher; of two teachers, the one whose turn it is."""
        teachers = self._teachers()
        rounds, turn = divmod(self.iteration, len(teachers))
        teachers[turn].update(self.network, warmed_up_decay(rounds, self.teacher_decay))

    def _teachers(self) -> list[Teacher]:
        return [self.teacher] if self.second_teacher is None else [self.teacher, self.second_teacher]

    def _label_of_the_winner(self, rivals: list[tuple[Tensor, Tensor]]) -> Tensor:
        # stacked and indexed on the device, so that a GPU need not wait for the comparison
        labels = torch.stack(
            [confident_label(logits.float().softmax(dim=1), self.confidence, above=True) for logits, _ in rivals]
        )
        winner = torch.stack([loss.detach() for _, loss in rivals]).argmin()
        return labels.index_select(0, winner[None])[0]
