"""Cross teaching: two networks of different architectures label for each other."""

from lesslabel.errors import ConfigError
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.semi.cross_pseudo_supervision import (
    CrossPseudoSupervision,
    Member,
    PseudoLabelled,
    PseudoLabelLoss,
)
from lesslabel.networks import DeepLab, Network, UNet


class CrossTeaching(CrossPseudoSupervision):
    """Cross pseudo supervision between two networks that differ in architecture, with Dice on the pseudo labels.

    From "Semi-Supervised Medical Image Segmentation via Cross Teaching between CNN and Transformer" (Luo et al., MIDL
    2022, arXiv:2112.04894): each network has the loss ``½·(L_CE + L_Dice) + λ(t)·L_Dice(y, label of the other)`` (eq. 3
    to 6) on unlabelled samples. Two networks that see an image differently make different errors. The paper's second
    network is a transformer, Swin-UNet; here it is any network of the library, by default one with a wide view
    (DeepLabV3+). The first network, the CNN of the paper, predicts.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        pseudo_label_weight: λ, the value at the end of the ramp.
        ramp_iterations: T, after which λ(t) = λ·exp(−5·(1 − t/T)²) stays; None is the length of the run.
        pseudo_label_loss: ``dice`` as published, or ``cross_entropy``.
        pseudo_label_on: the ``unlabelled`` samples as published, or ``all``.
        predict_with: the ``first`` network, or the mean probability of ``both`` at twice the cost.
        network: description of the first network.
        second_network: description of the second, with the dimensions of the first; None is DeepLabV3+ of 18 layers.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        pseudo_label_weight: float = 0.1,
        ramp_iterations: int | None = None,
        pseudo_label_loss: PseudoLabelLoss = "dice",
        pseudo_label_on: PseudoLabelled = "unlabelled",
        predict_with: Member = "first",
        network: Network = UNet(),
        second_network: Network | None = None,
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes,
            in_channels=in_channels,
            pseudo_label_weight=pseudo_label_weight,
            ramp_iterations=ramp_iterations,
            pseudo_label_loss=pseudo_label_loss,
            pseudo_label_on=pseudo_label_on,
            predict_with=predict_with,
            network=network,
            optimiser=optimiser,
            inference=inference,
        )
        second = second_network or DeepLab(dimensions=network.dimensions, depth=18)
        if second.dimensions != network.dimensions:
            raise ConfigError(
                f"model.second_network.dimensions is {second.dimensions}, but model.network.dimensions "
                f"{network.dimensions}; both must be equal"
            )
        self.second = second.build(in_channels, num_classes)
