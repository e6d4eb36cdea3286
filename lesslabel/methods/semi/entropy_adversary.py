"""Adversarial entropy minimisation: the uncertainty of unlabelled samples shall look like that of labelled ones."""

import math

from torch import Tensor

from lesslabel.losses.entropy import self_information
from lesslabel.methods.adversary import DISCRIMINATOR, AdversarialMethod
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.networks import Network, UNet


class EntropyAdversary(AdversarialMethod):
    """A discriminator that sees how uncertain a prediction is about each class in each voxel (AdvEnt).

    From "ADVENT: Adversarial Entropy Minimization for Domain Adaptation in Semantic Segmentation" (Vu et al., CVPR
    2019, arXiv:1811.12833), with labelled samples as the source and unlabelled ones as the target, as in the
    semi-supervised segmentation benchmarks: ``L = ½·(L_CE + L_Dice) − λ(t)·mean ln D(I(u))`` (eq. 6) with the weighted
    self-information I = −y·ln y / ln C of every class, and the discriminator's loss of eq. 5.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        adversarial_weight: λ, the value at the end of the ramp; 0.001 in the paper.
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
        """Compute the weighted self-information of each class, in [0, 1 / (e·ln C)]."""
        return self_information(output.float().softmax(dim=1)) / math.log(self.num_classes)
