"""AdaMI: minimise the entropy and keep the class shares of the source."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.losses import class_share_divergence, entropy_loss
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.checks import require_class_shares, require_not_negative
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.networks import Network, UNet


class AdaMI(SegmentationMethod):
    """Minimise the entropy of every voxel and keep the share of each class near that of the source.

    After "Source-free domain adaptation for image segmentation" (Bateson et al., Medical Image Analysis 2022,
    arXiv:2108.03152): ``L = H_ν(y) + λ·KL(τ̂ ‖ τ)``. H_ν weights the entropy of class k by 1/τ_k, normalised; τ̂ is the
    mean prediction, τ the class shares of the source. The paper computes τ̂ for each image and needs to know which
    classes an image holds; here τ̂ is the mean over the batch, which does not need that. No label is used.

    Start from a trained network (`lesslabel fit --weights`, `lesslabel adapt`).

    Args:
        num_classes: classes, background included.
        class_shares: τ, the share of voxels of each class in the source, background first; positive, sums to 1.
        in_channels: channels of the image.
        share_weight: λ.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        class_shares: list[float],
        in_channels: int = 1,
        share_weight: float = 1.0,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        require_class_shares(class_shares, num_classes)
        require_not_negative(share_weight=share_weight)
        self.network = self.build_network()
        self.class_shares = class_shares
        self.share_weight = share_weight

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the weighted entropy and the divergence of the class shares."""
        probabilities = self.probabilities(batch["image"])
        shares = torch.tensor(self.class_shares, dtype=probabilities.dtype, device=probabilities.device)
        return {
            "entropy": entropy_loss(probabilities, class_weights=(1.0 / shares) / (1.0 / shares).sum()),
            "class_shares": self.share_weight * class_share_divergence(probabilities, shares),
        }
