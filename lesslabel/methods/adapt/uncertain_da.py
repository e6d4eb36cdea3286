"""UncertainDA: features on which heads with dropout agree, certain predictions, and the source's surest labels."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lesslabel.data.batch import Batch
from lesslabel.losses import class_balanced_label, consistency_loss, entropy_loss, partial_cross_entropy
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.checkpoints import with_own_parts
from lesslabel.methods.checks import require_at_least, require_not_negative, require_share
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.perturb import drop_channels
from lesslabel.methods.teacher import FrozenCopy, with_copies
from lesslabel.networks import Network, UNet, UShaped, drawn_anew


class UncertainDA(SegmentationMethod):
    """Cross-entropy on the source's labels, entropy, and the difference to heads that see features with dropout.

    From "Uncertainty Reduction for Model Adaptation in Semantic Segmentation" (S and Fleuret, CVPR 2021):
    ``L = λ_ce·CE(y, q) + λ_ent·H(y) + λ_unc·Σ_k mean (y_k − y)²``. The network's head is frozen. y_k is the prediction
    of one of K further heads, which start at random and see the features with channels dropped at random; no gradient
    flows into y there. So the features learn to be understood when parts are missing. H is the mean entropy of a voxel
    as a share of ln C. The pseudo-labels q are those of the source's model, for each class the share of its voxels
    where it is surest; the others are unknown.

    The heads take the penultimate map, as the paper's take the input of its classifier. The public code selects the
    share over all images at once, relabels by the probability relative to the class's bound, as CRST does, and trains
    the further heads with ten times the learning rate; here the share is of the batch, q is the most probable class,
    and all have one learning rate. No label is used, whatever a batch holds.

    Start from a trained network (`lesslabel fit --weights`, `lesslabel adapt`).

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        pseudo_label_weight: λ_ce, 0 or more.
        entropy_weight: λ_ent, 0 or more.
        uncertainty_weight: λ_unc, 0 or more.
        label_share: of the voxels of each class, those that are labelled, in [0, 1].
        heads: K, at least 1.
        dropout: probability that a channel is dropped, in [0, 1).
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    network: UShaped

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        pseudo_label_weight: float = 1.0,
        entropy_weight: float = 1.0,
        uncertainty_weight: float = 0.1,
        label_share: float = 0.2,
        heads: int = 4,
        dropout: float = 0.5,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        require_not_negative(
            pseudo_label_weight=pseudo_label_weight,
            entropy_weight=entropy_weight,
            uncertainty_weight=uncertainty_weight,
        )
        require_share(label_share=label_share)
        require_at_least(1, heads=heads)
        drop_channels([], dropout)  # checks it
        self.network = self.build_network()
        self.source = FrozenCopy(self.network)
        self.heads = nn.ModuleList(drawn_anew(self.network.head) for _ in range(heads))
        self.network.head.requires_grad_(False)
        self.pseudo_label_weight = pseudo_label_weight
        self.entropy_weight = entropy_weight
        self.uncertainty_weight = uncertainty_weight
        self.label_share = label_share
        self.dropout = dropout

    def complete_weights(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Keep the network that training starts from as the source; the further heads start at random."""
        return with_own_parts(with_copies(weights, "source"), self, "heads")

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the cross-entropy against the source's labels, the entropy, and the difference of the heads."""
        image = batch["image"]
        features = self.network.features(image)
        logits = self.network.head(features)
        probabilities = logits.float().softmax(dim=1)
        label = class_balanced_label(self.source(image).float().softmax(dim=1), 1.0, self.label_share)
        target = probabilities.detach()
        differences = [
            consistency_loss(head(*drop_channels([features], self.dropout)).float().softmax(dim=1), target)
            for head in self.heads
        ]
        return {
            "pseudo_label": self.pseudo_label_weight * partial_cross_entropy(logits, label),
            "entropy": self.entropy_weight * entropy_loss(probabilities),
            "uncertainty": self.uncertainty_weight * torch.stack(differences).sum(),
        }
