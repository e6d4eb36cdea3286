"""CPS: two networks that supervise each other."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE
from lesslabel.losses import hard_label, partial_cross_entropy, pseudo_label_loss
from lesslabel.losses.rules import over_grid
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.checks import require_choice, require_not_negative
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.targets import supervised_terms, unlabelled_samples
from lesslabel.networks import Network, UNet

PseudoLabelLoss = Literal["cross_entropy", "dice"]
PseudoLabelled = Literal["all", "unlabelled"]
Member = Literal["first", "both"]


class CrossPseudoSupervision(SegmentationMethod):
    """Two networks of one shape and independent weights; the hard prediction of each supervises the other (CPS).

    From "Semi-Supervised Semantic Segmentation with Cross Pseudo Supervision" (Chen et al., CVPR 2021,
    arXiv:2106.01226). Each network has the loss ``½·(L_CE + L_Dice) + λ(t)·L(y, label of the other)``; the terms are
    the sums over both. No gradient flows through a label. Labelled and unlabelled samples share one forward pass.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        pseudo_label_weight: λ, the value at the end of the ramp.
        ramp_iterations: T, after which λ(t) = λ·exp(−5·(1 − t/T)²) stays; None is the length of the run.
        pseudo_label_loss: ``cross_entropy`` as published, or ``dice``.
        pseudo_label_on: ``all`` samples as in the paper, or the ``unlabelled`` ones as in the published code of the
            medical benchmarks.
        predict_with: the ``first`` network as in the paper, or the mean probability of ``both`` at twice the cost.
        network: description of the segmentation networks.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        pseudo_label_weight: float = 0.1,
        ramp_iterations: int | None = None,
        pseudo_label_loss: PseudoLabelLoss = "cross_entropy",
        pseudo_label_on: PseudoLabelled = "all",
        predict_with: Member = "first",
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        require_not_negative(pseudo_label_weight=pseudo_label_weight, ramp_iterations=ramp_iterations)
        require_choice(PseudoLabelLoss, pseudo_label_loss=pseudo_label_loss)
        require_choice(PseudoLabelled, pseudo_label_on=pseudo_label_on)
        require_choice(Member, predict_with=predict_with)
        self.network = self.build_network()
        self.second = self.build_network()
        self.pseudo_label_weight = pseudo_label_weight
        self.ramp_iterations = ramp_iterations
        self.pseudo_label_loss = pseudo_label_loss
        self.pseudo_label_on = pseudo_label_on
        self.predict_with = predict_with

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the supervised terms of both networks and the loss on each other's pseudo labels."""
        first, second = self.network(batch["image"]), self.second(batch["image"])
        known = [supervised_terms(logits, batch) for logits in (first, second)]
        pseudo = self._pseudo_label_loss(first, hard_label(second), batch) + self._pseudo_label_loss(
            second, hard_label(first), batch
        )
        weight = self.pseudo_label_weight * self.ramp_up(self.ramp_iterations)
        return {name: known[0][name] + known[1][name] for name in known[0]} | {"pseudo_label": weight * pseudo}

    def logits(self, image: Tensor) -> Tensor:
        """Predict with the first network, or with both."""
        first: Tensor = self.network(image)
        if self.predict_with == "first":
            return first
        second: Tensor = self.second(image)
        # the softmax of the result is the mean probability
        return torch.logaddexp(first.float().log_softmax(dim=1), second.float().log_softmax(dim=1))

    def _pseudo_label_loss(self, logits: Tensor, label: Tensor, batch: Batch) -> Tensor:
        if self.pseudo_label_on == "unlabelled":
            label = torch.where(over_grid(unlabelled_samples(batch), label), label, IGNORE)
        if self.pseudo_label_loss == "dice":
            return pseudo_label_loss(logits.float().softmax(dim=1), label)
        return partial_cross_entropy(logits, label)
