"""Training samples and evaluation cases from stored cases."""

import sys
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
    AugmentationParameters,
    apply_to_derived,
    apply_to_image,
    apply_to_labels,
    apply_to_weight,
    sample_augmentation,
)
from lesslabel.data.loading.cache import Cache
from lesslabel.data.loading.case_loader import CaseLoader, TrainingCase
from lesslabel.data.loading.crop import Window, crop, sample_window
from lesslabel.data.loading.derived import DerivedMaps, MapDerivation, make_in_runs
from lesslabel.data.loading.merge import labels_of_objects, merge_annotations
from lesslabel.data.loading.resize import VolumeShape
from lesslabel.data.loading.sampling import SampleKey, SampleSource, generator_of
from lesslabel.data.loading.subvolume_reader import SubvolumeReader
from lesslabel.data.view import VisibleAnnotation, make_target


class TrainingSet(Dataset[Batch]):
    """Training samples by `SampleKey`: a slice or a patch, augmented.

    Args:
        loader: reads cases.
        shown: supervising annotations by uid, for the labelled cases.
        patch_voxel: crop, ([d,] h, w) in the network's grid; None uses the whole slice or volume.
        augmentation: random augmentation of samples.
        seed: of the run.
        cache_bytes: memory that cached cases may take, in each worker.
        derivation: maps to derive from the labels of dense slices.
        annotator: makes the sample of an interactive method from an augmented one; None for any other method.
        in_parts: read only the region of a case that a sample needs, and cache no case, where possible: on the native
            grid, without maps of whole cases or matched histograms. The samples are the same.
        device: keep every case there, whatever `cache_bytes` is, and make the samples there; None keeps cases in main
            memory. Samples are the same, up to the rounding of the device.
    """

    def __init__(
        self,
        loader: CaseLoader,
        shown: Mapping[str, Sequence[VisibleAnnotation]],
        patch_voxel: tuple[int, ...] | None,
        augmentation: Augmentation,
        seed: int,
        cache_bytes: int,
        derivation: MapDerivation | None = None,
        annotator: Annotator | None = None,
        *,
        in_parts: bool = False,
        device: torch.device | None = None,
    ) -> None:
        self.loader = loader
        self.shown = shown
        self.patch_voxel = patch_voxel
        self.augmentation = augmentation
        self.seed = seed
        self.derivation = derivation
        self.annotator = annotator
        self.maps = DerivedMaps(loader.store.path, derivation) if derivation is not None and derivation.whole else None
        self.device = device
        self.cache: Cache[TrainingCase] = Cache(self._load, sys.maxsize if device is not None else cache_bytes)
        whole = self.maps is not None or loader.quantiles is not None
        self.parts = SubvolumeReader(loader, shown) if in_parts and not whole and device is None else None

    def __getitem__(self, key: SampleKey) -> Batch:
        generator = generator_of(self.seed, key.step, key.slot)
        case, index, window = self._read(key.source, generator)
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
        parameters = sample_augmentation(self.augmentation, generator, square=labels.shape[-1] == labels.shape[-2])
        labels = apply_to_labels(labels, parameters)
        image = apply_to_image(image, parameters).contiguous()
        if self.annotator is not None:
            spacing_mm = _turned(self.loader.spacing_of(key.source.uid), parameters)[-labels.ndim :]
            objects = labels_of_objects(labels, kinds, annotated) if key.labelled else torch.full_like(labels, IGNORE)
            return self.annotator.make(image, objects.numpy(), key.source.uid, spacing_mm, generator)
        sample = Batch(
            image=image,
            target=labels.long(),
            kind=kinds if key.labelled else torch.full_like(kinds, Kind.NONE),
            annotated_labels=annotated if key.labelled else torch.ones_like(annotated),
            uid=[key.source.uid],
        )
        if weight is not None:
            sample["weight"] = apply_to_weight(weight, parameters).contiguous()
        if derived is not None:
            sample["derived"] = apply_to_derived(derived, parameters).contiguous()
        elif self.derivation is not None and key.labelled and bool(dense.any()):
            derivation, classes = self.derivation, len(annotated)
            maps = make_in_runs(
                lambda part: derivation.make(part, classes), labels.numpy(force=True), dense.numpy(force=True)
            )
            sample["derived"] = torch.from_numpy(maps).to(labels.device)
        return sample

    def _read(
        self, source: SampleSource, generator: np.random.Generator
    ) -> tuple[TrainingCase, int | None, Window | None]:
        """The case or the needed region of it, the slice, and the window of the patch."""
        uid, index = source
        shape = self.loader.grid.shape_of(self.loader.store.records[uid])
        chooses_slice = self.annotator is not None and index is not None
        if self.parts is not None and not chooses_slice and self.loader.on_own_grid(uid):
            window = self._sample_window(shape, index, generator)
            part, window = self.parts.read(uid, index, window)
            return part, None if index is None else 0, window
        case = self.cache.get(uid)
        if self.annotator is not None and index is not None:
            index = self.annotator.slice_of(case.labels.numpy(), index, generator)
        return case, index, self._sample_window(shape, index, generator)

    def _sample_window(self, shape: VolumeShape, index: int | None, generator: np.random.Generator) -> Window | None:
        if self.patch_voxel is None:
            return None
        return sample_window(shape if index is None else shape[1:], self.patch_voxel, generator)

    def _load(self, uid: str) -> TrainingCase:
        case = self.loader.read(uid)
        target = merge_annotations(case, self.shown.get(uid, ()), self.loader.mapping, self.loader.shape_of(case))
        dense = target.kinds == int(Kind.DENSE)
        derived = None
        if self.maps is not None and dense.any():
            dense_labels = np.where(dense[:, None, None], target.labels, np.uint8(IGNORE))
            derived = torch.from_numpy(self.maps.read(dense_labels, len(self.loader.mapping.names), dense))
        loaded = TrainingCase(
            image=self.loader.image(case),
            labels=torch.from_numpy(target.labels),
            kinds=torch.from_numpy(target.kinds),
            annotated_labels=torch.from_numpy(target.annotated_labels),
            weight=None if target.weight is None else torch.from_numpy(target.weight),
            derived=derived,
        )
        return loaded if self.device is None else loaded.to(self.device)


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
    """Which slices of a patch are dense; slices beyond the volume are as dense as the border slice they repeat."""
    (start, depth), *_ = window
    return dense[torch.arange(start, start + depth, device=dense.device).clamp(0, len(dense) - 1)]


def _turned(spacing_mm: tuple[float, float, float], parameters: AugmentationParameters) -> tuple[float, float, float]:
    """Voxel size after rotations by 90°."""
    z, y, x = spacing_mm
    return (z, x, y) if parameters.quarter_rotations % 2 else spacing_mm
