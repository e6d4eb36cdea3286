"""Partial cross-entropy: the lower bound of scribble supervision."""

from collections.abc import Mapping

from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.losses import mixed_pseudo_label, partial_cross_entropy, pseudo_label_loss
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.checks import require_not_negative
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.networks import Network, UNet


class PartialCrossEntropy(SegmentationMethod):
    """Cross-entropy on scribbled voxels only (pCE), and optionally self-supervision of the single branch.

    With ``pseudo_label_weight`` > 0 the network's own hard prediction supervises it by Dice over the whole image: the
    single-branch counterpart of DMPLS, an ablation.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        pseudo_label_weight: weight of the self-supervision; 0 is plain pCE.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        pseudo_label_weight: float = 0.0,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        require_not_negative(pseudo_label_weight=pseudo_label_weight)
        self.network = self.build_network()
        self.pseudo_label_weight = pseudo_label_weight

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute pCE (eq. 4-1, averaged over the known voxels) and the pseudo-label term, if any."""
        logits = self.network(batch["image"])
        known = partial_cross_entropy(
            logits, batch["target"], annotated_labels=batch["annotated_labels"], weight=batch.get("weight")
        )
        if not self.pseudo_label_weight:
            return {"partial_cross_entropy": known}
        probabilities = logits.float().softmax(dim=1)
        own_label = mixed_pseudo_label(probabilities, probabilities, 1.0)
        return {
            "partial_cross_entropy": known,
            "pseudo_label": self.pseudo_label_weight * pseudo_label_loss(probabilities, own_label),
        }
