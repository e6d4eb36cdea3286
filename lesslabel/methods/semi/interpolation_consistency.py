"""ICT: the prediction for a mixture of two images is the mixture of their predictions."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.losses import consistency_loss
from lesslabel.methods.checks import require_not_negative, require_positive
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.targets import supervised_terms, unlabelled_samples
from lesslabel.methods.teacher import Predictor, RunningStatistics, TeacherMethod
from lesslabel.networks import Network, UNet


class InterpolationConsistency(TeacherMethod):
    """A teacher's predictions of two unlabelled images, mixed, are the target of the student for the mixed image (ICT).

    From "Interpolation Consistency Training for Semi-Supervised Learning" (Verma et al., IJCAI 2019, arXiv:1903.03825):
    ``L = ½·(L_CE + L_Dice) + λ(t)·mean (y(Mix_β(u, u')) − Mix_β(y'(u), y'(u')))²`` with Mix_β(a, b) = β·a + (1 − β)·b
    (eq. 1 and 2) and one β ~ Beta(α, α) for each pair. Every unlabelled sample is mixed with the next of its batch; the
    public code of the segmentation benchmarks mixes the first half with the second, with one β for the batch.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        mixing: α; small values mix little.
        consistency_weight: λ, the value at the end of the ramp.
        ramp_iterations: T, after which λ(t) = λ·exp(−5·(1 − t/T)²) stays; None is the length of the run.
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
        mixing: float = 0.2,
        consistency_weight: float = 0.1,
        ramp_iterations: int | None = None,
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
        require_positive(mixing=mixing)
        require_not_negative(consistency_weight=consistency_weight, ramp_iterations=ramp_iterations)
        self.mixing = mixing
        self.consistency_weight = consistency_weight
        self.ramp_iterations = ramp_iterations

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the supervised terms and the consistency of mixtures of unlabelled samples."""
        unlabelled = unlabelled_samples(batch)
        if not unlabelled.any():
            return supervised_terms(self.network(batch["image"]), batch)
        image = batch["image"][unlabelled]
        beta = torch.distributions.Beta(self.mixing, self.mixing).sample((len(image),)).to(image)
        logits = self.network(torch.cat([batch["image"], mixed_with_next(image, beta)]))
        known, student = logits.split([len(batch["image"]), len(image)])
        target = mixed_with_next(self.teacher(image).float().softmax(dim=1), beta)
        consistency = consistency_loss(student.float().softmax(dim=1), target)
        weight = self.consistency_weight * self.ramp_up(self.ramp_iterations)
        return {**supervised_terms(known, batch), "consistency": weight * consistency}


def mixed_with_next(values: Tensor, beta: Tensor) -> Tensor:
    """Mix every sample with the next one of its batch: β·a + (1 − β)·b.

    Args:
        values: B×…, images or probabilities.
        beta: (B,) share of the sample itself.
    """
    return torch.lerp(values.roll(-1, dims=0), values, beta.view(-1, *(1,) * (values.ndim - 1)).to(values))
