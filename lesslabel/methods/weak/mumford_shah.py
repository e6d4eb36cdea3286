"""Mumford–Shah: regions of one intensity with short boundaries."""

from torch import Tensor

from lesslabel.losses import mumford_shah_loss
from lesslabel.methods.checks import require_not_negative
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.weak.regularised import RegularisedScribbles
from lesslabel.networks import Network, UNet


class MumfordShah(RegularisedScribbles):
    """Partial cross-entropy and the Mumford–Shah functional of the image.

    From "Mumford–Shah Loss Functional for Image Segmentation With Deep Learning" (Kim and Ye, IEEE TIP 2020,
    arXiv:1904.02872): ``L = pCE(y, s) + λ·R``, R the squared distance of each voxel to the mean intensity of its class,
    plus the length of boundaries, averaged over voxels.

    The code of the scribble benchmark (WSL4MIS) sums R over the batch with λ = 1e-6; a batch of 12 slices of 256×256
    has 786 432 voxels, so its λ is 0.8 for the mean.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        regulariser_weight: λ, the value at the end of the ramp.
        ramp_iterations: T, after which λ(t) = λ·exp(−5·(1 − t/T)²) stays; 0 means from the start, as published, None is
            the length of the run.
        length_weight: weight of the boundaries within R.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        regulariser_weight: float = 0.8,
        ramp_iterations: int | None = 0,
        length_weight: float = 1.0,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes,
            in_channels=in_channels,
            regulariser_weight=regulariser_weight,
            ramp_iterations=ramp_iterations,
            network=network,
            optimiser=optimiser,
            inference=inference,
        )
        require_not_negative(length_weight=length_weight)
        self.length_weight = length_weight

    def regulariser(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """Compute the variance within classes and the length of boundaries."""
        return mumford_shah_loss(probabilities, image, length_weight=self.length_weight)
