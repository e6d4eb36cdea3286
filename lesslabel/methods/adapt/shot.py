"""SHOT: fit the features of new images to the frozen head of the source's model."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from lesslabel.data.batch import Batch
from lesslabel.losses import class_share_divergence, entropy_loss, partial_cross_entropy
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.checks import require_class_shares, require_not_negative
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.prototypes import class_prototypes, nearest_prototype
from lesslabel.networks import Network, UNet, UShaped


class SHOT(SegmentationMethod):
    """Certain and diverse predictions with a frozen head, and pseudo-labels by the nearest prototype.

    After "Do We Really Need to Access the Source Data? Source Hypothesis Transfer for Unsupervised Domain Adaptation"
    (Liang et al., ICML 2020, arXiv:2002.08546), which classifies images: ``L = H(y) + λ·KL(ŷ ‖ τ) + β·CE(y, q)``. H is
    the mean entropy of a voxel as a share of ln C, ŷ the mean prediction of the batch. The paper draws ŷ to equal
    shares of all classes, which an image with a small structure does not have; here τ are the shares of the source,
    and equal ones give the published term. The pseudo-labels q are of the nearest prototype by cosine: first of
    prototypes weighted by the prediction, then of those of the labels so found. The paper computes them over all images
    once in an epoch; here over the batch, with the network as it is. No label is used, whatever a batch holds.

    Start from a trained network (`lesslabel fit --weights`, `lesslabel adapt`).

    Args:
        num_classes: classes, background included.
        class_shares: τ, the share of voxels of each class, background first; positive, sums to 1.
        in_channels: channels of the image.
        share_weight: λ.
        pseudo_label_weight: β.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    network: UShaped

    def __init__(
        self,
        num_classes: int,
        *,
        class_shares: list[float],
        in_channels: int = 1,
        share_weight: float = 1.0,
        pseudo_label_weight: float = 0.3,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        require_class_shares(class_shares, num_classes)
        require_not_negative(share_weight=share_weight, pseudo_label_weight=pseudo_label_weight)
        self.network = self.build_network()
        self.network.head.requires_grad_(False)
        self.class_shares = class_shares
        self.share_weight = share_weight
        self.pseudo_label_weight = pseudo_label_weight

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the entropy, the divergence of the shares, and the cross-entropy against prototypes' labels."""
        features = self.network.features(batch["image"])
        logits = self.network.head(features).float()
        probabilities = logits.softmax(dim=1)
        shares = torch.tensor(self.class_shares, dtype=probabilities.dtype, device=probabilities.device)
        label = prototype_label(features.detach().float(), probabilities.detach())
        return {
            "entropy": entropy_loss(probabilities),
            "class_shares": self.share_weight * class_share_divergence(probabilities, shares),
            "pseudo_label": self.pseudo_label_weight * partial_cross_entropy(logits, label),
        }


@torch.no_grad()
def prototype_label(features: Tensor, probabilities: Tensor) -> Tensor:
    """Label every voxel by its nearest prototype; the prototypes of these labels decide again.

    Args:
        features: B×F×[D×]H×W.
        probabilities: B×C×[D×]H×W.

    Returns:
        B×[D×]H×W int64.
    """
    directions = F.normalize(features, dim=1)
    label = nearest_prototype(directions, class_prototypes(directions, probabilities), cosine=True)
    chosen = torch.zeros_like(probabilities).scatter(1, label[:, None], 1.0)
    return nearest_prototype(directions, class_prototypes(directions, chosen), cosine=True)
