"""Full supervision: the upper bound."""

from collections.abc import Mapping

from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.data.case import Kind
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.targets import supervised_terms
from lesslabel.networks import Network, UNet


class Supervised(SegmentationMethod):
    """Cross-entropy plus Dice on all labels: the upper bound if every case is densely labelled.

    ``L = ½·(L_CE + L_Dice)``. Cross-entropy averages over known voxels; Dice uses densely labelled slices only,
    in 2D and in 3D, and pseudo-labelled slices if so set. Unlabelled samples and slices do not change the loss.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        dice_on_pseudo_labels: Dice also uses pseudo-labelled slices, as in the third stage of STDR (Wang et
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
