"""Full supervision: the upper bound."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.data.case import Kind
from lesslabel.losses import dice_loss, partial_cross_entropy
from lesslabel.methods.base import SegmentationMethod, target_of_kinds
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.networks import Network, UNet


class Supervised(SegmentationMethod):
    """Cross-entropy plus Dice on whatever is labelled: the upper bound when every case is dense.

    ``L = ½·(L_CE + L_Dice)``. Cross-entropy averages over known voxels; Dice speaks of densely labelled samples only,
    and of pseudo-labels where that is wanted. Unlabelled samples change nothing.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        dice_on_pseudo_labels: Dice speaks of pseudo-labelled samples as well, as in the third stage of STDR (Wang et
            al., IEEE TMI 2024): selected and pseudo-labelled images share one loss.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        dice_on_pseudo_labels: bool = False,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        self.network = self.build_network()
        self.dice_kinds = (Kind.DENSE, Kind.PSEUDO) if dice_on_pseudo_labels else (Kind.DENSE,)

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute ½ cross-entropy and ½ Dice."""
        return supervised_terms(self.network(batch["image"]), batch, self.dice_kinds)


def supervised_terms(logits: Tensor, batch: Batch, dice_kinds: Sequence[Kind] = (Kind.DENSE,)) -> dict[str, Tensor]:
    """Compute what the labels of a batch ask for: ½ cross-entropy on known voxels and ½ Dice on dense samples.

    Args:
        logits: B×C×[D×]H×W.
        batch: the labels; a sample without any changes nothing.
        dice_kinds: the kinds of samples that Dice speaks of.

    Returns:
        The terms ``cross_entropy`` and ``dice``.
    """
    annotated = batch["annotated_labels"]
    cross_entropy = partial_cross_entropy(
        logits, batch["target"], annotated_labels=annotated, weight=batch.get("weight")
    )
    dice = dice_loss(logits.float().softmax(dim=1), target_of_kinds(batch, dice_kinds), annotated_labels=annotated)
    return {"cross_entropy": 0.5 * cross_entropy, "dice": 0.5 * dice}
