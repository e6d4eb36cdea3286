"""A network that segments images by itself, as a model that is pointed at an object and corrected."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from lesslabel.errors import DataError
from lesslabel.interaction.information_fusion import information_fusion
from lesslabel.interaction.model import History, InteractiveModel, Segmentation
from lesslabel.interaction.prompts import rasterise
from lesslabel.interaction.robots import ErrorCentreRobot, Robot
from lesslabel.methods import SegmentationMethod
from lesslabel.methods.inference import predict_volume

FUSION_WEIGHT = 20.0
"""Intensity weight of the distances to marks, as in `lesslabel.methods.MIDeepSeg`."""
_CERTAINTY = 0.9
"""Probability of a start mask in its inside."""


class CorrectedNetwork:
    """Answers prompts with the segmentation of a network, corrected around the marks.

    The class is the one that was said (`History.meant`), else the first mark chooses it: the one that the network holds
    most probable there. The answer is its segmentation of that class; as soon as a mark contradicts it, all marks are
    mixed in by information fusion (MIDeepSeg, eq. 3-3 to 3-8, see `information_fusion`), which is made for the output
    of any network. What lies outside of a box or polygon is background. A mask to start from takes the place of the
    network's segmentation.

    Args:
        method: with its weights, in evaluation mode.

    Attributes:
        kinds: of prompts that it uses, see `lesslabel.interaction.model.kinds_of`.
        first_robot: points first in a click protocol.
    """

    kinds = (
        *("click", "scribble", "box", "polygon", "enclosing-scribble"),
        *("interior-margin-points", "centre-edge-points"),
    )
    first_robot: Robot = ErrorCentreRobot()

    def __init__(self, method: SegmentationMethod) -> None:
        self.method = method
        self.in_channels: int = method.in_channels
        self.dimensions: int = method.shape.dimensions

    def prepare_image(self, image: NDArray[np.float32], spacing_mm: Sequence[float]) -> "SegmentedImage":  # noqa: ARG002
        """Segment an image (C, [z,] y, x), normalised as the network knows it."""
        volume = torch.from_numpy(np.ascontiguousarray(image, np.float32)).to(self.method.device)
        with torch.inference_mode():
            probabilities = predict_volume(
                self.method.probabilities,
                volume[:, None] if self.dimensions == 2 else volume,
                self.dimensions,
                self.method.inference,
            )
        found = probabilities.float().cpu().numpy()
        return SegmentedImage(image, found[:, 0] if self.dimensions == 2 else found)


class SegmentedImage:
    """One image with the network's probabilities.

    Args:
        image: (C, [z,] y, x).
        probabilities: (K, [z,] y, x), background first.
    """

    def __init__(self, image: NDArray[np.float32], probabilities: NDArray[np.float32]) -> None:
        self._image = image
        self._probabilities = probabilities

    def begin(self) -> "SegmentedImage":
        """Begin with an object; nothing is kept of one."""
        return self

    def answer(self, history: History) -> Segmentation:
        """Segment the class that was pointed at.

        Raises:
            DataError: if nothing marks or encloses the object.
        """
        shape = self._image.shape[1:]
        areas = [area for prompt in history.prompts if (area := prompt.inside(shape)) is not None]
        # what lies outside of an area is no mark against the network: it is left out at the end
        seeds = rasterise([prompt for prompt in history.prompts if prompt.inside(shape) is None], shape)
        background = seeds.background & ~seeds.foreground  # information fusion wants one side for each voxel
        probability = self._unmarked(history)
        contradicted = np.any(seeds.foreground & (probability <= 0.5)) or np.any(background & (probability > 0.5))
        if history.corrected or contradicted:
            probability = information_fusion(
                probability, self._image, seeds.foreground, background, intensity_weight=FUSION_WEIGHT
            )
        for area in areas:
            probability = np.where(area, probability, np.float32(0))
        mask = ((probability > 0.5) | seeds.foreground) & ~background
        return Segmentation(mask, probability, 4 * probability * (1 - probability))

    def _unmarked(self, history: History) -> NDArray[np.float32]:
        """The probability of the object without what marks say: of the start mask, else of the class that is meant."""
        if history.start is not None:
            inside = history.start.astype(np.float32)
            return (1 - _CERTAINTY) + np.float32(2 * _CERTAINTY - 1) * inside
        meant = self._class_of(history)
        probability: NDArray[np.float32] = self._probabilities[meant]
        other: NDArray[np.float32] = np.delete(self._probabilities, meant, axis=0).max(axis=0)
        return probability / (probability + other)  # above a half where no other class is as probable

    def _class_of(self, history: History) -> int:
        """The class that was said, else the most probable one where the object was marked first, or in the region."""
        if history.meant is not None:
            if not 0 < history.meant < len(self._probabilities):
                raise DataError(f"class {history.meant}: the network has 1 to {len(self._probabilities) - 1}")
            return history.meant
        shape = self._image.shape[1:]
        for turn in history.turns:
            marked = rasterise(turn, shape).foreground
            if not marked.any():
                areas = [inside for prompt in turn if (inside := prompt.inside(shape)) is not None]
                marked = np.logical_and.reduce(areas) if areas else marked
            if marked.any():
                return 1 + int(self._probabilities[1:, marked].mean(axis=1).argmax())
        raise DataError("prompts: none marks or encloses the object; click in it, or draw a box around it")


def as_interactive(method: SegmentationMethod) -> InteractiveModel:
    """The method itself if it takes prompts, else its segmentation, corrected by them."""
    if hasattr(method, "prepare_image") or hasattr(method, "look_at"):
        return cast(InteractiveModel, method)
    return CorrectedNetwork(method)
