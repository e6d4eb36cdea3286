"""FCA-Net: the first click locates the object; later clicks correct the segmentation."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.interaction.encoding import CueMap, Encoding
from lesslabel.interaction.robots import ErrorCentreRobot
from lesslabel.losses import click_influence, click_weighted_cross_entropy, partial_cross_entropy
from lesslabel.methods.checks import require_not_negative, require_positive
from lesslabel.methods.inference import Inference
from lesslabel.methods.interactive.base import InteractiveMethod, standardise
from lesslabel.methods.interactive.click_maps import RADIUS_IN_SIGMA, click_maps, random_clicks_robot
from lesslabel.methods.optimiser import Optimiser
from lesslabel.networks import Network, UNet
from lesslabel.networks.first_click import FirstClickNetwork
from lesslabel.networks.layers import Normalisation


class FCANet(InteractiveMethod):
    """Segment with a separate map, attention module and loss for the first click, which locates the object.

    Lin et al., "Interactive Image Segmentation With First Click Attention", CVPR 2020, and chapter 3 of its author's
    thesis. The input is the image and one Gaussian map of the clicks of each side; `FirstClickNetwork` adds the
    features of the first click, from a Gaussian three times as wide, to its last encoder map. ``L = L_g + λ L_f``: the
    click loss L_g weighs voxels by the clicks of their own side (eq. 3.3–3.5), the first-click loss L_f those of the
    object by the first click alone (eq. 3.6, 3.7). λ is not stated; 1 here. The thesis trains with a residual network
    of 101 layers at 512×512 pixels, for which the default distances are; scale them with `size_voxel`.

    The structure-integrity strategy (eq. 3.8) is `lesslabel.interaction.StructureIntegrity`, for any method.

    Args:
        in_channels: channels of the image.
        size_voxel: grid that the image is resampled to, (h, w) or (d, h, w).
        radius_voxel: of the Gaussian maps of clicks, on the grid.
        first_radius_voxel: of the map of the first click.
        reach_voxel: τ, the distance on the grid up to which a click changes weights in the losses.
        first_click_attention: whether to use the module and its loss; without them this is the baseline of the thesis.
        click_loss: whether clicks weight L_g; else it is the cross-entropy.
        first_click_weight: λ.
        attention_channels: of the module's first and last three layers.
        attention_normalisation: of the module.
        own_clicks: the largest number of clicks of a training sample at the network's own errors.
        random_clicks: the largest number of random clicks on each side in training.
        distance_scale: of the distances between them (eq. 3.9, 3.10), published for 512 pixels.
        network: description of the network; published is ``DeepLab(depth=101)``.
        optimiser: optimiser and learning rate.
        inference: only `largest_component` is used.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        size_voxel: tuple[int, ...] = (512, 512),
        radius_voxel: float = 10.0,
        first_radius_voxel: float = 30.0,
        reach_voxel: float = 100.0,
        first_click_attention: bool = True,
        click_loss: bool = True,
        first_click_weight: float = 1.0,
        attention_channels: tuple[int, int] = (256, 512),
        attention_normalisation: Normalisation = "batch",
        own_clicks: int = 3,
        random_clicks: int = 10,
        distance_scale: float = 1.0,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        require_positive(first_radius_voxel=first_radius_voxel, reach_voxel=reach_voxel)
        require_not_negative(first_click_weight=first_click_weight)
        first = CueMap("first_click", "gaussian", first_radius_voxel / RADIUS_IN_SIGMA)
        super().__init__(
            Encoding(tuple(size_voxel), (*click_maps("gaussian", radius_voxel), first), field="image"),
            ErrorCentreRobot(),
            later_robot=random_clicks_robot(random_clicks, distance_scale),
            own_clicks=own_clicks,
            in_channels=in_channels,
            network=network,
            optimiser=optimiser,
            inference=inference,
        )
        self.reach_voxel = reach_voxel
        self.click_loss = click_loss
        self.first_click_weight = first_click_weight
        built = network.build(in_channels + 2, self.num_classes)
        self.network = (
            FirstClickNetwork(built, network.dimensions, self.num_classes, attention_channels, attention_normalisation)
            if first_click_attention
            else built
        )

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the click loss L_g, and λ times the first-click loss L_f."""
        logits, first_logits = self._logits(batch["image"], batch["cues"])
        target, clicks = batch["target"], batch["clicks"]
        if self.click_loss:
            near = [click_influence(clicks == side, self.reach_voxel) for side in (1, 0)]
            terms = {"click": click_weighted_cross_entropy(logits, target, *near)}
        else:
            terms = {"cross_entropy": partial_cross_entropy(logits, target)}
        if first_logits is not None:
            near_first = click_influence(self._first_click(batch["cues"]), self.reach_voxel)
            first = click_weighted_cross_entropy(first_logits, target, near_first)
            terms["first_click"] = self.first_click_weight * first
        return terms

    def object_logits(self, image: Tensor, cues: Tensor) -> Tensor:
        """Predict background and object."""
        return self._logits(image, cues)[0]

    def _logits(self, image: Tensor, cues: Tensor) -> tuple[Tensor, Tensor | None]:
        """The logits, and those of the first click's features if there are any."""
        seen = torch.cat([standardise(image), cues[:, :2]], dim=1)
        if not isinstance(self.network, FirstClickNetwork):
            return self.network(seen), None
        logits, first_logits = self.network(seen, cues[:, 2:])
        return logits, first_logits

    @staticmethod
    def _first_click(cues: Tensor) -> Tensor:
        """The voxel of the first click: the Gaussian map is 1 there and nowhere else."""
        return cues[:, 2] == 1
