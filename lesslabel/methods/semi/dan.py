"""DAN: a network that tells segmentations of labelled and unlabelled images apart."""

import torch
from torch import Tensor

from lesslabel.methods.adversary import DISCRIMINATOR, AdversarialMethod
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.networks import Network, UNet


class DAN(AdversarialMethod):
    """A segmentation network, and an evaluation network that judges a prediction together with its image (DAN).

    From "Deep Adversarial Networks for Biomedical Image Segmentation Utilizing Unannotated Images" (Zhang et al.,
    MICCAI 2017): ``L = ½·(L_CE + L_Dice) − λ(t)·mean ln D(y(u), u)`` for the network (eq. 2), and the discriminator
    learns to give 1 to labelled and 0 to unlabelled images (eq. 1). In the paper labelled images are scored against the
    opposite label too; here, as in the segmentation benchmarks, the network fools the discriminator on unlabelled
    ones only.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        adversarial_weight: λ, the value at the end of the ramp.
        ramp_iterations: T, after which λ(t) = λ·exp(−5·(1 − t/T)²) stays; None is the length of the run.
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
        adversarial_weight: float = 0.1,
        ramp_iterations: int | None = None,
        discriminator: Optimiser = DISCRIMINATOR,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes,
            num_classes + in_channels,
            in_channels=in_channels,
            adversarial_weight=adversarial_weight,
            ramp_iterations=ramp_iterations,
            discriminator=discriminator,
            network=network,
            optimiser=optimiser,
            inference=inference,
        )
        self.network = self.build_network()

    def evidence(self, image: Tensor, output: Tensor) -> Tensor:
        """Join probabilities and image."""
        return torch.cat([output.float().softmax(dim=1), image], dim=1)
