"""Dual-task consistency: a segmentation and a level set that must agree, also on unlabelled samples."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.data.case import Kind
from lesslabel.errors import ConfigError
from lesslabel.losses import (
    LevelSetDerivation,
    consistency_loss,
    dice_loss,
    level_set_loss,
    level_set_targets,
    level_set_to_probability,
)
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.checks import require_at_least, require_not_negative
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.targets import dense_target
from lesslabel.networks import Network, TwoHeads, UNet


class DTC(SegmentationMethod):
    """One network with two heads: the probability of each class, and its level set, which is negative inside.

    From "Semi-supervised Medical Image Segmentation through Dual-task Consistency" (Luo et al., AAAI 2021,
    arXiv:2009.04448). ``L = L_Dice + β·L_LSF + λ(t)·L_DTC``: Dice and the squared error of the level set on dense
    labels, and on every sample, labelled or not, the squared difference of the first head and T⁻¹ of the second. All
    samples of a batch share one forward pass, so batch normalisation uses both streams. If only some slices of a volume
    are dense, the level sets are computed for each run of neighbouring dense slices, as if it were a volume.

    Two classes: one channel for each head, as published. More: one softmax channel per class and one level set per
    foreground class, each compared with the probability of its class. The ablations are weights of 0: Seg (β = λ = 0),
    LSF (`segmentation_weight` = λ = 0, `predict_with` the level set), Seg + LSF (λ = 0).

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        segmentation_weight: of L_Dice; 1, or 0 for the LSF ablation.
        level_set_weight: β; the thesis has 1, the public code 0.3.
        consistency_weight: the value that λ(t) = exp(−5·(1 − t/T)²) reaches, 1 in both.
        ramp_iterations: T; None is the length of the run. The public code has 6000, its length.
        ramp_every: iterations between two changes of λ; 1 is a smooth ramp, the public code has 150.
        steepness: k of T⁻¹(z) = sigmoid(−k·z).
        level_set: targets of the whole case (``volume``, the thesis; computed once and kept in the store) or of the
            patch (``patch``, the public code; computed for every sample).
        empty: target of a class that is absent: +1 everywhere (``outside``), or ``zeros`` as in the public code.
        squared_dice: squared sums in the denominator of Dice, as in the public code; the thesis has plain ones.
        per_sample: average both supervised losses over samples instead of the batch, so that several processes with
            small batches compute the same loss as one with a large batch.
        predict_with: the head that predicts; with ``level_set`` a voxel belongs to the class whose value is lowest and
            below 0.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    network: TwoHeads

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        segmentation_weight: float = 1.0,
        level_set_weight: float = 1.0,
        consistency_weight: float = 1.0,
        ramp_iterations: int | None = None,
        ramp_every: int = 1,
        steepness: float = 1500.0,
        level_set: Literal["volume", "patch"] = "patch",
        empty: Literal["outside", "zeros"] = "outside",
        squared_dice: bool = False,
        per_sample: bool = False,
        predict_with: Literal["segmentation", "level_set"] = "segmentation",
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        self.weights = {
            "segmentation_weight": segmentation_weight,
            "level_set_weight": level_set_weight,
            "consistency_weight": consistency_weight,
        }
        self._check(steepness, ramp_iterations, ramp_every)
        segmentation_channels = 1 if num_classes == 2 else num_classes
        backbone = network.build(in_channels, segmentation_channels)
        self.network = TwoHeads(backbone, network.feature_channels, num_classes - 1, network.dimensions)
        self.ramp_iterations = ramp_iterations
        self.ramp_every = ramp_every
        self.steepness = steepness
        self._derivation = LevelSetDerivation(level_set == "volume", network.dimensions, empty)
        self.squared_dice = squared_dice
        self.per_sample = per_sample
        self.predict_with = predict_with

    @property
    def map_derivation(self) -> LevelSetDerivation:
        """The level sets that the data module puts into ``batch["derived"]``."""
        return self._derivation

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the supervised losses of both heads and their agreement on every sample."""
        segmentation, signed = self._heads(batch["image"])
        probabilities = segmentation.float().softmax(dim=1)
        target, annotated = dense_target(batch), batch["annotated_labels"]
        dice = dice_loss(  # eq. 5-5
            probabilities,
            target,
            squared=self.squared_dice,
            include_background=False,
            annotated_labels=annotated,
            per_sample=self.per_sample,
        )
        regression = level_set_loss(  # eq. 5-6
            signed, self._level_sets(batch, target), target, annotated_labels=annotated, per_sample=self.per_sample
        )
        from_level_set = level_set_to_probability(signed, self.steepness)  # eq. 5-2
        agreement = consistency_loss(probabilities[:, 1:], from_level_set)  # eq. 5-4
        ramp = self.ramp_up(self.ramp_iterations, self.ramp_every)
        return {  # eq. 5-7
            "dice": self.weights["segmentation_weight"] * dice,
            "level_set": self.weights["level_set_weight"] * regression,
            "consistency": self.weights["consistency_weight"] * ramp * agreement,
        }

    def logits(self, image: Tensor) -> Tensor:
        """Predict with the head of `predict_with`."""
        segmentation, signed = self._heads(image)
        return segmentation if self.predict_with == "segmentation" else _after_background(-self.steepness * signed)

    def _heads(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of all classes, B×C, and level sets of the foreground ones, B×(C − 1), in [−1, 1]."""
        segmentation, level_sets = self.network(image)
        if self.num_classes == 2:
            segmentation = _after_background(segmentation)
        return segmentation, torch.tanh(level_sets.float())

    def _level_sets(self, batch: Batch, target: Tensor) -> Tensor:
        """The level sets of the batch; without a data module they are computed here, from the patches."""
        if "derived" in batch:
            return batch["derived"]
        dense = batch["kind"] == int(Kind.DENSE)
        if self._derivation.whole and bool(dense.any()):
            raise ConfigError("model.level_set is volume, but the batch has no level sets; train with a data module")
        return level_set_targets(target, self.num_classes, self._derivation.empty, dense)

    def _check(self, steepness: float, ramp_iterations: int | None, ramp_every: int) -> None:
        require_not_negative(**self.weights, ramp_iterations=ramp_iterations)
        require_at_least(1, ramp_every=ramp_every)
        if steepness <= 0.0:
            raise ConfigError(f"model.steepness must be positive, got {steepness}; the sign is in the formula")


def _after_background(foreground: Tensor) -> Tensor:
    """Logits of all classes whose softmax is, for one foreground class, the sigmoid of its logit."""
    return torch.cat([torch.zeros_like(foreground[:, :1]), foreground], dim=1)
