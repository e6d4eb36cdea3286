"""The batches that the data module gives to a method."""

from typing import Any, NotRequired, TypedDict

import torch
from torch import Tensor


class Batch(TypedDict):
    """One training batch. `kind` states for each slice whether and how it is labelled; pixels are never used for that.

    A sample in 2D is one slice, in 3D it has D slices; a volume may hold dense, scribbled and unlabelled slices.
    Losses and methods also take a 3D batch with one `kind` and one list of `annotated_labels` for each sample; they
    then hold for all its slices.

    Attributes:
        image: (B, C, [D], H, W) float32.
        target: (B, [D], H, W) int64 class indices, `IGNORE` (255) where unknown; an unlabelled slice is unknown
            everywhere.
        kind: (B, [D]) int64, values of `lesslabel.data.case.Kind`; `Kind.NONE` for slices beyond a volume.
        annotated_labels: (B, C, [D]) bool over classes, False where nobody annotated the class in that slice.
        uid: case of each sample.
        weight: optional (B, [D], H, W) float32 confidence of the target.
        derived: optional (B, K, [D], H, W) float32, maps derived from dense labels (`map_derivation` of the method);
            not valid where the target is unknown.
        cues: optional (B, K, [D], H, W) float32, maps computed from prompts; an input of interactive methods, never a
            target.
        clicks: optional (B, [D], H, W) uint8, 1 where an annotator marked the object, 0 where they marked background,
            `IGNORE` elsewhere; present if `cues` is.
        own_turns: optional (B,) int64, number of turns that correct the error of the network, for each sample.
        own_seed: (B,) int64, random seed of these turns; present if `own_turns` is, like the next two.
        placed: the prompts of each sample on its grid (`lesslabel.interaction.placed`).
        spacing_mm: voxel size of the grid of each sample.
    """

    image: Tensor
    target: Tensor
    kind: Tensor
    annotated_labels: Tensor
    uid: list[str]
    weight: NotRequired[Tensor]
    derived: NotRequired[Tensor]
    cues: NotRequired[Tensor]
    clicks: NotRequired[Tensor]
    own_turns: NotRequired[Tensor]
    own_seed: NotRequired[Tensor]
    placed: NotRequired[list[Any]]
    spacing_mm: NotRequired[list[tuple[float, ...]]]


class EvaluationBatch(TypedDict):
    """One whole case for validation, test or prediction.

    Attributes:
        image: (1, C, z, y, x) float32 on the network's grid.
        reference: (z, y, x) uint8 class indices on the native grid; absent where a case has no reference.
        annotated_labels: (C,) bool, False where the reference does not cover the class; present if `reference` is.
        uid: the case.
        patient: its patient.
        native_shape: (z, y, x) in voxels.
        spacing_mm: native voxel size, (z, y, x).
        affine: native 4×4 affine as float64, or absent.
        qform: the second place of the image, 4×4 as float64, where its NIfTI header states two.
        form_codes: sform_code and qform_code of that header; goes with `qform`.
    """

    image: Tensor
    uid: str
    patient: str
    native_shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    reference: NotRequired[Tensor]
    annotated_labels: NotRequired[Tensor]
    affine: NotRequired[Tensor]
    qform: NotRequired[Tensor]
    form_codes: NotRequired[tuple[int, int]]


def collate(samples: list[Batch]) -> Batch:
    """Stack samples to a batch; a missing weight becomes 1 and missing derived maps become 0."""
    batch = Batch(
        image=torch.stack([sample["image"] for sample in samples]),
        target=torch.stack([sample["target"] for sample in samples]),
        kind=torch.stack([sample["kind"] for sample in samples]),
        annotated_labels=torch.stack([sample["annotated_labels"] for sample in samples]),
        uid=[uid for sample in samples for uid in sample["uid"]],
    )
    if any("weight" in sample for sample in samples):
        batch["weight"] = torch.stack(
            [sample.get("weight", torch.ones_like(sample["target"], dtype=torch.float32)) for sample in samples]
        )
    derived = next((sample["derived"] for sample in samples if "derived" in sample), None)
    if derived is not None:
        batch["derived"] = torch.stack([sample.get("derived", torch.zeros_like(derived)) for sample in samples])
    if "cues" in samples[0]:  # all samples of an interactive method have them
        batch["cues"] = torch.stack([sample["cues"] for sample in samples])
        batch["clicks"] = torch.stack([sample["clicks"] for sample in samples])
    if "own_turns" in samples[0]:
        batch["own_turns"] = torch.stack([sample["own_turns"] for sample in samples])
        batch["own_seed"] = torch.stack([sample["own_seed"] for sample in samples])
        batch["placed"] = [placed for sample in samples for placed in sample["placed"]]
        batch["spacing_mm"] = [spacing for sample in samples for spacing in sample["spacing_mm"]]
    return batch


def one_case(case: EvaluationBatch) -> EvaluationBatch:
    """Return a case unchanged; torch's default conversion would turn tuples into lists."""
    return case
