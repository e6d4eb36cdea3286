"""EdgeFlow: image and clicks are fused early and late, and the edge of the last answer guides the next."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lesslabel.data.batch import Batch
from lesslabel.interaction.encoding import CueMap, Encoding
from lesslabel.interaction.model import Segmentation
from lesslabel.interaction.robots import ErrorCentreRobot
from lesslabel.losses import balanced_cross_entropy, normalised_focal_loss, partial_cross_entropy
from lesslabel.methods.checkpoints import with_own_parts
from lesslabel.methods.checks import require_at_least, require_choice, require_not_negative, require_positive
from lesslabel.methods.inference import Inference
from lesslabel.methods.interactive.base import Answer, InteractiveMethod, standardise
from lesslabel.methods.interactive.click_maps import click_maps, random_clicks_robot
from lesslabel.methods.interactive.edges import boundary, edge_target, sobel_edges
from lesslabel.methods.interactive.turn_input import TurnInput
from lesslabel.methods.optimiser import Optimiser
from lesslabel.networks import Network, UNet
from lesslabel.networks.edge_flow import EdgeFlowNetwork, EdgeFlowOutput
from lesslabel.networks.layers import Normalisation

EdgeSource = Literal["head", "mask", "sobel", "none"]
Stage = Literal["coarse", "whole"]


class EdgeFlow(InteractiveMethod):
    """Segment with clicks as disks and the edge of the previous answer, not its whole mask, as interaction.

    Hao et al., "EdgeFlow: Achieving Practical Interactive Segmentation with Edge-Guided Flow", ICCV workshops 2021
    (arXiv:2109.09406). `EdgeFlowNetwork` fuses image and interaction early and late. ``L = L_m + 0.4 L_e + 0.4 L_a``:
    normalised focal loss of the masks (eq. 1 and 2; of the refined one too once there is a FineNet), balanced
    cross-entropy of the edge, cross-entropy of an auxiliary output.

    Choices where the text is not specific: the edge that is fed back comes from the edge head, as a probability, or is
    the boundary of the mask (`edge`); the edge that the head learns is the boundary of the object, ``edge_voxel`` wide
    on either side. Published are two stages of training: the coarse network alone (``stage: coarse``), then all of it
    from those weights, the coarse network at a tenth of the rate (``stage: whole``, ``coarse_share: 0.1``).

    The published ablations are settings. The baseline of table 2 has neither the edge, nor the later fusions with their
    flow, nor the FineNet (``edge: none``, ``late_fusion: false``, ``stage: coarse``). For table 3 ``edge: sobel`` gives
    the Sobel gradient of the image, ‖∇I‖ / max ‖∇I‖, in place of the previous edge; the edge head still learns.

    Args:
        in_channels: channels of the image.
        size_voxel: grid that the image is resampled to, (h, w) or (d, h, w); published crops of 320×480.
        radius_voxel: of the disks around clicks.
        edge: the source of the edge that is an input: ``head`` or ``mask`` of the previous answer, ``sobel`` of the
            image, or ``none``, which has no edge head and no L_e either.
        edge_voxel: half the width of the edge that is learned.
        late_fusion: whether to fuse late too.
        stage: the trained parts; ``coarse`` has no FineNet.
        coarse_share: learning rate of the coarse network beside a FineNet, as a share of the optimiser's; published 0.1
            in the second stage.
        stem_channels: of the image and the interaction at the first fusion.
        normalisation: of all layers outside the network.
        focus: γ of the normalised focal loss, which is not stated; 2 as in RITM.
        edge_weight: of L_e.
        auxiliary_weight: of L_a.
        own_clicks: the largest number of clicks of a training sample at the network's own errors.
        random_clicks: the largest number of random clicks on each side in training.
        distance_scale: of the distances between random clicks, published for 512 pixels.
        network: description of the network; published is `HRNet`.
        optimiser: optimiser and learning rate.
        inference: only `largest_component` is used.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    network: EdgeFlowNetwork

    def __init__(
        self,
        *,
        in_channels: int = 1,
        size_voxel: tuple[int, ...] = (320, 320),
        radius_voxel: float = 5.0,
        edge: EdgeSource = "head",
        edge_voxel: int = 2,
        late_fusion: bool = True,
        stage: Stage = "whole",
        coarse_share: float = 1.0,
        stem_channels: int = 16,
        normalisation: Normalisation = "batch",
        focus: float = 2.0,
        edge_weight: float = 0.4,
        auxiliary_weight: float = 0.4,
        own_clicks: int = 3,
        random_clicks: int = 10,
        distance_scale: float = 0.625,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        require_choice(EdgeSource, edge=edge)
        require_choice(Stage, stage=stage)
        require_at_least(1, edge_voxel=edge_voxel, stem_channels=stem_channels)
        require_positive(coarse_share=coarse_share)
        require_not_negative(edge_weight=edge_weight, auxiliary_weight=auxiliary_weight, focus=focus)
        fed_back = [CueMap("previous")] if edge in ("head", "mask") else []
        super().__init__(
            Encoding(tuple(size_voxel), (*click_maps("disk", radius_voxel), *fed_back), field="image"),
            ErrorCentreRobot(),
            later_robot=random_clicks_robot(random_clicks, distance_scale),
            own_clicks=own_clicks,
            in_channels=in_channels,
            network=network,
            optimiser=optimiser,
            inference=inference,
        )
        self.edge = edge
        self.edge_voxel = edge_voxel
        self.coarse_share = coarse_share
        self.focus = focus
        self.edge_weight = edge_weight
        self.auxiliary_weight = auxiliary_weight
        self.network = EdgeFlowNetwork(
            network,
            in_channels,
            stem_channels=stem_channels,
            normalisation=normalisation,
            late_fusion=late_fusion,
            edge=edge != "none",
            refine=stage == "whole",
        )

    def complete_weights(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Let the FineNet start at random behind a coarse network of the first stage."""
        return with_own_parts(weights, self, "network.fine")

    def rate_shares(self) -> Sequence[tuple[nn.Module, float]]:
        """In the second stage, the share of the coarse network."""
        if self.network.fine is None:
            return ()
        return [(part, self.coarse_share) for part in self.network.children() if part is not self.network.fine]

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the terms of the masks, of the edge and of the auxiliary output."""
        out, target = self._run(batch["image"], batch["cues"]), batch["target"]
        terms = {"normalised_focal": normalised_focal_loss(out.coarse, target, focus=self.focus)}
        if out.fine is not out.coarse:
            terms["normalised_focal_fine"] = normalised_focal_loss(out.fine, target, focus=self.focus)
        if out.edge is not None:
            edges = edge_target(target, self.edge_voxel)
            terms["edge"] = self.edge_weight * balanced_cross_entropy(out.edge[:, 0], edges)
        terms["auxiliary"] = self.auxiliary_weight * partial_cross_entropy(out.auxiliary, target)
        return terms

    def object_logits(self, image: Tensor, cues: Tensor) -> Tensor:
        """Predict background and object."""
        return self._run(image, cues).fine

    def object_answer(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Predict the object of each training sample, and the edge for the next turn, if one is fed back."""
        probability, edge = self._answered(self._run(batch["image"], batch["cues"]))
        return probability, probability if edge is None else edge

    def answer(self, features: Any, turn_input: TurnInput) -> Answer:  # noqa: ARG002  no crop has features of its own
        """Segment after a turn, and store the edge."""
        now = turn_input.now
        out = self._run(now.image[None].to(self.device), now.cues[None].to(self.device))
        probability, edge = self._answered(out)
        return Answer.of_probability(probability[0], memory=None if edge is None else edge[0])

    def previous_map(self, before: Segmentation) -> NDArray[np.float32]:
        """The edge of the previous answer; of a start mask, its boundary."""
        if before.memory is not None:
            return before.memory
        return boundary(torch.from_numpy(before.mask)[None], 1)[0].float().numpy()

    def _run(self, image: Tensor, cues: Tensor) -> EdgeFlowOutput:
        standard = standardise(image)
        interaction = torch.cat([cues, sobel_edges(standard)], dim=1) if self.edge == "sobel" else cues
        out: EdgeFlowOutput = self.network(standard, interaction)
        return out

    def _answered(self, out: EdgeFlowOutput) -> tuple[Tensor, Tensor | None]:
        """The probability of the object, and the edge that is fed back."""
        probability = out.fine.float().softmax(dim=1)[:, 1]
        if self.edge == "mask":
            return probability, boundary(probability > 0.5, 1).float()
        if self.edge == "head" and out.edge is not None:
            return probability, out.edge[:, 0].float().sigmoid()
        return probability, None
