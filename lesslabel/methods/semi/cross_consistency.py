"""CCT: auxiliary decoders that see perturbed features predict what the main decoder does."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lesslabel.data.batch import Batch
from lesslabel.losses import consistency_loss
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.checks import require_not_negative
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.perturb import drop_channels, drop_salient, scale_features
from lesslabel.methods.targets import supervised_terms, unlabelled_samples
from lesslabel.networks import Network, UNet, UShaped, drawn_anew, encoder_maps


class CrossConsistency(SegmentationMethod):
    """One encoder, a main decoder, and three auxiliary decoders that see its maps with noise or without parts (CCT).

    From "Semi-Supervised Semantic Segmentation with Cross-Consistency Training" (Ouali et al., CVPR 2020,
    arXiv:2003.09005): ``L = ½·(L_CE + L_Dice) + λ(t)·mean_k mean (y_k − y)²`` (eq. 1 and 2), the second term on
    unlabelled samples; no gradient flows into the main decoder's y there. The auxiliary decoders see every map of the
    encoder after F-Noise, channel dropout and F-Drop. The paper has further perturbations (of context, objects and
    boxes, and an adversarial one); the three are those of the segmentation benchmarks, whose code also trains the
    auxiliary decoders on labels and lets gradients into both sides.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        consistency_weight: λ, the value at the end of the ramp.
        ramp_iterations: T, after which λ(t) = λ·exp(−5·(1 − t/T)²) stays; None is the length of the run.
        noise: amplitude of F-Noise.
        dropout: probability that a channel is dropped.
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
        consistency_weight: float = 0.1,
        ramp_iterations: int | None = None,
        noise: float = 0.3,
        dropout: float = 0.5,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        require_not_negative(consistency_weight=consistency_weight, ramp_iterations=ramp_iterations, noise=noise)
        drop_channels([], dropout)
        self.network = self.build_network()
        self.auxiliaries = nn.ModuleList(
            nn.Sequential(drawn_anew(self.network.decoder), drawn_anew(self.network.head)) for _ in range(3)
        )
        self.consistency_weight = consistency_weight
        self.ramp_iterations = ramp_iterations
        self.noise = noise
        self.dropout = dropout

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the supervised terms of the main decoder, and how far the auxiliary ones are from it."""
        with encoder_maps(self.network) as maps:
            logits = self.network(batch["image"])
        terms = supervised_terms(logits, batch)
        unlabelled = unlabelled_samples(batch)
        if unlabelled.any():
            target = logits[unlabelled].detach().float().softmax(dim=1)
            features = [level[unlabelled] for level in maps[0]]
            perturbed = (
                scale_features(features, self.noise),
                drop_channels(features, self.dropout),
                drop_salient(features),
            )
            differences = [
                consistency_loss(auxiliary(seen).float().softmax(dim=1), target)
                for auxiliary, seen in zip(self.auxiliaries, perturbed, strict=True)
            ]
            weight = self.consistency_weight * self.ramp_up(self.ramp_iterations)
            terms["consistency"] = weight * torch.stack(differences).mean()
        return terms
