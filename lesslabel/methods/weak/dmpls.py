"""Dynamically mixed pseudo-label supervision from scribbles."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.losses import (
    consistency_loss,
    cross_pseudo_loss,
    mixed_pseudo_label,
    pseudo_label_loss,
)
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.checks import require_choice, require_not_negative, require_share
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.targets import known_cross_entropy
from lesslabel.networks import DualDecoder, Network, UNet

Agreement = Literal["mixed", "cross", "consistency"]


class DMPLS(SegmentationMethod):
    """One encoder, two decoders with different dropout, each supervised by a random mixture of both predictions.

    From "Scribble-Supervised Medical Image Segmentation via Dual-Branch Network and Dynamically Mixed Pseudo Labels
    Supervision" (Luo et al., MICCAI 2022, arXiv:2203.02106). ``L = ½·(pCE(y₁, s) + pCE(y₂, s)) + λ·L_PLS`` (eq. 4-4).
    Inference runs only the main branch. The ablations are `agreement` and `alpha`.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        pseudo_label_weight: λ.
        agreement: how the branches supervise each other: ``mixed`` pseudo labels (the method), ``cross`` pseudo
            supervision (CPS) or ``consistency`` regularisation (CR).
        alpha: share of the main branch in the mixture; None samples it from U(0, 1) in every iteration.
        dropout: probability of dropout before the auxiliary decoder.
        dropout_at: ``bottleneck`` as in the thesis, ``all`` maps as in the published code.
        dropout_element: ``voxel`` as in the thesis, ``channel`` as in the published code.
        dropout_in_evaluation: keep it on in evaluation, as the published code does; the main branch is not affected.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    network: DualDecoder

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        pseudo_label_weight: float = 0.5,
        agreement: Agreement = "mixed",
        alpha: float | None = None,
        dropout: float = 0.5,
        dropout_at: Literal["bottleneck", "all"] = "bottleneck",
        dropout_element: Literal["voxel", "channel"] = "voxel",
        dropout_in_evaluation: bool = False,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        require_not_negative(pseudo_label_weight=pseudo_label_weight)
        require_share(alpha=alpha)
        require_choice(Agreement, agreement=agreement)
        self.network = DualDecoder(self.build_network(), dropout, dropout_at, dropout_element, dropout_in_evaluation)
        self.pseudo_label_weight = pseudo_label_weight
        self.agreement = agreement
        self.alpha = alpha

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute pCE of both branches and the agreement loss."""
        main, auxiliary = self.network(batch["image"])
        known = known_cross_entropy(main, batch) + known_cross_entropy(auxiliary, batch)
        return {
            "partial_cross_entropy": 0.5 * known,  # eq. 4-1 for both branches
            self.agreement: self.pseudo_label_weight * self.agreement_loss(main, auxiliary),
        }

    def logits(self, image: Tensor) -> Tensor:
        """Predict with the main branch."""
        return self.network.main(image)

    def agreement_loss(self, main: Tensor, auxiliary: Tensor) -> Tensor:
        """Compare the two branches, given by their logits B×C×[D×]H×W; a scalar."""
        first, second = main.float().softmax(dim=1), auxiliary.float().softmax(dim=1)
        if self.agreement == "consistency":
            return consistency_loss(first, second)
        if self.agreement == "cross":
            return cross_pseudo_loss(first, second)
        alpha = torch.rand((), device=main.device) if self.alpha is None else self.alpha
        mixed = mixed_pseudo_label(first, second, alpha)  # eq. 4-2, no gradient
        return 0.5 * (pseudo_label_loss(first, mixed) + pseudo_label_loss(second, mixed))  # eq. 4-3
