"""The annotation units of a store: slices, whole cases, or patches; what of them an image is, and what one costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import get_args

from lesslabel.data.case import Box
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.queue import WHOLE_CASE, Queue, UnitName
from lesslabel.data.store import CaseRecord
from lesslabel.errors import ConfigError
from lesslabel.image_features import ImageFeatures
from lesslabel.selection.cost import ONE_UNIT, Work

UnitKey = tuple[str, int, Box | None]
"""A unit: case, z index (`WHOLE_CASE`, `PATCH`) and patch, as `QueueRow.key`."""


@dataclass(frozen=True)
class AnnotationUnit:
    """What is annotated in one go.

    Attributes:
        name: ``slice``, ``case`` or ``patch``.
        patch_voxel: size of a patch (z, y, x) in voxels of the store; the patches of a case lie side by side from its
            first voxel on, and those at its far ends are smaller. None for the other units.

    Raises:
        ConfigError: if there is no such unit, or a size is missing, not positive, or given to another unit.
    """

    name: UnitName = "slice"
    patch_voxel: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        if self.name not in get_args(UnitName):
            raise ConfigError(f"--unit: '{self.name}'; choose one of {', '.join(get_args(UnitName))}")
        if (self.name == "patch") != (self.patch_voxel is not None):
            raise ConfigError("--patch-voxel Z Y X goes with --unit patch; give both, or neither")
        if self.patch_voxel is not None and (len(self.patch_voxel) != 3 or min(self.patch_voxel) < 1):
            given = " ".join(map(str, self.patch_voxel))
            raise ConfigError(f"--patch-voxel: {given}; pass three sizes Z Y X, each 1 or more")

    @classmethod
    def of(cls, name: UnitName, patch_voxel: Sequence[int] | None = None) -> "AnnotationUnit":
        """Make it from what a command was given."""
        return cls(name, None if patch_voxel is None else tuple(patch_voxel))  # type: ignore[arg-type]  # checked there

    @property
    def plural(self) -> str:
        """The word for several of them."""
        return _plural(self.name)

    @property
    def is_image(self) -> bool:
        """Whether one image is one unit; else a unit is all images of a case."""
        return self.name != "case"

    def words(self) -> list[str]:
        """The same as words of `lesslabel select`."""
        size = () if self.patch_voxel is None else ("--patch-voxel", *map(str, self.patch_voxel))
        return ["--unit", self.name, *size]

    def of_images(self, features: ImageFeatures) -> list[UnitKey]:
        """The unit of each image."""
        if not self.is_image:
            return [(uid, WHOLE_CASE, None) for uid in features.uid.tolist()]
        boxes = [None] * len(features) if features.patch is None else list(map(Box.of, features.patch.tolist()))
        return list(zip(features.uid.tolist(), features.slice.tolist(), boxes, strict=True))

    def work(self, unit: UnitKey, records: Mapping[str, CaseRecord]) -> Work:
        """What annotating one takes, measured in slices."""
        uid, index, box = unit
        if index == WHOLE_CASE:
            return Work(records[uid].depth)
        if box is None:
            return ONE_UNIT
        return Work(box.size[0], prod(box.size[1:]) / prod(records[uid].shape[1:]))

    def require_annotatable(self, data: SegmentationDataModule) -> None:
        """Check that people can annotate what the model sees.

        Raises:
            ConfigError: if slices are asked for, and the model sees volumes or resampled slices.
        """
        if self.name != "slice":
            return
        if data.dimensions == 3:
            raise ConfigError("unit: the bundle's model sees volumes; choose cases with --unit case")
        for record in data.records("train"):
            if data.grid.shape_of(record)[0] != record.depth:
                raise ConfigError(
                    f"unit: the bundle's model sees resampled slices of case '{record.uid}', which nobody can "
                    "annotate; choose cases with --unit case"
                )

    def require_same(self, previous: Queue, records: Mapping[str, CaseRecord]) -> None:
        """Check that a queue of earlier rounds holds the same units.

        Raises:
            ConfigError: names the unit to go on with.
        """
        for row in previous.rows:
            if row.unit != self.name:
                raise ConfigError(f"unit: the previous queue holds {_plural(row.unit)}; go on with --unit {row.unit}")
            if (
                row.patch is not None
                and self.patch_voxel is not None
                and not _on_grid(row.patch, self.patch_voxel, records[row.uid].shape)
            ):
                raise ConfigError(
                    f"--patch-voxel: the previous queue holds patch {row.patch} of case '{row.uid}', which is none of "
                    f"size {' '.join(map(str, self.patch_voxel))}; go on with the size of its first rounds"
                )


def _plural(name: UnitName) -> str:
    return "patches" if name == "patch" else f"{name}s"


def _on_grid(box: Box, size_voxel: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether a box is one of those that `lesslabel.data.case.tile` makes."""
    return all(
        start % step == 0 and size == min(step, side - start)
        for start, size, step, side in zip(box.corner, box.size, size_voxel, shape, strict=True)
    )
