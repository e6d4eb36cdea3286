"""CBMT: a teacher labels the image as it is, the student learns it on a changed one, with balanced classes."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.losses import partial_cross_entropy
from lesslabel.methods.checkpoints import with_own_parts
from lesslabel.methods.checks import require_positive, require_share
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.perturb import StrongIntensity, sample_intensity
from lesslabel.methods.teacher import TeacherMethod
from lesslabel.networks import Network, UNet


class CBMT(TeacherMethod):
    """Cross-entropy of the student's strong view against the teacher's labels, with a weight for each class.

    After "Source-Free Domain Adaptive Fundus Image Segmentation with Class-Balanced Mean Teacher" (Tang et al., MICCAI
    2023, arXiv:2307.09973). Both networks start as the source's. The teacher predicts p for the image as it is; a voxel
    is of a structure if 1 − p_0 ≥ γ, and then of the most probable one, else background. The student predicts y for the
    image with changed intensities: ``L = Σ_v w_ŷ·(−ln y_ŷ) / Σ_v w_ŷ`` over voxels v with the label ŷ. Then the teacher
    becomes μ·teacher + (1 − μ)·student, and in the end predicts.

    Loss calibration: m_c is the mean of −ln p_c over the undecided voxels with the label c, and w_c is proportional to
    1 / m_c. Undecided is a background voxel with 1 − p_0 > αγ, and a voxel of a structure with p_c < 1 − α(1 − γ). For
    two classes this is the public code's loss.

    The paper has a sigmoid for each structure; here classes exclude each other. The public code weighs the optic cup
    alone, and computes m before each epoch from the predictions for all images; here every class has a weight, and m
    is an average over the iterations so far, which fade by `statistics_decay` (chosen here). Its strong view has
    salt-and-pepper noise, brightness and erased boxes; here it is the library's. No label is used, whatever a batch
    holds. Start from a trained network (`lesslabel fit --weights`, `lesslabel adapt`).

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        teacher_decay: μ, in [0, 1).
        threshold: γ, in (0, 1].
        margin: α, in [0, 1]; the larger, the fewer voxels are undecided.
        statistics_decay: in [0, 1]; 0 computes m from the batch alone, 1 from all iterations alike.
        strong: ranges of the intensity changes.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        teacher_decay: float = 0.98,
        threshold: float = 0.75,
        margin: float = 0.2,
        statistics_decay: float = 0.98,
        strong: StrongIntensity = StrongIntensity(),
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes,
            in_channels=in_channels,
            teacher_decay=teacher_decay,
            running_statistics="own",  # as in the public code: those of the images as they are
            predict_with="teacher",
            network=network,
            optimiser=optimiser,
            inference=inference,
        )
        require_share(threshold=threshold, margin=margin, statistics_decay=statistics_decay)
        require_positive(threshold=threshold)
        self.threshold = threshold
        self.margin = margin
        self.statistics_decay = statistics_decay
        self.strong = strong
        self.register_buffer("undecided", torch.zeros(2, num_classes))  # sums of losses, and counts of voxels
        self.undecided: Tensor

    def complete_weights(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Let the teacher start as a copy of the network, and the statistics empty."""
        return with_own_parts(super().complete_weights(weights), self, "undecided")

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the weighted cross-entropy of the strong view against the teacher's labels."""
        image = batch["image"]
        probabilities = self.teacher(image).float().softmax(dim=1)
        label = foreground_label(probabilities, self.threshold)
        new = undecided_losses(probabilities, label, self.threshold, self.margin)
        self.undecided.mul_(self.statistics_decay).add_(new)
        view = sample_intensity(self.strong, image.shape).apply(image)
        weight = class_weights(self.undecided)[label]
        return {"cross_entropy": partial_cross_entropy(self.network(view), label, weight=weight)}

    def after_update(self) -> None:
        """Update the teacher, which is trained from the start: without the warm-up of other teachers."""
        self.teacher.update(self.network, self.teacher_decay)


@torch.no_grad()
def foreground_label(probabilities: Tensor, threshold: float) -> Tensor:
    """Take the most probable structure where all structures together reach a threshold, else the background.

    Returns:
        B×[D×]H×W int64 class indices, for probabilities B×C×[D×]H×W.
    """
    structure = probabilities[:, 1:].max(dim=1).indices + 1
    return torch.where(1.0 - probabilities[:, 0] >= threshold, structure, 0)


@torch.no_grad()
def undecided_losses(probabilities: Tensor, label: Tensor, threshold: float, margin: float) -> Tensor:
    """Sum the losses of the undecided voxels of each class, and count them.

    Args:
        probabilities: B×C×[D×]H×W.
        label: B×[D×]H×W, by `foreground_label`.
        threshold: γ.
        margin: α.

    Returns:
        2×C: the sum of −ln p_c over the undecided voxels with the label c, and their number.
    """
    own = probabilities.gather(1, label[:, None])[:, 0]
    # background: 1 − p_0 > αγ, which is p_0 < 1 − αγ
    bound = torch.where(label == 0, 1.0 - margin * threshold, 1.0 - margin * (1.0 - threshold))
    chosen = own < bound
    label, loss = label[chosen], -own[chosen].clamp(min=1e-12).log()
    classes = probabilities.shape[1]
    sums = torch.stack([loss[label == index].sum() for index in range(classes)])
    return torch.stack([sums, label.bincount(minlength=classes).to(sums)])


def class_weights(undecided: Tensor) -> Tensor:
    """Weigh every class by the inverse of its mean loss; the largest weight is 1.

    Returns:
        (C,) in (0, 1]; 1 for a class without undecided voxels.
    """
    means = undecided[0] / undecided[1]  # NaN without voxels
    return (means.nan_to_num(torch.inf).min() / means).nan_to_num(1.0).clamp(max=1.0)
