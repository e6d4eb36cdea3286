"""One network for any object of any image, from clicks, scribbles, boxes and a previous mask."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.errors import DataError
from lesslabel.interaction.crop import Crop
from lesslabel.interaction.encoding import CueMap, Encoding
from lesslabel.interaction.information_fusion import information_fusion
from lesslabel.interaction.robots import ErrorCentreRobot
from lesslabel.interaction.stable_region import distinct
from lesslabel.losses import dice_loss, normalised_focal_loss
from lesslabel.methods.checks import require_positive
from lesslabel.methods.inference import Inference
from lesslabel.methods.interactive.base import Answer, InteractiveMethod, standardise
from lesslabel.methods.interactive.click_maps import click_maps, random_clicks_robot
from lesslabel.methods.interactive.turn_input import TurnInput
from lesslabel.methods.optimiser import Optimiser
from lesslabel.networks import Network, ResidualUNet

COLOURS = 3
_ZOOM_BELOW = 0.5
"""The window of the second look is shorter than this share of the image; else one look is enough."""
_LIKENESS = 0.5
"""Standard deviation, in that of the image, of the similarity to the marked voxels."""


class GeneralClicker(InteractiveMethod):
    """A network that segments what is marked, whatever it is; the method of the weights that come with the package.

    It takes the maps of RITM (`ClickMaps`): the marks of either side and the previous answer, and in addition the
    inside of boxes and polygons, what the training-free model finds from the marks (`stable_region`), and for each side
    the similarity of every voxel to the colour that is marked, ``exp(−‖I − μ‖² / 2σ²)`` of the standardised image. A
    grey image is three equal channels.

    It looks twice, as the zoom-in of Sofiiuk et al. (f-BRS, CVPR 2020): first at the whole image, then at the window
    around what it found and what was marked, on a grid of the same size. Outside the window the first answer stays.

    Args:
        in_channels: channels of the image; None takes one to three.
        grid_voxel: length of the longer side of the grid that the network sees.
        zoom_margin: share of the length of the found object by which the window is longer; None looks only once.
        fusion_weight: of geodesic distances in `information_fusion`, by which corrections change the answer around
            them; the larger, the nearer. None leaves the corrections to the network.
        radius_voxel: of the disks around marks, on the grid.
        own_clicks: the largest number of clicks of a training sample at the network's own errors.
        network: description of the network.
        optimiser: optimiser and learning rate.
        inference: only `largest_component` is used.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    hard_clicks = True

    def __init__(
        self,
        *,
        in_channels: int | None = 1,
        grid_voxel: int = 128,
        zoom_margin: float | None = 1.0,
        fusion_weight: float | None = 60.0,
        radius_voxel: float = 2.5,
        own_clicks: int = 3,
        network: Network = ResidualUNet(),
        optimiser: Optimiser = Optimiser("adam", 1e-4, weight_decay=0.0),
        inference: Inference = Inference(),
    ) -> None:
        require_positive(grid_voxel=grid_voxel)
        super().__init__(
            general_encoding(radius_voxel),
            ErrorCentreRobot(),
            later_robot=random_clicks_robot(2, 0.25),
            own_clicks=own_clicks,
            in_channels=COLOURS if in_channels is None else in_channels,
            network=network,
            optimiser=optimiser,
            inference=inference,
        )
        size = (grid_voxel,) * network.dimensions  # a batch needs one size, sessions keep the image's proportions
        self.annotator = replace(self.annotator, encoding=replace(self.encoding, size_voxel=size))
        self.grid_voxel = grid_voxel
        self.zoom_margin = zoom_margin
        self.fusion_weight = fusion_weight
        self.network = network.build(COLOURS + self.encoding.channels + 2, self.num_classes)

    def object_logits(self, image: Tensor, cues: Tensor) -> Tensor:
        """Predict background and object, (B, 2, *size), from crops (B, C, *size) and their cues (B, K, *size)."""
        seen = standardise(in_colours(image))
        alike = [likeness(seen, cues[:, side]) for side in range(2)]
        logits: Tensor = self.network(torch.cat([seen, cues, *alike], dim=1))
        return logits

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the normalised focal loss of RITM and the soft Dice of the object."""
        logits = self.object_logits(batch["image"], batch["cues"])
        return general_losses(logits, batch["target"])

    def answer(self, features: Any, turn_input: TurnInput) -> Answer:  # noqa: ARG002  the base names them
        """Look at the whole image, then at the window around what was found and marked."""
        whole = turn_input.crop
        first = self._look(turn_input, Crop.whole(whole.shape, self._grid_of(whole.shape)), turn_input.previous)
        window = None if self.zoom_margin is None else self._window(first, turn_input, self.zoom_margin)
        if window is None:
            return Answer.of_probability(torch.from_numpy(first))
        second = self._look(turn_input, window, first)
        first[window.window] = second[window.window]
        return Answer.of_probability(torch.from_numpy(first))

    def _look(self, turn_input: TurnInput, crop: Crop, previous: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """The probability on the image, from one crop; 0 outside of it."""
        seen = turn_input.encoding.encode(turn_input.image, turn_input.spacing_mm, turn_input.guidance, crop, previous)
        logits = self.object_logits(seen.image[None].to(self.device), seen.cues[None].to(self.device))
        probability = logits.float().softmax(dim=1)[0, 1].cpu()
        if self.fusion_weight is not None and turn_input.history.corrected:
            seeds, image = seen.placed.seeds, distinct(seen.image.numpy())
            background = seeds.background & ~seeds.foreground
            fused = information_fusion(
                probability.numpy(),
                image,
                seeds.foreground,
                background,
                intensity_weight=self.fusion_weight,
                scale=None,
            )
            probability = torch.from_numpy(fused)
        return crop.paste(probability)

    def _grid_of(self, lengths: tuple[int, ...]) -> tuple[int, ...]:
        scale = self.grid_voxel / max(lengths)
        return tuple(max(round(length * scale), 8) for length in lengths)

    def _window(self, probability: NDArray[np.float32], turn_input: TurnInput, margin: float) -> Crop | None:
        """The window of the second look; None if it would show little less than the whole image."""
        shape = probability.shape
        found = (probability > 0.5) | turn_input.guidance.seeds.foreground
        points = np.argwhere(found)
        marked = [prompt.points for prompt in turn_input.guidance.prompts]
        points = np.concatenate([points, *marked]) if len(points) else np.concatenate(marked)
        low, high = points.min(axis=0), points.max(axis=0) + 1
        length = max(float((high - low).max()) * (1 + margin), 24.0)
        if length > _ZOOM_BELOW * max(shape):
            return None
        window = Crop.centred(tuple(((low + high) / 2).tolist()), [length] * len(shape), shape)
        return window.resized(self._grid_of(window.size))


def general_encoding(radius_voxel: float) -> Encoding:
    """The maps of `GeneralClicker`, in the order of its channels."""
    maps = (*click_maps("disk", radius_voxel), CueMap("region", "mask"), CueMap("stable_region"), CueMap("previous"))
    return Encoding(None, maps, field="image")


def general_losses(logits: Tensor, target: Tensor) -> dict[str, Tensor]:
    """The losses of `GeneralClicker` for logits (B, 2, *size)."""
    dice = dice_loss(
        logits.softmax(dim=1), target, include_background=False, squared=False, per_sample=True, smooth=1.0
    )
    return {"normalised_focal": normalised_focal_loss(logits, target), "dice": dice}


def in_colours(image: Tensor) -> Tensor:
    """Bring images (B, C, …) of one to three channels to three.

    Raises:
        DataError: if there are more.
    """
    channels = image.shape[1]
    if channels > COLOURS:
        raise DataError(f"image: {channels} channels; the general clicker takes one to three, choose among them")
    if channels == COLOURS:
        return image
    return torch.cat([image, image[:, -1:].expand(-1, COLOURS - channels, *image.shape[2:])], dim=1)


def likeness(image: Tensor, marked: Tensor) -> Tensor:
    """How alike every voxel is to the mean of the marked ones, (B, 1, *size) in [0, 1]; 0 where nothing is marked.

    Args:
        image: (B, C, *size), standardised.
        marked: (B, *size) weights, at least 0.
    """
    axes = tuple(range(2, image.ndim))
    weight = marked[:, None]
    total = weight.sum(dim=axes, keepdim=True)
    mean = (image * weight).sum(dim=axes, keepdim=True) / total.clamp_min(1e-6)
    distance = (image - mean).square().mean(dim=1, keepdim=True)
    return (-distance / (2 * _LIKENESS**2)).exp() * (total > 0)
