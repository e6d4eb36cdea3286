"""Omni: one method for dense, scribbled and unlabelled cases together."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE
from lesslabel.losses import class_balanced_label, partial_cross_entropy, pseudo_label_loss
from lesslabel.methods.checks import require_not_negative, require_share
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.perturb import StrongIntensity, strong_view
from lesslabel.methods.targets import dense_target, known_cross_entropy, supervised_terms, trusted_target
from lesslabel.methods.teacher import Predictor, RunningStatistics, TeacherMethod, forgetting_decay
from lesslabel.networks import Network, UNet


class Omni(TeacherMethod):
    """A student that learns every annotation there is, and strong views of every image completed by its teacher.

    Our own method: what the strong methods for scribbles and for unlabelled cases have in common. A teacher, the
    exponential average of the student (Tarvainen and Valpola, NeurIPS 2017), labels the voxels that nobody annotated,
    where it is confident (FixMatch, Sohn et al., NeurIPS 2020). The completed labels supervise strong views of all
    samples, dense, scribbled or not, with changed intensities and CutMix among all of them (as UniMatch, Yang et al.,
    CVPR 2023, and BCP, Bai et al., CVPR 2023), so that boxes of annotated images lie in others:

    ``L = ½·(L_CE + L_Dice)(dense) + pCE(sparse) + λ(t)·½·(L_CE + L_Dice)(y(strong view), completed label)``

    Each kind of annotation has the loss that it has alone: dense slices cross-entropy and Dice, scribbles the partial
    cross-entropy, averaged over their own voxels, so that the few of a stroke do not drown among those of a dense
    slice. The teacher sees the plain images. It labels voxels from a confidence on, and of each class at least its most
    confident ones (`class_balanced_label`). A background voxel of a slice whose annotation does not cover all classes
    is left to the teacher, since it may be of another class. With scribbles alone, dense labels alone or no labels in a
    batch it is the same formula.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        completed_weight: λ, the value at the end of the ramp.
        ramp_iterations: T, after which λ(t) = λ·exp(−5·(1 − t/T)²) stays; None is the length of the run.
        threshold: the teacher's confidence from which on it labels a voxel.
        least_share: of the voxels that the teacher gives a class, the share that is labelled at least.
        strong: ranges of the intensity changes.
        cutmix_probability: probability that a strong view is mixed with another.
        teacher_decay: of the exponential average after its beginning, see `forgetting_decay`.
        running_statistics: the teacher's policy for buffers, see `Teacher`.
        predict_with: which network predicts.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        completed_weight: float = 1.0,
        ramp_iterations: int | None = None,
        threshold: float = 0.8,
        least_share: float = 0.5,
        strong: StrongIntensity = StrongIntensity(),
        cutmix_probability: float = 0.5,
        teacher_decay: float = 0.99,
        running_statistics: RunningStatistics = "averaged",
        predict_with: Predictor = "teacher",
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
        require_not_negative(completed_weight=completed_weight, ramp_iterations=ramp_iterations)
        require_share(threshold=threshold, least_share=least_share, cutmix_probability=cutmix_probability)
        self.completed_weight = completed_weight
        self.ramp_iterations = ramp_iterations
        self.threshold = threshold
        self.least_share = least_share
        self.strong = strong
        self.cutmix_probability = cutmix_probability

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the supervised terms of the plain images, and those of their strong views."""
        image = batch["image"]
        view, label = strong_view(image, self.completed(batch), self.strong, self.cutmix_probability)
        plain = self.network(image)
        dense, sparse = dense_target(batch), batch.copy()
        sparse["target"] = torch.where(dense == IGNORE, batch["target"], IGNORE)
        logits = self.network(view)
        weight = 0.5 * self.completed_weight * self.ramp_up(self.ramp_iterations)
        return {
            **supervised_terms(plain, {**batch, "target": dense}),
            "partial_cross_entropy": known_cross_entropy(plain, sparse),
            "completed_cross_entropy": weight * partial_cross_entropy(logits, label),
            "completed_dice": weight * pseudo_label_loss(logits.float().softmax(dim=1), label),
        }

    def after_update(self) -> None:
        """Update the teacher, which is close behind its student in the first steps too."""
        self.teacher.update(self.network, forgetting_decay(self.iteration, self.teacher_decay))

    @torch.no_grad()
    def completed(self, batch: Batch) -> Tensor:
        """Complete the annotation of a batch by confident labels of the teacher: B×[D×]H×W, `IGNORE` elsewhere."""
        target = trusted_target(batch)
        answer = self.teacher(batch["image"]).float().softmax(dim=1)
        label = class_balanced_label(answer, self.threshold, self.least_share)
        return torch.where(target == IGNORE, label, target)
