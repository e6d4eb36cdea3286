"""Total variation: short boundaries."""

from torch import Tensor

from lesslabel.losses import total_variation_loss
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.weak.regularised import RegularisedScribbles
from lesslabel.networks import Network, UNet


class TotalVariation(RegularisedScribbles):
    """Partial cross-entropy and the total variation of the foreground probabilities.

    Total variation is from Rudin, Osher and Fatemi (Physica D 1992); for scribbles it is a baseline of the benchmark of
    Luo et al. (WSL4MIS): ``L = pCE(y, s) + λ·mean Σ over axes of |yᵢ₊₁ − yᵢ|``, λ = 0.01.

    The benchmark's code takes the difference of a morphological opening and an erosion of the probabilities instead of
    a gradient, and its slice ``[1:]`` leaves out the first sample of the batch, not the background.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        regulariser_weight: λ, the value at the end of the ramp.
        ramp_iterations: T, after which λ(t) = λ·exp(−5·(1 − t/T)²) stays; 0 means from the start, as published, None is
            the length of the run.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        regulariser_weight: float = 0.01,
        ramp_iterations: int | None = 0,
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

    def regulariser(self, probabilities: Tensor, image: Tensor) -> Tensor:  # noqa: ARG002  other regularisers look at it
        """Compute the total variation of the foreground classes."""
        return total_variation_loss(probabilities)
