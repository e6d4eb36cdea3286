"""DMSPS: dynamically mixed soft pseudo-label supervision."""

from typing import Literal

import torch
from torch import Tensor

from lesslabel.losses import soft_label_loss
from lesslabel.methods.checks import require_choice
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.weak.dmpls import DMPLS
from lesslabel.networks import Network, UNet

Branches = Literal["main", "mean"]


class DMSPS(DMPLS):
    """DMPLS with a soft mixture of both predictions as the label, and a second stage on expanded labels.

    From "DMSPS: Dynamically mixed soft pseudo-label supervision for scribble-supervised medical image segmentation"
    (Han et al., Medical Image Analysis 2024). ``L = ½·(pCE(y₁, s) + pCE(y₂, s)) + λ·½·(H(q, y₁) + H(q, y₂))`` with
    ``q = α·y₁ + (1 − α)·y₂``, α ~ U(0, 1) in every iteration, no gradient through q, and H the cross-entropy of a soft
    label.

    Stage 2 trains the same class on expanded labels: the voxels where the entropy of ``½·(y₁ + y₂)``, as a share of
    ln C, is below 0.1, of each class the largest connected component of a slice. `lesslabel pseudo` writes them.

    The published code takes the softmax twice, H(q, softmax(y)), with λ = 8 (`softmax_twice`); it drops whole channels
    of all maps before the auxiliary decoder, also in evaluation.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        pseudo_label_weight: λ.
        softmax_twice: as in the published code: H of the softmax of the probabilities, a bounded and flatter loss.
        predict_with: the main branch, or the mean of both, as for the labels of stage 2.
        dropout: probability of dropout before the auxiliary decoder.
        dropout_at: ``bottleneck``, or ``all`` maps as in the published code.
        dropout_element: ``voxel``, or ``channel`` as in the published code.
        dropout_in_evaluation: keep it on in evaluation, as the published code does.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        pseudo_label_weight: float = 8.0,
        softmax_twice: bool = False,
        predict_with: Branches = "main",
        dropout: float = 0.5,
        dropout_at: Literal["bottleneck", "all"] = "bottleneck",
        dropout_element: Literal["voxel", "channel"] = "voxel",
        dropout_in_evaluation: bool = False,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes,
            in_channels=in_channels,
            pseudo_label_weight=pseudo_label_weight,
            dropout=dropout,
            dropout_at=dropout_at,
            dropout_element=dropout_element,
            dropout_in_evaluation=dropout_in_evaluation,
            network=network,
            optimiser=optimiser,
            inference=inference,
        )
        require_choice(Branches, predict_with=predict_with)
        self.softmax_twice = softmax_twice
        self.predict_with = predict_with

    def probabilities(self, image: Tensor) -> Tensor:
        """Predict with the main branch, or with the mean of both, as set by `predict_with`."""
        if self.predict_with == "main":
            return super().probabilities(image)
        main, auxiliary = self.network(image)
        mean: Tensor = 0.5 * (main.float().softmax(dim=1) + auxiliary.float().softmax(dim=1))
        return mean

    def agreement_loss(self, main: Tensor, auxiliary: Tensor) -> Tensor:
        """Compare both branches with their soft mixture."""
        first, second = main.float().softmax(dim=1), auxiliary.float().softmax(dim=1)
        alpha = torch.rand((), device=main.device)
        mixed = (alpha * first + (1 - alpha) * second).detach()
        answers = (first, second) if self.softmax_twice else (main, auxiliary)
        return 0.5 * (soft_label_loss(answers[0], mixed) + soft_label_loss(answers[1], mixed))
