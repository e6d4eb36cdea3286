"""A network with the image and click maps as input: the base of the click methods, and RITM with its settings."""

from collections.abc import Mapping
from typing import Literal

from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.interaction.encoding import CueMap, Encoding
from lesslabel.interaction.robots import ErrorCentreRobot, RandomClicksRobot, Robot
from lesslabel.losses import normalised_focal_loss, partial_cross_entropy
from lesslabel.methods.checks import require_choice, require_positive
from lesslabel.methods.inference import Inference
from lesslabel.methods.interactive.base import InteractiveMethod
from lesslabel.methods.optimiser import Optimiser
from lesslabel.networks import Network, UNet

ClickForm = Literal["disk", "gaussian"]
ClickLoss = Literal["cross_entropy", "normalised_focal"]

RADIUS_IN_SIGMA = 3.0
"""A Gaussian of radius r has σ = r / 3, so that it is nearly 0 at its radius. The theses give only the radius."""


class ClickMaps(InteractiveMethod):
    """A network with the image and one map of the clicks of each side as input.

    The baseline network of the click methods, after "Deep Interactive Object Selection" (Xu et
    al., CVPR 2016): with `previous_mask`, `own_clicks`, disks and the normalised focal loss it is the method of
    "Reviving Iterative Training with Mask Guidance for Interactive Segmentation" (RITM; Sofiiuk et al., ICIP 2022,
    arXiv:2102.06583).

    In training the first click is at the centre of the object, and `RandomClicksRobot` samples further ones, whose
    published distances are for images of 512 pixels.

    Args:
        in_channels: channels of the image.
        size_voxel: grid that the image is resampled to, (h, w) or (d, h, w).
        form: of the maps.
        radius_voxel: of the maps, on the grid.
        previous_mask: whether the previous answer is an additional input map.
        loss: cross-entropy, or the normalised focal loss of RITM.
        own_clicks: the largest number of clicks of a training sample at the network's own errors.
        random_clicks: the largest number of further random clicks on each side in training.
        distance_scale: of the published distances of random clicks; 0.25 suits images of 128 pixels.
        network: description of the network.
        optimiser: optimiser and learning rate.
        inference: only `largest_component` is used.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        size_voxel: tuple[int, ...] = (128, 128),
        form: ClickForm = "disk",
        radius_voxel: float = 5.0,
        previous_mask: bool = False,
        loss: ClickLoss = "cross_entropy",
        own_clicks: int = 0,
        random_clicks: int = 10,
        distance_scale: float = 0.25,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        require_choice(ClickForm, form=form)
        require_choice(ClickLoss, loss=loss)
        maps = (*click_maps(form, radius_voxel), *([CueMap("previous")] if previous_mask else []))
        super().__init__(
            Encoding(tuple(size_voxel), maps, field="image"),
            ErrorCentreRobot(),
            later_robot=random_clicks_robot(random_clicks, distance_scale),
            own_clicks=own_clicks,
            in_channels=in_channels,
            network=network,
            optimiser=optimiser,
            inference=inference,
        )
        self.loss = loss
        self.network = network.build(in_channels + self.encoding.channels, self.num_classes)

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the cross-entropy or the normalised focal loss."""
        logits = self.object_logits(batch["image"], batch["cues"])
        if self.loss == "cross_entropy":
            return {"cross_entropy": partial_cross_entropy(logits, batch["target"])}
        return {"normalised_focal": normalised_focal_loss(logits, batch["target"])}


def click_maps(form: ClickForm, radius_voxel: float) -> tuple[CueMap, CueMap]:
    """The maps of the clicks on the object and on the background.

    Raises:
        ConfigError: if the radius is not positive.
    """
    require_positive(radius_voxel=radius_voxel)
    scale = radius_voxel / RADIUS_IN_SIGMA if form == "gaussian" else radius_voxel
    return CueMap("foreground", form, scale), CueMap("background", form, scale)


def random_clicks_robot(most: int, distance_scale: float) -> Robot | None:
    """The robot of further random clicks in training, as for FCA-Net (eq. 3.9, 3.10); None without any.

    Args:
        most: the largest number of clicks on each side, without the first click on the object.
        distance_scale: of the published distances.

    Raises:
        ConfigError: if a value is out of its range.
    """
    require_positive(distance_scale=distance_scale)
    if most < 1:
        return None

    def scaled(*distances: float) -> tuple[float, ...]:
        return tuple(distance_scale * distance for distance in distances)

    return RandomClicksRobot(
        positive=(0, most - 1),
        negative=(0, most),
        positive_margin_voxel=scaled(5, 10, 15, 20),
        negative_margin_voxel=scaled(15, 40, 60),
        reach_voxel=80 * distance_scale,
        positive_apart_voxel=scaled(7, 10, 20),
        negative_apart_voxel=scaled(10, 15, 25),
    )
