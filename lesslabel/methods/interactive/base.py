"""Base class of the interactive methods: training with simulated prompts, and prediction turn by turn."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lesslabel.data.batch import Batch, EvaluationBatch
from lesslabel.data.loading.resize import resize_labels, resize_probabilities
from lesslabel.errors import ConfigError, DataError
from lesslabel.interaction.encoding import Encoding
from lesslabel.interaction.model import ImageModel, Segmentation
from lesslabel.interaction.robots import ErrorCentreRobot, Robot
from lesslabel.interaction.session import InteractiveSession
from lesslabel.interaction.training_objects import TrainingObjects
from lesslabel.losses.pseudo_label import hard_label
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.checks import require_not_negative
from lesslabel.methods.inference import Inference, keep_largest_components
from lesslabel.methods.interactive.own_clicks import with_own_clicks
from lesslabel.methods.interactive.prepared import PreparedImage
from lesslabel.methods.interactive.turn_input import TurnInput
from lesslabel.methods.optimiser import Optimiser
from lesslabel.networks import Network, UNet

Slice = tuple[int | slice, ...]


@dataclass(frozen=True, eq=False)
class Answer:
    """The prediction of a method for one object, on the grid of its crop.

    Attributes:
        probability: (*size) float32 in [0, 1].
        uncertainty: (*size) float32, at least 0.
        mask: (*size) bool.
        memory: (*size) float32, what the next turn sees instead of the probability; None for the probability.
        weight: (*size) float32 in [0, 1], how far the probability replaces the previous map of the turn; the two are
            mixed on the image, so that where it is 0 nothing changes, bit for bit. None replaces it everywhere.
        alternatives: the answers to choose from, by name, if there are several.
        changed: (*size) bool, where it may differ from the start mask of the object; elsewhere that mask is kept, voxel
            by voxel of the image. None for everywhere.
    """

    probability: Tensor
    uncertainty: Tensor
    mask: Tensor
    memory: Tensor | None = None
    weight: Tensor | None = None
    alternatives: Mapping[str, "Answer"] = field(default_factory=dict)
    changed: Tensor | None = None

    @classmethod
    def of_probability(cls, probability: Tensor, memory: Tensor | None = None) -> "Answer":
        """The mask is p > 0.5; the uncertainty is 4p(1 − p), in [0, 1]."""
        return cls(probability, 4 * probability * (1 - probability), probability > 0.5, memory)


class InteractiveMethod(SegmentationMethod):
    """A method that segments the one object that prompts mark, of any class.

    It trains on samples of two classes, background and object: one object of the sample is chosen at random, and
    `first_robot` gives prompts for it. A method defines its losses and may define four functions, each with a default:
    `image_features` (depends on the image alone, called once per image), `object_features` (depends on the crop, called
    once per crop), `answer` (called at each turn) and `object_probability` (of a training batch).

    **Own clicks.** With `own_clicks` the later prompts in training are sampled from the error of the network, as in
    "Reviving Iterative Training with Mask Guidance for Interactive Segmentation" (Sofiiuk et al., ICIP 2022): inside
    the training step, without gradient, the network predicts, `own_robot` corrects, and the cues are computed again.
    These prompts are a deterministic function of (seed, step, slot).

    `lesslabel validate` and `lesslabel test` need no person: the first robot gives prompts once for every object of the
    reference, slice by slice in 2D. They score this first segmentation, without corrections.

    Attributes:
        hard_clicks: whether marked voxels always keep their label, once there are corrections.
        takes_start: whether the method uses the mask that a session starts from. It is True for every method with a
            cue of the ``previous`` answer; otherwise `first_robot` gives prompts for that mask.

    Args:
        encoding: how an object and its prompts become the input of the network.
        first_robot: gives the first prompts of an object.
        later_robot: gives further prompts in training, without a prediction; None gives none.
        margin_jitter_voxel: in training the margin of the crop grows by up to this much.
        own_clicks: largest number of turns of a training sample that correct the error of the network.
        own_robot: gives prompts for that error.
        in_channels: channels of the image.
        network: description of the network.
        optimiser: optimiser and learning rate.
        inference: only `largest_component` is used.
    """

    hard_clicks: bool = False
    takes_start: bool = False

    def __init__(
        self,
        encoding: Encoding,
        first_robot: Robot,
        *,
        later_robot: Robot | None = None,
        margin_jitter_voxel: float = 0.0,
        own_clicks: int = 0,
        own_robot: Robot | None = None,
        in_channels: int = 1,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(2, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference)
        if encoding.size_voxel is not None and len(encoding.size_voxel) != network.dimensions:
            raise ConfigError(
                f"model.size_voxel {encoding.size_voxel} must have as many sides as the network has dimensions, "
                f"{network.dimensions}"
            )
        require_not_negative(own_clicks=own_clicks)
        self.encoding = encoding
        self.takes_start = self.takes_start or any(cue.role == "previous" for cue in encoding.cues)
        self.first_robot = first_robot
        self.own_robot = own_robot or ErrorCentreRobot()
        self.annotator = TrainingObjects(encoding, first_robot, later_robot, margin_jitter_voxel, own_clicks)

    @property
    def dimensions(self) -> int:
        """2 for images (y, x), 3 for volumes (z, y, x)."""
        return self.shape.dimensions

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of prompts (`Prompt.kind`) that the method uses; sessions refuse all others."""
        return self.encoding.kinds

    # What a method may define -----------------------------------------------------------------------------------------

    def image_features(self, image: Tensor, spacing_mm: tuple[float, ...]) -> Any:  # noqa: ARG002  for subclasses
        """Compute features of the image (C, [z,] y, x) alone: once per image, for all objects and turns."""
        return None

    def object_features(self, turn_input: TurnInput) -> Any:  # noqa: ARG002  for subclasses
        """Compute features of the crop: once per crop, from `turn_input.first` and never from `now`."""
        return None

    def answer(self, features: Any, turn_input: TurnInput) -> Answer:  # noqa: ARG002  for subclasses
        """Segment an object after a turn.

        Args:
            features: what `object_features` returned.
            turn_input: the object, all its prompts, and the previous answer of the method.
        """
        now = turn_input.now
        logits = self.object_logits(now.image[None].to(self.device), now.cues[None].to(self.device))
        return Answer.of_probability(logits.float().softmax(dim=1)[0, 1])

    def object_logits(self, image: Tensor, cues: Tensor) -> Tensor:
        """Predict background and object, (B, 2, *size), from crops (B, C, *size) and their cues (B, K, *size)."""
        logits: Tensor = self.network(torch.cat([standardise(image), cues], dim=1))
        return logits

    def object_probability(self, batch: Batch) -> Tensor:
        """Predict the probability (B, *size) of the object of each training sample; needed for `own_clicks`."""
        return self.object_logits(batch["image"], batch["cues"]).float().softmax(dim=1)[:, 1]

    def object_answer(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Predict the object of each training sample, and the map that the next turn uses; needed for `own_clicks`.

        Returns:
            Two tensors (B, *size): the probability, and the map of the ``previous`` answer.
        """
        probability = self.object_probability(batch)
        return probability, probability

    def previous_map(self, before: Segmentation) -> NDArray[np.float32]:
        """The map ([z,] y, x) of the previous answer, or of the start mask, that a turn uses."""
        return before.probability if before.memory is None else before.memory

    def simulated_start(self, truth: NDArray[np.bool_], spacing_mm: tuple[float, ...]) -> NDArray[np.bool_] | None:  # noqa: ARG002
        """The start mask of an object ([z,] y, x) in validation and test; None to start from nothing."""
        return None

    # The same for all methods -----------------------------------------------------------------------------------------

    def prepare_image(self, image: NDArray[np.float32], spacing_mm: Sequence[float]) -> ImageModel:
        """Compute what depends only on an image; see `lesslabel.interaction.model.InteractiveModel`.

        Raises:
            DataError: if it has other axes or channels, or values that are not finite.
        """
        return PreparedImage(self, self.checked_image(image), tuple(spacing_mm))

    def checked_image(self, image: NDArray[np.float32]) -> Tensor:
        """An image (C, [z,] y, x) as a tensor.

        Raises:
            DataError: if it has other axes or channels, or values that are not finite.
        """
        if image.ndim != self.dimensions + 1 or len(image) != self.in_channels or not np.isfinite(image).all():
            raise DataError(
                f"image of shape {image.shape}; give ({self.in_channels}, {'z, ' * (self.dimensions == 3)}y, x), finite"
            )
        return torch.from_numpy(np.ascontiguousarray(image))

    def prepare_batch(self, batch: Batch) -> Batch:
        """Add clicks at the errors of the network, if `own_clicks` is set."""
        return with_own_clicks(self, batch)

    def predict_case(self, batch: EvaluationBatch) -> tuple[Tensor, Tensor]:
        """Predict a whole case from the prompts of the first robot for each object of the reference.

        Returns:
            Class probabilities (C, z, y, x) and labels (z, y, x) uint8, both on the native grid.

        Raises:
            DataError: if there is no reference.
        """
        if "reference" not in batch:
            raise DataError(
                f"case {batch['uid']}: {type(self).__name__} needs prompts, and without a reference no robot can give "
                "them; use an InteractiveSession"
            )
        image = batch["image"][0].cpu().float()
        z, y, x = image.shape[1:]
        reference = resize_labels(batch["reference"].cpu().numpy(), (z, y, x))
        spacing = tuple(
            size * old / new
            for size, old, new in zip(batch["spacing_mm"], batch["native_shape"], reference.shape, strict=True)
        )
        objects = torch.zeros(len(batch["annotated_labels"]), z, y, x)
        for where in self._places((reference > 0) & (reference < len(objects))):
            here = reference[where]
            session = InteractiveSession(self)
            session.set_image(image[(slice(None), *where)].numpy(), spacing[-self.dimensions :])
            for index in np.unique(here[(here > 0) & (here < len(objects))]).tolist():
                objects[(index, *where)] = self._first_probability(session, here == index, batch["uid"], index, where)
        objects[0] = 1 - objects[1:].amax(dim=0)  # a voxel belongs to the most probable object, if that is above ½
        probabilities = resize_probabilities(objects / objects.sum(dim=0), batch["native_shape"])
        labels = hard_label(probabilities[None])[0].to(torch.uint8)
        if self.inference.largest_component:
            labels = keep_largest_components(labels, len(objects))
        return probabilities, labels

    def require_data(self, class_names: Sequence[str], in_channels: int, dimensions: int) -> None:
        """Raise an error for other channels or dimensions; the classes of the data do not matter.

        Raises:
            ConfigError: names the setting to change.
        """
        super().require_data(class_names[: self.num_classes], in_channels, dimensions)

    def _places(self, truth: NDArray[np.bool_]) -> list[Slice]:
        """Index of each image to segment: every slice that holds an object, or the whole volume."""
        if self.dimensions == 3:
            return [(slice(None),)] if truth.any() else []
        return [(int(index),) for index in np.flatnonzero(truth.any(axis=(1, 2)))]

    def _first_probability(
        self, session: InteractiveSession, truth: NDArray[np.bool_], uid: str, index: int, where: Slice
    ) -> Tensor:
        """Predict the probability of an object from its first prompts; deterministic."""
        place = where[0] if isinstance(where[0], int) else 0
        rng = np.random.default_rng([zlib.crc32(uid.encode()), index, place])
        name, spacing_mm = str(index), session.image.spacing_mm
        start = self.simulated_start(truth, spacing_mm)
        if start is not None and not start.any():
            start = None
        prompts = self.first_robot.annotate(truth, rng, prediction=start, spacing_mm=spacing_mm)
        if start is not None:
            started = session.start_from(start, object=name)
            if not prompts:
                return torch.from_numpy(started.probability)
        return torch.from_numpy(session.add(*prompts, object=name).probability)


def standardise(image: Tensor) -> Tensor:
    """Bring each channel (B, C, …) to mean 0 and standard deviation 1; a constant channel becomes 0."""
    axes = tuple(range(2, image.ndim))
    centred = image - image.mean(dim=axes, keepdim=True)
    return centred / centred.square().mean(dim=axes, keepdim=True).sqrt().clamp_min(1e-6)
