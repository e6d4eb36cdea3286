"""Training samples of interactive methods: one object of a sample, with prompts of a robot."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE, Kind
from lesslabel.interaction.crop import Crop
from lesslabel.interaction.encoding import EncodedObject, Encoding, clicks_of
from lesslabel.interaction.guidance import Guidance
from lesslabel.interaction.prompts import Prompt
from lesslabel.interaction.robots import Robot

LEAST_VOXELS = 10
"""Objects with fewer voxels in a sample are not used, since robots need some room."""


@dataclass(frozen=True, eq=False)
class TrainingObjects:
    """Makes a sample of one object from a labelled sample: the `Annotator` of interactive methods.

    Attributes:
        encoding: computes the network input.
        first_robot: gives the first prompts.
        later_robot: gives further prompts; None gives none.
        margin_jitter_voxel: the margin of the crop grows by up to this much, sampled for every sample.
        own_turns: largest number of turns that correct the error of the network in the training step.
    """

    encoding: Encoding
    first_robot: Robot
    later_robot: Robot | None = None
    margin_jitter_voxel: float = 0.0
    own_turns: int = 0

    def slice_of(self, labels: NDArray[np.uint8], index: int, generator: np.random.Generator) -> int:
        """Choose a slice that holds an object: the given one, or a random one of its case.

        Args:
            labels: (z, y, x) class indices, `IGNORE` where unknown.
            index: the requested slice; also returned if no slice holds an object.
            generator: random number generator.
        """
        if _classes(labels[index]):
            return index
        sizes = ((labels > 0) & (labels != IGNORE)).reshape(len(labels), -1).sum(axis=1)
        candidates = [place for place in np.flatnonzero(sizes >= LEAST_VOXELS) if _classes(labels[place])]
        return int(generator.choice(candidates)) if candidates else index

    def make(
        self,
        image: Tensor,
        labels: NDArray[np.uint8],
        uid: str,
        spacing_mm: Sequence[float],
        generator: np.random.Generator,
    ) -> Batch:
        """Choose an object at random and give prompts for it.

        Args:
            image: (C, [z,] y, x), augmented.
            labels: ([z,] y, x) class indices, `IGNORE` where unknown.
            uid: the case.
            spacing_mm: voxel size.
            generator: random number generator.

        Returns:
            A sample of two classes, background and object, on the grid of the encoding; unlabelled if the labels hold
            no object.
        """
        classes = _classes(labels)
        if not classes:
            return self._nothing(image, uid, spacing_mm)
        truth = labels == generator.choice(classes)
        return self.of_object(image, labels, truth, uid, spacing_mm, generator)

    def of_object(
        self,
        image: Tensor,
        labels: NDArray[np.uint8],
        truth: NDArray[np.bool_],
        uid: str,
        spacing_mm: Sequence[float],
        generator: np.random.Generator,
    ) -> Batch:
        """Make the sample of an object, ([z,] y, x) bool; see `make`."""
        prompts: tuple[Prompt, ...] = self.first_robot.annotate(truth, generator, spacing_mm=spacing_mm)
        if not prompts:  # the object is too small for the robot
            return self._nothing(image, uid, spacing_mm)
        extra = float(generator.uniform(0.0, self.margin_jitter_voxel))
        crop = self.encoding.crop(prompts, labels.shape, spacing_mm, extra)
        if self.later_robot is not None:
            prompts += self.later_robot.annotate(truth, generator, spacing_mm=spacing_mm, earlier=prompts)
        target = crop.labels_to_grid(np.where(labels == IGNORE, IGNORE, truth).astype(np.uint8))
        previous = self.previous_of(truth, spacing_mm, generator)
        encoded = self.encoding.encode(image, spacing_mm, Guidance(labels.shape, prompts), crop, previous)
        return self.sample(encoded, target, uid, generator)

    def previous_of(
        self,
        truth: NDArray[np.bool_],  # noqa: ARG002  for subclasses
        spacing_mm: Sequence[float],  # noqa: ARG002
        generator: np.random.Generator,  # noqa: ARG002
    ) -> NDArray[np.float32] | None:
        """The mask ([z,] y, x) in [0, 1] that a sample begins from; None, as here, to begin from nothing."""
        return None

    def _nothing(self, image: Tensor, uid: str, spacing_mm: Sequence[float]) -> Batch:
        shape = tuple(image.shape[1:])
        crop = Crop.whole(shape, self.encoding.size_voxel)
        encoded = self.encoding.encode(image, spacing_mm, Guidance(shape), crop)
        return self.sample(encoded, np.full(crop.size, IGNORE, np.uint8), uid, None)

    def sample(
        self, encoded: EncodedObject, target: NDArray[np.uint8], uid: str, generator: np.random.Generator | None
    ) -> Batch:
        """A sample whose slices are dense if any voxel is known, since the labels come from dense slices."""
        known = (target != IGNORE).any(axis=(-2, -1))
        sample = Batch(
            image=encoded.image,
            target=torch.from_numpy(target).long(),
            kind=torch.from_numpy(np.where(known, np.int64(Kind.DENSE), np.int64(Kind.NONE))),
            annotated_labels=torch.ones((2, *known.shape), dtype=torch.bool),
            uid=[uid],
            cues=encoded.cues,
            clicks=clicks_of(encoded.placed),
        )
        if self.own_turns:
            turns, seed = (0, 0) if generator is None else generator.integers(0, (self.own_turns + 1, 2**31))
            sample["own_turns"], sample["own_seed"] = torch.tensor(int(turns)), torch.tensor(int(seed))
            sample["placed"], sample["spacing_mm"] = [encoded.placed], [encoded.spacing_mm]
        return sample


def _classes(labels: NDArray[np.uint8]) -> list[int]:
    """The classes with enough voxels for prompts."""
    counts = np.bincount(labels.reshape(-1), minlength=IGNORE + 1)
    counts[[0, IGNORE]] = 0
    return np.flatnonzero(counts >= LEAST_VOXELS).tolist()
