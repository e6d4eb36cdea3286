"""AdaptSeg: predictions of another hospital's images shall look like those of the labelled ones."""

from torch import Tensor

from lesslabel.methods.adversary import DISCRIMINATOR, AdversarialMethod
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.networks import Network, UNet


class AdaptSeg(AdversarialMethod):
    """A discriminator of predictions, for labelled images of one hospital and unlabelled ones of another (AdaptSegNet).

    From "Learning to Adapt Structured Output Space for Semantic Segmentation" (Tsai et al., CVPR 2018,
    arXiv:1802.10349), at one level, its output: ``L = ½·(L_CE + L_Dice) − λ·mean ln D(y(t))`` over samples t of the
    target (eq. 2, 4), and the discriminator learns to give 1 to predictions of the source and 0 to those of the target
    (eq. 1). Labelled samples of a batch are the source, unlabelled ones the target.

    It needs the source's images, so it is an upper line for methods that adapt a model without them. The paper has
    cross-entropy alone, a score for each place, where here a sample has one, and a variant with a second, coarser
    prediction and its own discriminator, which is not here.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        adversarial_weight: λ, 0 or more, the value at the end of the ramp.
        ramp_iterations: T, after which λ(t) = λ·exp(−5·(1 − t/T)²) stays; None is the length of the run, 0 as published
            has no ramp.
        discriminator: optimiser of the discriminator.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate of the network.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        adversarial_weight: float = 0.001,
        ramp_iterations: int | None = 0,
        discriminator: Optimiser = DISCRIMINATOR,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes,
            num_classes,
            in_channels=in_channels,
            adversarial_weight=adversarial_weight,
            ramp_iterations=ramp_iterations,
            discriminator=discriminator,
            network=network,
            optimiser=optimiser,
            inference=inference,
        )
        self.network = self.build_network()

    def evidence(self, image: Tensor, output: Tensor) -> Tensor:  # noqa: ARG002  the image is not judged
        """Take the probabilities."""
        return output.float().softmax(dim=1)
