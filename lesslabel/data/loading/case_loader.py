"""Load a stored case on the grid and with the intensities of the network input."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lesslabel.data.case import Case
from lesslabel.data.loading.histogram_matching import match_histogram, read_quantiles
from lesslabel.data.loading.intensity import Intensity, normalise
from lesslabel.data.loading.resize import Interpolation, VolumeShape, resize_image, target_shape, to_tensor
from lesslabel.data.store import CaseRecord, Store
from lesslabel.data.store.finite import require_finite
from lesslabel.data.view import LabelMapping, View, select_channels


@dataclass(frozen=True)
class Grid:
    """The grid of the network input.

    Attributes:
        size_voxel: (height, width) that every slice is resized to; None keeps the size.
        spacing_mm: (z, y, x) that the volume is resampled to, if no size is given; None keeps the spacing.
        interpolation: of the image.
    """

    size_voxel: tuple[int, int] | None = None
    spacing_mm: tuple[float, float, float] | None = None
    interpolation: Interpolation = "linear"

    def shape_of(self, record: CaseRecord) -> VolumeShape:
        """The shape (z, y, x) of a case on this grid."""
        native = (record.depth, record.height, record.width)
        return target_shape(native, record.spacing_mm, self.size_voxel, self.spacing_mm)


class CaseLoader:
    """Reads a case, resamples it to the network's grid and normalises its intensities.

    Args:
        store: the store.
        view: selects the channels and maps the labels.
        mapping: the view's label mapping.
        grid: the network's grid.
        intensity: the network's intensities.
    """

    def __init__(self, store: Store, view: View, mapping: LabelMapping, grid: Grid, intensity: Intensity) -> None:
        self.store = store
        self.view = view
        self.mapping = mapping
        self.grid = grid
        self.intensity = intensity
        self.quantiles = None
        if intensity.match is not None:
            self.quantiles = read_quantiles(Path(intensity.match), len(select_channels(view, store.channels)))

    def read(self, uid: str) -> Case:
        """Read a case from the store."""
        return self.store.read(uid)

    def shape_of(self, case: Case) -> VolumeShape:
        """The case's shape (z, y, x) on the network's grid."""
        # from the table of cases, as the sampler counts slices: its spacing is rounded, that of the case is not
        return self.grid.shape_of(self.store.records[case.uid])

    def spacing_of(self, uid: str) -> tuple[float, float, float]:
        """The case's voxel size (z, y, x) in mm on the network's grid."""
        record = self.store.records[uid]
        native = (record.depth, record.height, record.width)
        z, y, x = (
            spacing * old / new
            for spacing, old, new in zip(record.spacing_mm, native, self.grid.shape_of(record), strict=True)
        )
        return z, y, x

    def on_own_grid(self, uid: str) -> bool:
        """Whether the network's grid is the native grid of the case."""
        record = self.store.records[uid]
        return self.grid.shape_of(record) == (record.depth, record.height, record.width)

    def select(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Select the channels of the view."""
        return image if self.view.channels is None else image[self.view.channels]

    def image(self, case: Case) -> Tensor:
        """The image (C, z, y, x) of a case as network input.

        Raises:
            DataError: if it has voxels that are NaN or infinite.
        """
        channels = self.select(case.image)
        require_finite(channels, f"{self.store.case_path(case.uid)}: image", self.store.path)
        if self.quantiles is not None:
            channels = match_histogram(channels, self.quantiles)
        normalised = to_tensor(normalise(channels, self.intensity))
        return resize_image(normalised, self.shape_of(case), self.grid.interpolation)


@dataclass(frozen=True, eq=False)
class TrainingCase:
    """A case on the network's grid.

    Attributes:
        image: (C, z, y, x) float32.
        labels: (z, y, x) uint8.
        kinds: (z,) int64, kind of the target of each slice.
        annotated_labels: (z, C) bool.
        weight: (z, y, x) float32 or None.
        derived: (K, z, y, x) float32 or None; memory-mapped from the disk.
    """

    image: Tensor
    labels: Tensor
    kinds: Tensor
    annotated_labels: Tensor
    weight: Tensor | None = None
    derived: Tensor | None = None

    def to(self, device: torch.device) -> "TrainingCase":
        """The same case on a device; maps from the disk are read."""
        return TrainingCase(
            self.image.to(device),
            self.labels.to(device),
            self.kinds.to(device),
            self.annotated_labels.to(device),
            None if self.weight is None else self.weight.to(device),
            None if self.derived is None else self.derived.to(device),
        )

    def target_of(self, index: int | None) -> tuple[Tensor, Tensor, Tensor]:
        """Labels, kinds ([z]) and annotated classes (C, [z]) of one slice, or of the whole case."""
        where = slice(None) if index is None else index
        return self.labels[where], self.kinds[where], self.annotated_labels[where].movedim(-1, 0)

    @property
    def nbytes(self) -> int:
        """Bytes held by the voxels."""
        return self.image.nbytes + self.labels.nbytes + (0 if self.weight is None else self.weight.nbytes)
