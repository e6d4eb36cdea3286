"""Scribble2Label: an average over the training keeps the labels on which predictions agree."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE
from lesslabel.losses import confident_label, partial_cross_entropy
from lesslabel.methods.checks import require_not_negative, require_share
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.targets import known_cross_entropy
from lesslabel.methods.teacher import Predictor, RunningStatistics, TeacherMethod
from lesslabel.networks import Network, UNet


class Scribble2Label(TeacherMethod):
    """Cross-entropy on scribbles, then also on averaged predictions, where these are confident.

    From "Scribble2Label: Scribble-Supervised Cell Segmentation via Self-Generating Pseudo-Labels with Consistency" (Lee
    and Jeong, MICCAI 2020, arXiv:2006.12890): ``L = pCE(y, s) + λ·L_CE(y, PL)``. PL is, outside the scribbles, the most
    probable class of the averaged prediction where its probability exceeds τ. λ is 0 during a warm-up.

    The publication averages the predictions of each image every γ epochs, ``ȳ ← α·y + (1 − α)·ȳ`` with α = 0.2, on
    images without augmentation. Here the weights are averaged and predict each augmented image, as Mean Teacher does in
    place of temporal ensembling: no memory grows with the data set, and crops need no image of their own. The decay
    0.998 is that of the code of the scribble benchmark (WSL4MIS), α = 0.2 every 100 iterations.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        pseudo_label_weight: λ after the warm-up.
        warm_up_share: share of the run without pseudo-labels; the benchmark's code takes 6 000 of 60 000 iterations.
        confidence: τ in [0, 1].
        teacher_decay: of the exponential average.
        running_statistics: the teacher's policy for buffers, see `Teacher`.
        predict_with: which network predicts; the published code takes the one in training.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        pseudo_label_weight: float = 0.5,
        warm_up_share: float = 0.1,
        confidence: float = 0.8,
        teacher_decay: float = 0.998,
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
        require_share(warm_up_share=warm_up_share, confidence=confidence)
        self.pseudo_label_weight = pseudo_label_weight
        self.warm_up_share = warm_up_share
        self.confidence = confidence

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute pCE and, after the warm-up, the cross-entropy against confident averaged predictions."""
        logits = self.network(batch["image"])
        terms = {"partial_cross_entropy": known_cross_entropy(logits, batch)}
        if self.progress >= self.warm_up_share:
            average: Tensor = self.teacher(batch["image"])
            label = confident_label(average.float().softmax(dim=1), self.confidence, above=True)
            label = torch.where(batch["target"] == IGNORE, label, IGNORE)
            terms["pseudo_label"] = self.pseudo_label_weight * partial_cross_entropy(logits, label)
        return terms
