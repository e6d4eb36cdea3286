"""UniMatch: two strong views of an image and dropped features learn from its plain prediction."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.losses import confident_label
from lesslabel.methods.checks import require_not_negative
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.perturb import StrongIntensity, drop_channels
from lesslabel.methods.semi.fixmatch import FixMatch, PseudoLabelLoss
from lesslabel.methods.targets import supervised_terms, unlabelled_samples
from lesslabel.networks import Network, UNet, UShaped, encoder_maps


class UniMatch(FixMatch):
    """FixMatch with two strong views of every image, and with a decoding of the plain image's features after dropout.

    From "Revisiting Weak-to-Strong Consistency in Semi-Supervised Semantic Segmentation" (Yang et al., CVPR 2023,
    arXiv:2208.09910): ``L = L_s + λ·L_fp + μ/2·(L_s1 + L_s2)`` (eq. 6; the paper halves the sum). All three compare
    with the same labels of the plain image, where it is confident. In L_fp whole channels of every map of the encoder
    are dropped with probability 0.5; the encoder runs once for both decodings. L_s1 and L_s2 are of two views with
    their own intensity changes and CutMix boxes, in one forward pass. As in the published code for ACDC the losses on
    pseudo labels are Dice over confident voxels.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        pseudo_label_weight: μ, of the two strong views together.
        ramp_iterations: T, until which both weights rise with exp(−5·(1 − t/T)²); 0, as published, has no ramp, None is
            the length of the run.
        feature_weight: λ, of the dropped features.
        feature_dropout: probability that a channel is dropped.
        threshold: voxels whose most probable class is below it have no pseudo label.
        pseudo_label_loss: ``dice`` over the confident voxels, or ``cross_entropy`` over all.
        strong: ranges of the intensity changes.
        cutmix_probability: probability that a strong view is mixed with another.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    network: UShaped

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        pseudo_label_weight: float = 0.5,
        ramp_iterations: int | None = 0,
        feature_weight: float = 0.5,
        feature_dropout: float = 0.5,
        threshold: float = 0.95,
        pseudo_label_loss: PseudoLabelLoss = "dice",
        strong: StrongIntensity = StrongIntensity(),
        cutmix_probability: float = 0.5,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes,
            in_channels=in_channels,
            pseudo_label_weight=pseudo_label_weight,
            ramp_iterations=ramp_iterations,
            threshold=threshold,
            pseudo_label_loss=pseudo_label_loss,
            strong=strong,
            cutmix_probability=cutmix_probability,
            network=network,
            optimiser=optimiser,
            inference=inference,
        )
        require_not_negative(feature_weight=feature_weight)
        drop_channels([], feature_dropout)
        self.feature_weight = feature_weight
        self.feature_dropout = feature_dropout

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the supervised terms, and the losses of the dropped features and of both strong views."""
        with encoder_maps(self.network) as maps:
            logits = self.network(batch["image"])
        terms = supervised_terms(logits, batch)
        unlabelled = unlabelled_samples(batch)
        if unlabelled.any():
            image = batch["image"][unlabelled]
            label = confident_label(logits[unlabelled].float().softmax(dim=1), self.threshold)
            features = drop_channels([level[unlabelled] for level in maps[0]], self.feature_dropout)
            dropped = self.network.head(self.network.decoder(features))
            ramp = self.ramp_up(self.ramp_iterations)
            terms["feature"] = ramp * self.feature_weight * self.disagreement(dropped, label)
            views = [self.strong_view(image, label) for _ in range(2)]
            strong = self.network(torch.cat([view for view, _ in views])).chunk(2)
            losses = [self.disagreement(one, mixed) for one, (_, mixed) in zip(strong, views, strict=True)]
            terms["pseudo_label"] = ramp * self.pseudo_label_weight * 0.5 * (losses[0] + losses[1])
        return terms
