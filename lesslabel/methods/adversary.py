"""The base class of methods with a discriminator that tells predictions of labelled and unlabelled samples apart."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lesslabel.data.batch import Batch
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.checks import require_not_negative
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.players import Player
from lesslabel.methods.targets import supervised_terms, unlabelled_samples
from lesslabel.networks import Discriminator, Network, UNet

DISCRIMINATOR = Optimiser(name="adam", learning_rate=1e-4, weight_decay=0.0, decay="none")
"""Optimiser of the discriminator in the published codes."""


class AdversarialMethod(SegmentationMethod):
    """The base class of adversarial methods: predictions of unlabelled samples shall look like those of labelled ones.

    The network's adversarial term is −ln D(evidence) on unlabelled samples, the discriminator's loss is −ln D on
    labelled and −ln (1 − D) on unlabelled ones; the network steps first, then the discriminator on fresh predictions.

    Args:
        num_classes: classes, background included.
        evidence_channels: channels of what the discriminator sees, see `evidence`.
        in_channels: channels of the image.
        adversarial_weight: λ, the value at the end of the ramp.
        ramp_iterations: T, after which λ(t) = λ·exp(−5·(1 − t/T)²) stays; None is the length of the run.
        discriminator: optimiser of the discriminator.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate of the network.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        evidence_channels: int,
        *,
        in_channels: int = 1,
        adversarial_weight: float = 0.1,
        ramp_iterations: int | None = None,
        discriminator: Optimiser = DISCRIMINATOR,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        require_not_negative(adversarial_weight=adversarial_weight, ramp_iterations=ramp_iterations)
        self.discriminator = Discriminator(network.dimensions, evidence_channels)
        self.discriminator_optimiser = discriminator
        self.adversarial_weight = adversarial_weight
        self.ramp_iterations = ramp_iterations

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the supervised terms of the labelled samples and the adversarial one of the others."""
        logits = self.network(batch["image"])
        return {**supervised_terms(logits, batch), **self.adversarial_term(batch, logits)}

    @abstractmethod
    def evidence(self, image: Tensor, output: Any) -> Tensor:
        """Compute what the discriminator sees.

        Args:
            image: B×C×[D×]H×W.
            output: of the network for it.

        Returns:
            B×evidence_channels×[D×]H×W.
        """

    def players(self) -> Mapping[str, Player]:
        """The discriminator, with its own optimiser."""
        return {"discriminator": Player(self.discriminator, self.discriminator_optimiser, self.told_apart)}

    def adversarial_term(self, batch: Batch, output: Any) -> dict[str, Tensor]:
        """Compute the term ``adversarial`` of the network; without unlabelled samples there is none.

        Args:
            batch: the training batch.
            output: of the network for its images.
        """
        unlabelled = unlabelled_samples(batch)
        if not unlabelled.any():
            return {}
        score = self.discriminator(self.evidence(batch["image"], output)[unlabelled])
        weight = self.adversarial_weight * self.ramp_up(self.ramp_iterations)
        return {"adversarial": weight * F.softplus(-score).mean()}

    def told_apart(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the discriminator's losses on labelled and on unlabelled samples."""
        with torch.no_grad():
            evidence = self.evidence(batch["image"], self.network(batch["image"]))
        score = self.discriminator(evidence)
        unlabelled = unlabelled_samples(batch)
        groups = (("labelled", ~unlabelled, -score), ("unlabelled", unlabelled, score))
        return {
            name: F.softplus(wrong).masked_fill(~chosen, 0).sum() / chosen.sum().clamp(min=1)
            for name, chosen, wrong in groups
        }
