"""USTM: uncertainty-aware self-ensembling with a consistent transformation."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.semi.uncertainty_aware import UncertaintyAwareMeanTeacher
from lesslabel.methods.targets import known_cross_entropy
from lesslabel.methods.teacher import Predictor, RunningStatistics
from lesslabel.networks import Network, UNet


class USTM(UncertaintyAwareMeanTeacher):
    """UA-MT on scribbles, where the teacher sees a rotated image and the student's prediction is rotated after it.

    From "Weakly supervised segmentation of COVID19 infection with scribble annotation on CT images" (Liu et al.,
    Pattern Recognition 2022): ``L = pCE(y(x), s) + λ(t)·L_con``, with ``L_con`` the mean of ``(T(y(x)) − y'(T(x)))²``
    over voxels where the entropy of the teacher's mean prediction is below a rising threshold, see
    `UncertaintyAwareMeanTeacher`. T rotates all samples of a batch by the same random multiple of 90° in the plane of
    slices. Every sample is compared, scribbled or not.

    The code of the scribble benchmark (WSL4MIS) divides the sum over classes by 2, whatever their number; here it is
    the mean. There λ = 1, which rises in 60 steps over the run.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        passes: stochastic forward passes of the teacher that measure its uncertainty, in addition to the one for the
            target.
        largest_entropy: value of the threshold at the end of the run, in nats.
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
        consistency_weight: float = 1.0,
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
            passes=passes,
            largest_entropy=largest_entropy,
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

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute pCE and the consistency of all samples under a rotation."""
        logits = self.network(batch["image"])
        turns = int(torch.randint(4, ()))
        student = torch.rot90(logits.float().softmax(dim=1), turns, (-2, -1))
        weight = self.consistency_weight * self.ramp_up(self.ramp_iterations)
        return {
            "partial_cross_entropy": known_cross_entropy(logits, batch),
            "consistency": weight * self.consistency(student, torch.rot90(batch["image"], turns, (-2, -1))),
        }
