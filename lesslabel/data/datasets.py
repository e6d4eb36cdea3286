"""From stored cases to training samples and evaluation cases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from lesslabel.data.annotator import Annotator
from lesslabel.data.augment import (
    Augmentation,
    Draw,
    apply_to_derived,
    apply_to_image,
    apply_to_labels,
    apply_to_weight,
    draw,
)
from lesslabel.data.batch import Batch, EvaluationBatch
from lesslabel.data.cache import Cache
from lesslabel.data.case import IGNORE, Case, Kind
from lesslabel.data.derived import DerivedMaps, Recipe
from lesslabel.data.histogram_matching import match_histogram, read_quantiles
from lesslabel.data.intensity import Intensity, normalise
from lesslabel.data.merge import describe_volume, merge_annotations
from lesslabel.data.resize import Interpolation, Shape, resize_image, target_shape, to_tensor
from lesslabel.data.sampling import SampleKey, generator_of
from lesslabel.data.store import CaseRecord, Store
from lesslabel.data.view import LabelMapping, Shown, View, make_target, select_channels

Window = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Grid:
    """The grid on which a network sees a case.

    Attributes:
        size_voxel: (height, width) that every slice is resized to; None keeps the size.
        spacing_mm: (z, y, x) that the volume is resampled to, if no size is given; None keeps the spacing.
        interpolation: of the image.
    """

    size_voxel: tuple[int, int] | None = None
    spacing_mm: tuple[float, float, float] | None = None
    interpolation: Interpolation = "linear"

    def shape_of(self, record: CaseRecord) -> Shape:
        """The shape (z, y, x) of a case on this grid."""
        native = (record.depth, record.height, record.width)
        return target_shape(native, record.spacing_mm, self.size_voxel, self.spacing_mm)


class CaseLoader:
    """Reads a case and brings it to the network's grid and intensities.

    Args:
        store: where cases lie.
        view: which channels, and how labels are mapped.
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

    def shape_of(self, case: Case) -> Shape:
        """The case's shape (z, y, x) on the network's grid."""
        # by the table of cases, as the sampler counts slices: its spacing is rounded, the case's is not
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

    def image(self, case: Case) -> Tensor:
        """The case's image (C, z, y, x) as the network sees it."""
        channels = case.image if self.view.channels is None else case.image[self.view.channels]
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
        derived: (K, z, y, x) float32 or None; on the disk until it is looked at.
    """

    image: Tensor
    labels: Tensor
    kinds: Tensor
    annotated_labels: Tensor
    weight: Tensor | None = None
    derived: Tensor | None = None

    def target_of(self, index: int | None) -> tuple[Tensor, Kind, Tensor]:
        """Labels, kind and annotated classes (C,) of one slice, or of the whole case."""
        if index is None:
            return describe_volume(self.labels, self.kinds, self.annotated_labels)
        return self.labels[index], Kind(int(self.kinds[index])), self.annotated_labels[index]

    @property
    def nbytes(self) -> int:
        """Bytes held by the voxels."""
        return self.image.nbytes + self.labels.nbytes + (0 if self.weight is None else self.weight.nbytes)


class TrainingSet(Dataset[Batch]):
    """Training samples by `SampleKey`: a slice or a patch, augmented.

    Args:
        loader: reads cases.
        shown: annotations by uid, for the cases that show any.
        patch_voxel: crop, ([d,] h, w) in the network's grid; None takes the slice or volume whole.
        augmentation: how samples vary.
        seed: of the run.
        cache_bytes: memory that cached cases may take, in each worker.
        recipe: maps to derive from the labels of dense samples.
        annotator: makes the sample of an interactive method from an augmented one; None for any other method.
    """

    def __init__(
        self,
        loader: CaseLoader,
        shown: Mapping[str, Sequence[Shown]],
        patch_voxel: tuple[int, ...] | None,
        augmentation: Augmentation,
        seed: int,
        cache_bytes: int,
        recipe: Recipe | None = None,
        annotator: Annotator | None = None,
    ) -> None:
        self.loader = loader
        self.shown = shown
        self.patch_voxel = patch_voxel
        self.augmentation = augmentation
        self.seed = seed
        self.recipe = recipe
        self.annotator = annotator
        self.maps = DerivedMaps(loader.store.path, recipe) if recipe is not None and recipe.whole else None
        self.cache: Cache[TrainingCase] = Cache(self._load, cache_bytes)

    def __getitem__(self, key: SampleKey) -> Batch:
        case = self.cache.get(key.unit.uid)
        generator = generator_of(self.seed, key.step, key.slot)
        index = key.unit.slice
        if self.annotator is not None and index is not None:
            index = self.annotator.slice_of(case.labels.numpy(), index, generator)
        where: int | slice = slice(None) if index is None else index
        image = case.image[:, where]
        labels, kind, annotated = case.target_of(index)
        weight = None if case.weight is None else case.weight[where]
        derived = None if case.derived is None else case.derived[:, where]
        if self.patch_voxel is not None:
            window = draw_window(tuple(labels.shape), self.patch_voxel, generator)
            image, labels = crop(image, window, 0), crop(labels, window, IGNORE)
            weight = None if weight is None else crop(weight, window, 0)
            derived = None if derived is None else crop(derived, window, None)
        drawn = draw(self.augmentation, generator, square=labels.shape[-1] == labels.shape[-2])
        labels = apply_to_labels(labels, drawn)
        image = apply_to_image(image, drawn).contiguous()
        if self.annotator is not None:
            spacing_mm = _turned(self.loader.spacing_of(key.unit.uid), drawn)[-labels.ndim :]
            dense = labels if key.labelled and kind == Kind.DENSE else torch.full_like(labels, IGNORE)
            return self.annotator.make(image, dense.numpy(), key.unit.uid, spacing_mm, generator)
        sample = Batch(
            image=image,
            target=labels.long(),
            kind=torch.tensor(int(kind if key.labelled else Kind.NONE)),
            annotated_labels=annotated if key.labelled else torch.ones_like(annotated),
            uid=[key.unit.uid],
        )
        if weight is not None:
            sample["weight"] = apply_to_weight(weight, drawn).contiguous()
        if derived is not None:
            sample["derived"] = apply_to_derived(derived, drawn).contiguous()
        elif self.recipe is not None and key.labelled and kind == Kind.DENSE:
            sample["derived"] = torch.from_numpy(self.recipe.make(labels.numpy(), len(annotated)))
        return sample

    def _load(self, uid: str) -> TrainingCase:
        case = self.loader.read(uid)
        target = merge_annotations(case, self.shown.get(uid, ()), self.loader.mapping, self.loader.shape_of(case))
        dense = target.kinds == int(Kind.DENSE)
        derived = None
        if self.maps is not None and dense.any():
            dense_labels = np.where(dense[:, None, None], target.labels, np.uint8(IGNORE))
            derived = torch.from_numpy(self.maps.read(dense_labels, len(self.loader.mapping.names)))
        return TrainingCase(
            image=self.loader.image(case),
            labels=torch.from_numpy(target.labels),
            kinds=torch.from_numpy(target.kinds),
            annotated_labels=torch.from_numpy(target.annotated_labels),
            weight=None if target.weight is None else torch.from_numpy(target.weight),
            derived=derived,
        )


class EvaluationSet(Dataset[EvaluationBatch]):
    """Whole cases for validation, test and prediction, in a fixed order.

    Args:
        loader: reads cases.
        uids: which cases.
        reference: annotation to score against; None leaves references out (prediction).
    """

    def __init__(self, loader: CaseLoader, uids: tuple[str, ...], reference: str | None) -> None:
        self.loader = loader
        self.uids = uids
        self.reference = reference

    def __len__(self) -> int:
        return len(self.uids)

    def __getitem__(self, index: int) -> EvaluationBatch:
        case = self.loader.read(self.uids[index])
        batch = EvaluationBatch(
            image=self.loader.image(case)[None],
            uid=case.uid,
            patient=case.patient,
            native_shape=case.shape,
            spacing_mm=case.spacing_mm,
        )
        if case.affine is not None:
            batch["affine"] = torch.from_numpy(case.affine)
        if self.reference is not None and self.reference in case.annotations:
            target = make_target(case.annotations[self.reference], self.loader.mapping)
            batch["reference"] = torch.from_numpy(target.labels)
            batch["annotated_labels"] = torch.from_numpy(target.annotated_labels)
        return batch


def _turned(spacing_mm: tuple[float, float, float], drawn: Draw) -> tuple[float, float, float]:
    """Voxel size after quarter turns."""
    z, y, x = spacing_mm
    return (z, x, y) if drawn.quarter_turns % 2 else spacing_mm


def draw_window(shape: tuple[int, ...], patch: tuple[int, ...], generator: np.random.Generator) -> Window:
    """Draw where a patch lies: (start, length) per axis.

    Along an axis where the patch is larger than the image, the image is centred and the start negative.
    """
    starts = (
        int(generator.integers(size - side + 1)) if size >= side else (size - side) // 2
        for size, side in zip(shape, patch, strict=True)
    )
    return tuple(zip(starts, patch, strict=True))


def crop(array: Tensor, window: Window, fill: int | None) -> Tensor:
    """Cut a window out of the last axes; what lies outside the array is filled, or repeats the border for None."""
    lead = array.ndim - len(window)
    sizes = array.shape[lead:]
    spans = [(start, start + side, size) for (start, side), size in zip(window, sizes, strict=True)]
    inside = tuple(slice(max(start, 0), min(stop, size)) for start, stop, size in spans)
    cut = array[(slice(None),) * lead + inside]
    padding = [amount for start, stop, size in reversed(spans) for amount in (max(-start, 0), max(stop - size, 0))]
    if not any(padding):
        return cut
    if fill is None:
        return torch.nn.functional.pad(cut, padding, mode="replicate")
    return torch.nn.functional.pad(cut, padding, value=fill)
