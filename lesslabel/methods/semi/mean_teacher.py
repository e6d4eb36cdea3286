"""Mean Teacher: consistency with the exponential moving average of the network."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.losses import consistency_loss
from lesslabel.methods.checks import require_not_negative
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.targets import supervised_terms, unlabelled_samples
from lesslabel.methods.teacher import Predictor, RunningStatistics, TeacherMethod
from lesslabel.networks import Network, UNet


class MeanTeacher(TeacherMethod):
    """A student that learns from labels, and from a teacher that is the exponential average of its weights.

    From "Mean teachers are better role models: weight-averaged consistency targets improve semi-supervised deep
    learning results" (Tarvainen and Valpola, NeurIPS 2017, arXiv:1703.01780), as in the semi-supervised segmentation
    benchmarks: ``L = ½·(L_CE + L_Dice) + λ(t)·mean (y − y')²``. The student predicts labelled and unlabelled samples
    in one forward pass, the teacher predicts the unlabelled ones with noise, and the last term is over those.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
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
            teacher_decay=teacher_decay,
            running_statistics=running_statistics,
            predict_with=predict_with,
            network=network,
            optimiser=optimiser,
            inference=inference,
        )
        require_not_negative(consistency_weight=consistency_weight, ramp_iterations=ramp_iterations, noise=noise)
        self.consistency_weight = consistency_weight
        self.ramp_iterations = ramp_iterations
        self.noise = noise

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the supervised terms and the consistency on unlabelled samples."""
        logits = self.network(batch["image"])
        terms = supervised_terms(logits, batch)
        unlabelled = unlabelled_samples(batch)
        if unlabelled.any():
            student = logits[unlabelled].float().softmax(dim=1)
            weight = self.consistency_weight * self.ramp_up(self.ramp_iterations)
            terms["consistency"] = weight * self.consistency(student, batch["image"][unlabelled])
        return terms

    def consistency(self, student: Tensor, image: Tensor) -> Tensor:
        """Compare the student with the teacher.

        Args:
            student: probabilities of the student, B×C×[D×]H×W.
            image: its input, B×C×[D×]H×W, without the teacher's noise.

        Returns:
            Scalar.
        """
        return consistency_loss(student, self.teacher_probabilities(image))

    def teacher_probabilities(self, image: Tensor) -> Tensor:
        """Predict the probabilities of the teacher for an image with fresh noise."""
        noise = (self.noise * torch.randn_like(image)).clamp(-2 * self.noise, 2 * self.noise)
        logits: Tensor = self.teacher(image + noise)
        return logits.float().softmax(dim=1)
