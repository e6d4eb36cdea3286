"""Full supervision: the upper bound."""

from collections.abc import Mapping

from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.losses import dice_loss, partial_cross_entropy
from lesslabel.methods.base import SegmentationMethod, dense_target
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.networks import NetworkShape


class Supervised(SegmentationMethod):
    """Cross-entropy plus Dice on whatever is labelled: the upper bound when every case is dense.

    ``L = ½·(L_CE + L_Dice)``. Cross-entropy averages over known voxels; Dice speaks of densely labelled samples only.
    Unlabelled samples change nothing.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        network: shape of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 1,
        network: NetworkShape = NetworkShape(),  # noqa: B008  frozen
        optimiser: Optimiser = Optimiser(),  # noqa: B008  frozen
        inference: Inference = Inference(),  # noqa: B008  frozen
    ) -> None:
        super().__init__(num_classes, in_channels, network, optimiser, inference)
        self.network = self.build_network()

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute ½ cross-entropy and ½ Dice."""
        return supervised_terms(self.network(batch["image"]), batch)


def supervised_terms(logits: Tensor, batch: Batch) -> dict[str, Tensor]:
    """Compute what the labels of a batch ask for: ½ cross-entropy on known voxels and ½ Dice on dense samples.

    Args:
        logits: B×C×[D×]H×W.
        batch: the labels; a sample without any changes nothing.

    Returns:
        The terms ``cross_entropy`` and ``dice``.
    """
    annotated = batch["annotated_labels"]
    cross_entropy = partial_cross_entropy(
        logits, batch["target"], annotated_labels=annotated, weight=batch.get("weight")
    )
    dice = dice_loss(logits.float().softmax(dim=1), dense_target(batch), annotated_labels=annotated)
    return {"cross_entropy": 0.5 * cross_entropy, "dice": 0.5 * dice}
