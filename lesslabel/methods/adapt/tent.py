"""Tent: minimise the entropy on new images by training only the normalisation layers."""

from collections.abc import Mapping

from torch import Tensor, nn

from lesslabel.data.batch import Batch
from lesslabel.losses import entropy_loss
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.networks import Network, UNet

_NORMALISATIONS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)  # batch and instance norm share a base
_DROPOUTS = (nn.modules.dropout._DropoutNd,)


class Tent(SegmentationMethod):
    """Minimise the entropy by the scale and shift of the normalisation layers; all other weights stay fixed.

    From "Tent: Fully Test-Time Adaptation by Entropy Minimization" (Wang et al., ICLR 2021, arXiv:2006.10726):
    ``L = mean H(y)``, with batch normalisation on the statistics of the new images. The paper adapts on the images
    that it predicts; here the network and its running statistics adapt to the unlabelled images of the training part of
    the target domain, so the test images are not used. No label is used, whatever a batch holds. Dropout is off.

    Start from a trained network (`lesslabel fit --weights`, `lesslabel adapt`): from random weights the result
    is meaningless.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        self.network = self.build_network()
        self.network.requires_grad_(False)
        for module in self.network.modules():
            if isinstance(module, _NORMALISATIONS):
                module.requires_grad_(True)

    def train(self, mode: bool = True) -> "Tent":
        """Set the mode of every layer except dropout, which stays off."""
        super().train(mode)
        for module in self.network.modules():
            if isinstance(module, _DROPOUTS):
                module.eval()
        return self

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the entropy of every sample."""
        return {"entropy": entropy_loss(self.probabilities(batch["image"]))}
