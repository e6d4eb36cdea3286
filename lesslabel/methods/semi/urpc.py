"""URPC: predictions at several scales that agree where they are certain."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.losses import uncertainty_rectified_loss
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.checks import require_at_least, require_not_negative
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.targets import supervised_terms, unlabelled_samples
from lesslabel.networks import Network, PyramidHeads, UNet


class URPC(SegmentationMethod):
    """One network that predicts at several levels of its decoder; on unlabelled samples they are drawn to their mean.

    From "Efficient Semi-supervised Gross Target Volume of Nasopharyngeal Carcinoma Segmentation via Uncertainty
    Rectified Pyramid Consistency" (Luo et al., MICCAI 2021, arXiv:2012.07042). The supervised terms are the means over
    scales (eq. 2); the consistency weighs every voxel of a scale by exp(−D), where D is the divergence of the scale
    from the mean, and adds the mean of D (eq. 3 to 5). One forward pass. The published decoders have dropout and noise
    before their coarse heads; here only what the network itself has.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        scales: predictions, finest first; fewer if the decoder has fewer levels. Four are published.
        consistency_weight: λ, the value at the end of the ramp.
        ramp_iterations: T, after which λ(t) = λ·exp(−5·(1 − t/T)²) stays; None is the length of the run.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    network: PyramidHeads

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        scales: int = 4,
        consistency_weight: float = 0.1,
        ramp_iterations: int | None = None,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        require_at_least(2, scales=scales)
        require_not_negative(consistency_weight=consistency_weight, ramp_iterations=ramp_iterations)
        self.network = PyramidHeads(self.build_network(), num_classes, network.dimensions, scales)
        self.consistency_weight = consistency_weight
        self.ramp_iterations = ramp_iterations

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the supervised terms of all scales and their rectified consistency on unlabelled samples."""
        scales = self.network(batch["image"])
        known = [supervised_terms(logits, batch) for logits in scales]
        terms = {name: torch.stack([part[name] for part in known]).mean() for name in known[0]}
        unlabelled = unlabelled_samples(batch)
        if unlabelled.any():
            consistency = uncertainty_rectified_loss([logits[unlabelled] for logits in scales])
            terms["consistency"] = self.consistency_weight * self.ramp_up(self.ramp_iterations) * consistency
        return terms

    def logits(self, image: Tensor) -> Tensor:
        """Predict with the finest scale."""
        return self.network.finest(image)
