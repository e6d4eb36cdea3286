"""The objects of a click protocol, on the network's grid."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE, Case
from lesslabel.data.formats.nifti import read_label_map
from lesslabel.data.loading.case_loader import CaseLoader
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.loading.resize import resize_labels
from lesslabel.data.view import Target, make_target
from lesslabel.errors import DataError
from lesslabel.interaction.prompts import Prompt, Scribble, Side
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.runs.recorder import prediction_path

WHOLE_CASE = -1
"""The slice index of an object in 3D."""


@dataclass(frozen=True, eq=False)
class ClickObject:
    """One class of one case, or of one of its slices.

    Attributes:
        uid: the case.
        patient: its patient.
        slice: z index on the network's grid, `WHOLE_CASE` in 3D.
        label: name of the class.
        image: (C, [z,] y, x) float32, the network's input.
        truth: ([z,] y, x) bool.
        known: the same shape, True where the reference is known.
        spacing_mm: ([z,] y, x), of that grid.
        drawn: strokes of the given annotation on the object and outside it; empty without one on it.
        start: the same shape as `truth`, the mask that the object starts from; None to start from nothing.
    """

    uid: str
    patient: str
    slice: int
    label: str
    image: NDArray[np.float32]
    truth: Mask
    known: Mask
    spacing_mm: tuple[float, ...]
    drawn: tuple[Prompt, ...] = ()
    start: Mask | None = None

    @property
    def name(self) -> str:
        """Its name in messages."""
        return f"{self.uid}, {'' if self.slice == WHOLE_CASE else f'slice {self.slice}, '}{self.label}"

    def generator(self, seed: int) -> np.random.Generator:
        """The random seed of its robots, which does not depend on other objects."""
        digest = hashlib.sha256(f"{self.uid}\0{self.slice}\0{self.label}".encode()).digest()
        return np.random.default_rng([seed, *np.frombuffer(digest, "<u4").tolist()])


def iterate_objects(
    data: SegmentationDataModule,
    uids: Sequence[str],
    labels: Sequence[str],
    *,
    min_voxels: int = 1,
    slices: int | None = None,
    annotation: str | None = None,
    start_annotation: str | None = None,
    predictions: Path | None = None,
) -> Iterator[ClickObject]:
    """Cut cases into objects: every class of every slice in 2D, every class of the volume in 3D.

    Reference and annotation are resampled to the network's grid as targets are. Cases without a reference, and classes
    that it does not cover, are skipped.

    Args:
        data: reads the cases and brings them to the network's grid.
        uids: which cases; they come sorted.
        labels: names of the classes.
        min_voxels: objects with fewer voxels on the grid are skipped.
        slices: the largest number of slices per case and class, evenly spaced among the rest; None takes all.
        annotation: the annotation whose strokes become prompts; None for none.
        start_annotation: the annotation that start masks are taken from; None for none.
        predictions: folder of predictions that start masks are taken from, as `lesslabel predict` writes them, with the
            same classes as the data; None for none.

    Yields:
        The objects of one case, one after the other, by slice and then in the order of the classes.

    Raises:
        DataError: if a case or its prediction is absent or damaged.
    """
    loader, volumes = data.loader(), data.dimensions == 3
    indices = [index for index, name in enumerate(data.mapping.names) if name in labels]
    for uid in sorted(uids):
        case = loader.read(uid)
        reference = _target(case, data.view.reference, loader)
        if reference is None:
            continue
        strokes = None if annotation is None else _target(case, annotation, loader)
        masks = None if start_annotation is None else _target(case, start_annotation, loader)
        predicted = None if predictions is None else _prediction(predictions, case, loader)
        image = loader.image(case).numpy()
        annotated = [index for index in indices if reference.annotated_labels[index]]
        places = {index: _places(reference.labels == index, volumes, max(min_voxels, 1), slices) for index in annotated}
        for place in sorted(set().union(*places.values())):
            where: int | slice = slice(None) if volumes else place
            here = reference.labels[where]
            for index in annotated:
                if place in places[index]:
                    yield ClickObject(
                        uid=uid,
                        patient=case.patient,
                        slice=place,
                        label=data.mapping.names[index],
                        image=np.ascontiguousarray(image[:, where]),
                        truth=here == index,
                        known=here != IGNORE,
                        spacing_mm=loader.spacing_of(uid)[-data.dimensions :],
                        drawn=() if strokes is None else _drawn(strokes, where, index),
                        start=_start(predicted, where, index)
                        if start_annotation is None
                        else _mask_of(masks, where, index, here.shape),
                    )


def _prediction(folder: Path, case: Case, loader: CaseLoader) -> NDArray[np.uint8]:
    """The predicted classes of a case on the network's grid."""
    path = prediction_path(folder, case.uid)
    if not path.is_file():
        raise DataError(f"{path}: no such file; --start wants a prediction of every case, from lesslabel predict")
    labels = read_label_map(path).array
    if labels.shape != case.shape or labels.min() < 0 or labels.max() > IGNORE:
        raise DataError(f"{path}: shape {labels.shape}, the case has {case.shape}; predict on the same store")
    return resize_labels(labels.astype(np.uint8), loader.shape_of(case))


def _start(labels: NDArray[np.uint8] | None, where: int | slice, index: int) -> Mask | None:
    """The mask of a class; None if it is empty, since a session starts from nothing then."""
    if labels is None:
        return None
    mask: Mask = labels[where] == index
    return mask if mask.any() else None


def _places(mask: Mask, volumes: bool, min_voxels: int, slices: int | None) -> set[int]:
    """Where a class of a case is an object: the slices that hold enough of it, or the whole case."""
    if volumes:
        return {WHOLE_CASE} if np.count_nonzero(mask) >= min_voxels else set()
    places = np.flatnonzero(np.count_nonzero(mask, axis=(1, 2)) >= min_voxels)
    if slices is not None and len(places) > slices:
        places = places[((np.arange(slices) + 0.5) * len(places) / slices).astype(int)]
    return set(places.tolist())


def _target(case: Case, name: str, loader: CaseLoader) -> Target | None:
    """An annotation of the case in classes on the network's grid; None if the case does not have it."""
    if name not in case.annotations:
        return None
    target = make_target(case.annotations[name], loader.mapping)
    labels = resize_labels(target.labels, loader.shape_of(case))
    return Target(labels, target.kind, target.annotated_labels)


def _mask_of(masks: Target | None, where: int | slice, index: int, shape: tuple[int, ...]) -> Mask:
    """The object in an annotation; empty if the case does not have it."""
    return np.zeros(shape, np.bool_) if masks is None else np.asarray(masks.labels[where] == index)


def _drawn(strokes: Target, where: int | slice, index: int) -> tuple[Prompt, ...]:
    """The strokes on an object and outside it; strokes on other objects are outside."""
    labels = strokes.labels[where]
    on_object = labels == index
    if not (strokes.annotated_labels[index] and on_object.any()):
        return ()
    beside = (labels != index) & (labels != IGNORE)
    sides = ((on_object, Side.FOREGROUND), (beside, Side.BACKGROUND))
    return tuple(Scribble.from_mask(mask, side) for mask, side in sides if mask.any())
