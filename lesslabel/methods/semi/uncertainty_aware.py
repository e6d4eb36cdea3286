"""UA-MT: a Mean Teacher whose consistency loss uses only certain voxels."""

import math

import torch
from torch import Tensor

from lesslabel.losses import certain_consistency_loss, certain_voxels, certainty_threshold
from lesslabel.methods.checks import require_at_least, require_positive
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.semi.mean_teacher import MeanTeacher
from lesslabel.methods.teacher import Predictor, RunningStatistics
from lesslabel.networks import Network, UNet


class UncertaintyAwareMeanTeacher(MeanTeacher):
    """Mean Teacher (UA-MT) with the consistency restricted to voxels where repeated predictions of the teacher agree.

    From "Uncertainty-Aware Self-ensembling Model for Semi-supervised 3D Left Atrium Segmentation" (Yu et al., MICCAI
    2019, arXiv:1907.07034). The teacher predicts `passes` times with fresh noise and dropout; a voxel counts if the
    entropy of the mean prediction is below a threshold that rises from ¾ to 1 of `largest_entropy` over the run. The
    student predicts labelled and unlabelled samples in one forward pass, the teacher the unlabelled ones.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        passes: stochastic forward passes of the teacher that measure its uncertainty, in addition to the one for the
            target.
        largest_entropy: value of the threshold at the end of the run, in nats; the published code takes ln 2 for any
            number of classes.
        consistency_weight: λ, the value at the end of the ramp.
        ramp_iterations: T, after which λ(t) = λ·exp(−5·(1 − t/T)²) stays; None is the length of the run.
        noise: standard deviation of the noise on the teacher's image, in units of the normalised image; clipped at two
            standard deviations.
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
        passes: int = 8,
        largest_entropy: float = math.log(2),
        consistency_weight: float = 0.1,
        ramp_iterations: int | None = None,
        noise: float = 0.1,
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
            consistency_weight=consistency_weight,
            ramp_iterations=ramp_iterations,
            noise=noise,
            teacher_decay=teacher_decay,
            running_statistics=running_statistics,
            predict_with=predict_with,
            network=network,
            optimiser=optimiser,
            inference=inference,
        )
        require_at_least(1, passes=passes)
        require_positive(largest_entropy=largest_entropy)
        self.passes = passes
        self.largest_entropy = largest_entropy

    def consistency(self, student: Tensor, image: Tensor) -> Tensor:
        """Compare the student with the teacher on certain voxels."""
        teacher = self.teacher_probabilities(image)
        mean = torch.zeros_like(teacher)
        for _ in range(self.passes):
            mean += self.teacher_probabilities(image) / self.passes
        certain = certain_voxels(mean, certainty_threshold(self.progress, self.largest_entropy))
        return certain_consistency_loss(student, teacher, certain)
