"""From stored cases to training samples and evaluation cases."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from lesslabel.data.batch import Batch, EvaluationBatch
from lesslabel.data.case import IGNORE, Kind
from lesslabel.data.loading.annotator import Annotator
from lesslabel.data.loading.augment import (
    Augmentation,
    Draw,
    apply_to_derived,
    apply_to_image,
    apply_to_labels,
    apply_to_weight,
    draw,
)
from lesslabel.data.loading.cache import Cache
from lesslabel.data.loading.case_loader import CaseLoader, TrainingCase
from lesslabel.data.loading.case_parts import CaseParts
from lesslabel.data.loading.crop import Window, crop, draw_window
from lesslabel.data.loading.derived import DerivedMaps, Recipe, make_in_runs
from lesslabel.data.loading.merge import labels_of_objects, merge_annotations
from lesslabel.data.loading.resize import Shape
from lesslabel.data.loading.sampling import SampleKey, Unit, generator_of
from lesslabel.data.view import Shown, make_target


class TrainingSet(Dataset[Batch]):
    """Training samples by `SampleKey`: a slice or a patch, augmented.

    Args:
        loader: reads cases.
        shown: annotations by uid, for the cases that show any.
        patch_voxel: crop, ([d,] h, w) in the network's grid; None takes the slice or volume whole.
        augmentation: how samples vary.
        seed: of the run.
        cache_bytes: memory that cached cases may take, in each worker.
        recipe: maps to derive from the labels of dense slices.
        annotator: makes the sample of an interactive method from an augmented one; None for any other method.
        in_parts: read of each case what a sample needs, and keep no case, where that is possible: on the image's own
            grid, without maps of whole cases or matched histograms. Samples are the same.
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
        *,
        in_parts: bool = False,
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
        whole = self.maps is not None or loader.quantiles is not None
        self.parts = CaseParts(loader, shown) if in_parts and not whole else None

    def __getitem__(self, key: SampleKey) -> Batch:
        generator = generator_of(self.seed, key.step, key.slot)
        case, index, window = self._read(key.unit, generator)
        where: int | slice = slice(None) if index is None else index
        image = case.image[:, where]
        labels, kinds, annotated = case.target_of(index)
        dense = kinds == int(Kind.DENSE)
        weight = None if case.weight is None else case.weight[where]
        derived = None if case.derived is None else case.derived[:, where]
        if window is not None:
            image, labels = crop(image, window, 0), crop(labels, window, IGNORE)
            weight = None if weight is None else crop(weight, window, 0)
            derived = None if derived is None else crop(derived, window, None)
            if index is None:
                kinds, annotated = crop(kinds, window[:1], Kind.NONE), crop(annotated, window[:1], fill=True)
                dense = _continued(dense, window)
        drawn = draw(self.augmentation, generator, square=labels.shape[-1] == labels.shape[-2])
        labels = apply_to_labels(labels, drawn)
        image = apply_to_image(image, drawn).contiguous()
        if self.annotator is not None:
            spacing_mm = _turned(self.loader.spacing_of(key.unit.uid), drawn)[-labels.ndim :]
            objects = labels_of_objects(labels, kinds, annotated) if key.labelled else torch.full_like(labels, IGNORE)
            return self.annotator.make(image, objects.numpy(), key.unit.uid, spacing_mm, generator)
        sample = Batch(
            image=image,
            target=labels.long(),
            kind=kinds if key.labelled else torch.full_like(kinds, Kind.NONE),
            annotated_labels=annotated if key.labelled else torch.ones_like(annotated),
            uid=[key.unit.uid],
        )
        if weight is not None:
            sample["weight"] = apply_to_weight(weight, drawn).contiguous()
        if derived is not None:
            sample["derived"] = apply_to_derived(derived, drawn).contiguous()
        elif self.recipe is not None and key.labelled and bool(dense.any()):
            recipe, classes = self.recipe, len(annotated)
            maps = make_in_runs(lambda part: recipe.make(part, classes), labels.numpy(), dense.numpy())
            sample["derived"] = torch.from_numpy(maps)
        return sample

    def _read(self, unit: Unit, generator: np.random.Generator) -> tuple[TrainingCase, int | None, Window | None]:
        """The case or enough of it, which of its slices, and where on that the patch lies."""
        uid, index = unit
        shape = self.loader.grid.shape_of(self.loader.store.records[uid])
        chooses_slice = self.annotator is not None and index is not None
        if self.parts is not None and not chooses_slice and self.loader.on_own_grid(uid):
            window = self._draw_window(shape, index, generator)
            part, window = self.parts.read(uid, index, window)
            return part, None if index is None else 0, window
        case = self.cache.get(uid)
        if self.annotator is not None and index is not None:
            index = self.annotator.slice_of(case.labels.numpy(), index, generator)
        return case, index, self._draw_window(shape, index, generator)

    def _draw_window(self, shape: Shape, index: int | None, generator: np.random.Generator) -> Window | None:
        if self.patch_voxel is None:
            return None
        return draw_window(shape if index is None else shape[1:], self.patch_voxel, generator)

    def _load(self, uid: str) -> TrainingCase:
        case = self.loader.read(uid)
        target = merge_annotations(case, self.shown.get(uid, ()), self.loader.mapping, self.loader.shape_of(case))
        dense = target.kinds == int(Kind.DENSE)
        derived = None
        if self.maps is not None and dense.any():
            dense_labels = np.where(dense[:, None, None], target.labels, np.uint8(IGNORE))
            derived = torch.from_numpy(self.maps.read(dense_labels, len(self.loader.mapping.names), dense))
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
        if case.qform is not None:
            batch["qform"] = torch.from_numpy(case.qform.affine)
            batch["form_codes"] = case.qform.codes
        if self.reference is not None and self.reference in case.annotations:
            target = make_target(case.annotations[self.reference], self.loader.mapping)
            batch["reference"] = torch.from_numpy(target.labels)
            batch["annotated_labels"] = torch.from_numpy(target.annotated_labels)
        return batch


def _continued(dense: Tensor, window: Window) -> Tensor:
    """Which slices of a patch are dense; beyond the volume as at its border, where maps are derived from padding."""
    (start, depth), *_ = window
    return dense[torch.arange(start, start + depth).clamp(0, len(dense) - 1)]


def _turned(spacing_mm: tuple[float, float, float], drawn: Draw) -> tuple[float, float, float]:
    """Voxel size after quarter turns."""
    z, y, x = spacing_mm
    return (z, x, y) if drawn.quarter_turns % 2 else spacing_mm
