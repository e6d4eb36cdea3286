"""MC-Net and MC-Net+: decoders that upsample differently supervise each other by soft pseudo labels."""

from collections.abc import Mapping
from itertools import permutations

import torch
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.losses import consistency_loss, sharpened
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.checks import require_not_negative, require_positive
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.targets import supervised_terms
from lesslabel.networks import Network, UNet, VariedDecoders
from lesslabel.networks.varied_decoders import Interpolation


class MutualConsistency(SegmentationMethod):
    """One encoder, and decoders that differ in upsampling; each learns the sharpened prediction of every other.

    From "Semi-supervised Left Atrium Segmentation with Mutual Consistency Training" (MC-Net, Wu et al., MICCAI 2021,
    arXiv:2103.02911), two decoders, and "Mutual Consistency Learning for Semi-supervised Medical Image Segmentation"
    (MC-Net+, Wu et al., Medical Image Analysis 2022), three. ``L = Σ_i ½·(L_CE + L_Dice)(y_i) + λ(t)·Σ_{i ≠ j}
    mean (y_i − S(y_j))²`` on all samples, with S(p) = p^(1/T) / Σ_c p^(1/T) (for two classes the sharpening of MC-Net).
    No gradient flows through S. The published code has Dice alone as the supervised loss and sharpens each class by
    itself.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        further_decoders: how each decoder after the first upsamples, ``linear`` or ``nearest``; one is MC-Net, two are
            MC-Net+.
        temperature: T.
        consistency_weight: λ, the value at the end of the ramp.
        ramp_iterations: of the ramp λ(t) = λ·exp(−5·(1 − t/ramp)²); None is the length of the run.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    network: VariedDecoders

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        further_decoders: tuple[Interpolation, ...] = ("linear", "nearest"),
        temperature: float = 0.1,
        consistency_weight: float = 0.1,
        ramp_iterations: int | None = None,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        require_positive(temperature=temperature, further_decoders=len(further_decoders))
        require_not_negative(consistency_weight=consistency_weight, ramp_iterations=ramp_iterations)
        self.network = VariedDecoders(self.build_network(), network.dimensions, further_decoders)
        self.temperature = temperature
        self.consistency_weight = consistency_weight
        self.ramp_iterations = ramp_iterations

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the supervised terms of all decoders and their mutual consistency on all samples."""
        decoded = self.network(batch["image"])
        known = [supervised_terms(logits, batch) for logits in decoded]
        terms = {name: torch.stack([part[name] for part in known]).sum() for name in known[0]}
        predictions = [logits.float().softmax(dim=1) for logits in decoded]
        labels = [sharpened(logits, self.temperature) for logits in decoded]
        pairs = permutations(range(len(decoded)), 2)
        mutual = torch.stack([consistency_loss(predictions[one], labels[other]) for one, other in pairs]).sum()
        terms["consistency"] = self.consistency_weight * self.ramp_up(self.ramp_iterations) * mutual
        return terms

    def logits(self, image: Tensor) -> Tensor:
        """Predict with the first decoder."""
        return self.network.main(image)
