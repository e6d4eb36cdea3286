"""What the interactive methods share: they train on objects that robots point at, and answer to prompts."""

import zlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lesslabel.data.batch import EvaluationBatch
from lesslabel.data.resize import resize_labels, resize_probabilities
from lesslabel.errors import ConfigError, DataError
from lesslabel.interaction.crop import Crop
from lesslabel.interaction.encoding import EncodedObject, Encoding
from lesslabel.interaction.model import Segmentation
from lesslabel.interaction.prompts import Prompt, Seeds, rasterise
from lesslabel.interaction.robots import Robot
from lesslabel.interaction.training_objects import TrainingObjects
from lesslabel.losses.pseudo_label import hard_label
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.inference import Inference, keep_largest_components
from lesslabel.methods.optimiser import Optimiser
from lesslabel.networks import Network, UNet

Slice = tuple[int | slice, ...]


@dataclass(frozen=True, eq=False)
class Answer:
    """What a method says of an object on the grid of its crop.

    Attributes:
        probability: (*size) float32 in [0, 1].
        uncertainty: (*size) float32, at least 0.
        mask: (*size) bool.
    """

    probability: Tensor
    uncertainty: Tensor
    mask: Tensor


class InteractiveMethod(SegmentationMethod):
    """A method that segments the one object it is pointed at, of any class.

    It trains on samples of two classes, background and object: the object is drawn from the classes of the sample, and
    `first_robot` points at it. Beyond the losses a method says two things: what it sees of an object once it was
    pointed at (`look`), and how it answers when more is said (`answer`). `begin` is what sessions and protocols use.

    Without a person, `lesslabel validate` and `lesslabel test` let the first robot point once at every object of the
    reference, slice by slice in 2D: the first segmentation, before any correction.

    Args:
        encoding: what the network sees of an object.
        first_robot: points at an object for the first time.
        later_robot: gives further prompts in training; None gives none.
        margin_jitter_voxel: in training the crop reaches up to this much farther.
        in_channels: channels of the image.
        network: description of the network.
        optimiser: optimiser and learning rate.
        inference: only `largest_component` matters.
    """

    looks_again: bool = False
    """Whether corrections change what the network sees; otherwise it runs once per object."""
    hard_clicks: bool = False
    """Whether what was said counts in any case, once there are corrections."""

    def __init__(
        self,
        encoding: Encoding,
        first_robot: Robot,
        *,
        later_robot: Robot | None = None,
        margin_jitter_voxel: float = 0.0,
        in_channels: int = 1,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(2, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference)
        if len(encoding.size_voxel) != network.dimensions:
            raise ConfigError(
                f"model.size_voxel {encoding.size_voxel} must have as many sides as the network has dimensions, "
                f"{network.dimensions}"
            )
        self.encoding = encoding
        self.first_robot = first_robot
        self.annotator = TrainingObjects(encoding, first_robot, later_robot, margin_jitter_voxel)

    @property
    def dimensions(self) -> int:
        """2 for images (y, x), 3 for volumes (z, y, x)."""
        return self.shape.dimensions

    @abstractmethod
    def look(self, encoded: EncodedObject) -> Any:
        """Run the network on an object; what it returns is kept for `answer`."""

    @abstractmethod
    def answer(self, seen: Any, seeds: Seeds, *, corrected: bool) -> Answer:
        """Segment an object that was looked at.

        Args:
            seen: what `look` returned.
            seeds: everything said so far, on the grid.
            corrected: whether anything was said since the first prompts.
        """

    def begin(self, image: NDArray[np.float32], spacing_mm: Sequence[float], prompts: Sequence[Prompt]) -> "SeenObject":
        """Look at an object for the first time; see `lesslabel.interaction.model.InteractiveModel`.

        Raises:
            DataError: if image and prompts do not fit, or nothing is said.
        """
        if image.ndim != self.dimensions + 1 or len(image) != self.in_channels or not np.isfinite(image).all():
            raise DataError(
                f"image of shape {image.shape}; give ({self.in_channels}, {'z, ' * (self.dimensions == 3)}y, x), finite"
            )
        if not prompts:
            raise DataError("no prompt; say at least once where the object is")
        for prompt in prompts:
            prompt.validate(image.shape[1:])
        return SeenObject(self, torch.from_numpy(np.ascontiguousarray(image)), tuple(spacing_mm), tuple(prompts))

    def predict_case(self, batch: EvaluationBatch) -> tuple[Tensor, Tensor]:
        """Predict a whole case from what the first robot says of each object of the reference.

        Returns:
            Class probabilities (C, z, y, x) and labels (z, y, x) uint8, both on the native grid.

        Raises:
            DataError: if there is no reference.
        """
        if "reference" not in batch:
            raise DataError(
                f"case {batch['uid']}: {type(self).__name__} segments what it is pointed at, and without a reference "
                "no robot can point; use an InteractiveSession"
            )
        image = batch["image"][0].cpu()
        z, y, x = image.shape[1:]
        reference = resize_labels(batch["reference"].cpu().numpy(), (z, y, x))
        spacing = tuple(
            size * old / new
            for size, old, new in zip(batch["spacing_mm"], batch["native_shape"], reference.shape, strict=True)
        )
        objects = torch.zeros(len(batch["annotated_labels"]), z, y, x)
        for index in range(1, len(objects)):
            for where in self._places(reference == index):
                objects[(index, *where)] = self._pointed_at(
                    image, reference == index, where, spacing, batch["uid"], index
                )
        objects[0] = 1 - objects[1:].amax(dim=0)  # a voxel belongs to the most probable object, if that is above ½
        probabilities = resize_probabilities(objects / objects.sum(dim=0), batch["native_shape"])
        labels = hard_label(probabilities[None])[0].to(torch.uint8)
        if self.inference.largest_component:
            labels = keep_largest_components(labels, len(objects))
        return probabilities, labels

    def require_data(self, class_names: Sequence[str], in_channels: int, dimensions: int) -> None:
        """Refuse data of other channels or dimensions; any classes will do, since objects have none.

        Raises:
            ConfigError: names the setting to change.
        """
        super().require_data(class_names[: self.num_classes], in_channels, dimensions)

    def _places(self, truth: NDArray[np.bool_]) -> list[Slice]:
        """Where one object of a volume is looked at: on every slice that holds it, or in the whole volume."""
        if self.dimensions == 3:
            return [(slice(None),)] if truth.any() else []
        return [(int(index),) for index in np.flatnonzero(truth.any(axis=(1, 2)))]

    def _pointed_at(
        self, image: Tensor, truth: NDArray[np.bool_], where: Slice, spacing: tuple[float, ...], uid: str, index: int
    ) -> Tensor:
        """The probability of an object from its first prompts; the same each time."""
        place = where[0] if isinstance(where[0], int) else 0
        rng = np.random.default_rng([zlib.crc32(uid.encode()), index, place])
        spacing = spacing[-self.dimensions :]
        prompts = self.first_robot.annotate(truth[where], rng, spacing_mm=spacing)
        seen = self.begin(image[(slice(None), *where)].numpy(), spacing, prompts)
        return torch.from_numpy(seen.segment().probability)


class SeenObject:
    """One object of one image that a method has looked at; the `ObjectModel` of sessions.

    Args:
        method: the method.
        image: (C, [z,] y, x) float32.
        spacing_mm: voxel size.
        first: the first prompts.
    """

    def __init__(
        self, method: InteractiveMethod, image: Tensor, spacing_mm: tuple[float, ...], first: tuple[Prompt, ...]
    ) -> None:
        self.method = method
        self.image = image
        self.spacing_mm = spacing_mm
        self.first = first
        self._crop = method.encoding.crop(first, tuple(image.shape[1:]), spacing_mm)
        self._seen: tuple[tuple[Crop, tuple[Prompt, ...]], Any] | None = None

    def segment(self, corrections: Sequence[Prompt] = ()) -> Segmentation:
        """Segment the object; the crop grows where a correction lies outside it.

        Raises:
            DataError: if a correction does not fit the image.
        """
        crop = self._crop
        for prompt in corrections:
            prompt.validate(crop.shape)
            if not crop.holds(prompt.points):
                crop = crop.widened(prompt.points)
        prompts = (*self.first, *corrections)
        with evaluating(self.method):
            seen = self._look(crop, prompts if self.method.looks_again else self.first)
            seeds = self.method.encoding.place(prompts, crop)
            answer = self.method.answer(seen, seeds, corrected=bool(corrections))
        mask = crop.paste(answer.mask.float().cpu()) > 0.5
        if corrections and self.method.hard_clicks:  # a voxel of a grid that is finer than the image could get lost
            seeds = rasterise(prompts, crop.shape)
            mask = (mask | seeds.foreground) & ~seeds.background
        return Segmentation(
            mask=mask,
            probability=crop.paste(answer.probability.cpu()),
            uncertainty=crop.paste(answer.uncertainty.cpu()),
        )

    def _look(self, crop: Crop, prompts: tuple[Prompt, ...]) -> Any:
        """What the network sees, kept as long as crop and prompts stay."""
        if self._seen is None or self._seen[0] != (crop, prompts):
            encoded = self.method.encoding.encode(self.image, self.spacing_mm, prompts, crop)
            self._seen = (crop, prompts), self.method.look(encoded)
        return self._seen[1]


@contextmanager
def evaluating(method: InteractiveMethod) -> Iterator[None]:
    """Without dropout and gradients inside."""
    training = method.training
    method.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        method.train(training)


def standardise(image: Tensor) -> Tensor:
    """Bring each channel (B, C, …) to mean 0 and standard deviation 1; one of a single value becomes 0."""
    axes = tuple(range(2, image.ndim))
    centred = image - image.mean(dim=axes, keepdim=True)
    return centred / centred.square().mean(dim=axes, keepdim=True).sqrt().clamp_min(1e-6)
