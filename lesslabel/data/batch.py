"""What the data module hands to a method."""

from typing import Any, NotRequired, TypedDict

import torch
from torch import Tensor


class Batch(TypedDict):
    """One training batch. No method infers "labelled" from pixels: `kind` says it, slice by slice.

    A sample in 2D is one slice, in 3D it has D of them; a volume may hold dense, scribbled and unlabelled slices.
    Losses and the helpers of methods also take a 3D batch with one `kind` and one list of `annotated_labels` for each
    sample: they count in all its slices.

    Attributes:
        image: (B, C, [D], H, W) float32.
        target: (B, [D], H, W) int64 class indices, `IGNORE` (255) where unknown; all unknown for an unlabelled slice.
        kind: (B, [D]) int64, values of `lesslabel.data.case.Kind`; `Kind.NONE` for what lies beyond a volume.
        annotated_labels: (B, C, [D]) bool over classes, False where nobody annotated the class in that slice.
        uid: case of each sample.
        weight: optional (B, [D], H, W) float32 confidence of the target.
        derived: optional (B, K, [D], H, W) float32, maps that the method derives from dense labels (its `recipe`);
            they mean nothing where the target is unknown.
        cues: optional (B, K, [D], H, W) float32, what an annotator's prompts were turned into; the input of an
            interactive method, never a target.
        clicks: optional (B, [D], H, W) uint8, 1 where an annotator marked the object, 0 where they marked background,
            `IGNORE` elsewhere; goes with `cues`.
        own_turns: optional (B,) int64, how many turns of prompts the network's own error adds to each sample.
        own_seed: (B,) int64, what those are drawn from; goes with `own_turns`, as do the next two.
        placed: of each sample what was said of the object, on its grid (`lesslabel.interaction.placed`).
        spacing_mm: of each sample the voxel size of its grid.
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
        annotated_labels: (C,) bool, False where the reference does not speak of the class; goes with `reference`.
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
    """Stack samples of one; where a sample of the batch has none, a weight is 1 and derived maps are 0."""
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
    if "cues" in samples[0]:  # an interactive method's samples all have them
        batch["cues"] = torch.stack([sample["cues"] for sample in samples])
        batch["clicks"] = torch.stack([sample["clicks"] for sample in samples])
    if "own_turns" in samples[0]:
        batch["own_turns"] = torch.stack([sample["own_turns"] for sample in samples])
        batch["own_seed"] = torch.stack([sample["own_seed"] for sample in samples])
        batch["placed"] = [placed for sample in samples for placed in sample["placed"]]
        batch["spacing_mm"] = [spacing for sample in samples for spacing in sample["spacing_mm"]]
    return batch


def one_case(case: EvaluationBatch) -> EvaluationBatch:
    """Hand a case on as it is, where torch's own conversion would turn tuples into lists."""
    return case
