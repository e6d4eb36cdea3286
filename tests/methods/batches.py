"""Small batches for the methods' tests."""

import torch
from torch import Tensor

from lesslabel.data.batch import Batch, EvaluationBatch
from lesslabel.data.case import IGNORE, Kind

CLASSES = 3


def sample_targets(dimensions: int, size: int = 16) -> tuple[Tensor, Tensor, Tensor]:
    """A dense, a scribbled and an unknown target of the same object."""
    shape = (size,) * 2 if dimensions == 2 else (4, size, size)
    dense = torch.zeros(shape, dtype=torch.long)
    dense[..., 3:9, 3:9] = 1
    dense[..., 8:13, 8:14] = 2
    scribble = torch.full(shape, IGNORE)
    for line in (1, 5, 10):
        scribble[..., line, 4:12] = dense[..., line, 4:12]
    return dense, scribble, torch.full(shape, IGNORE)


def batch_of(kinds: list[Kind], dimensions: int = 2, seed: int = 0) -> Batch:
    """A batch with one sample of each given kind; a sample's image depends on its place only."""
    dense, scribble, unknown = sample_targets(dimensions)
    by_kind = {Kind.DENSE: dense, Kind.SCRIBBLE: scribble, Kind.NONE: unknown}
    generator = torch.Generator().manual_seed(seed)
    images = [torch.randn((1, *dense.shape), generator=generator) + dense for _ in kinds]
    return Batch(
        image=torch.stack(images),
        target=torch.stack([by_kind[kind] for kind in kinds]),
        kind=torch.tensor([int(kind) for kind in kinds]),
        annotated_labels=torch.ones(len(kinds), CLASSES, dtype=torch.bool),
        uid=[f"case{index}" for index in range(len(kinds))],
    )


def volumes_of(kinds: list[list[Kind]], seed: int = 0) -> Batch:
    """A 3D batch whose slices have the given kinds, four for each volume."""
    dense, scribble, unknown = sample_targets(3)
    by_kind = {Kind.DENSE: dense, Kind.SCRIBBLE: scribble, Kind.NONE: unknown}
    batch = batch_of([Kind.DENSE] * len(kinds), 3, seed)
    kind = torch.tensor([[int(one) for one in volume] for volume in kinds])
    target = torch.stack([torch.stack([by_kind[one][z] for z, one in enumerate(volume)]) for volume in kinds])
    annotated = torch.ones(len(kinds), CLASSES, kind.shape[1], dtype=torch.bool)
    return batch | Batch(target=target, kind=kind, annotated_labels=annotated)  # type: ignore[typeddict-item]


def slice_by_slice(batch: Batch) -> Batch:
    """What a 3D batch says of its samples, said of each of their slices."""
    depth = batch["target"].shape[1]
    return batch | Batch(  # type: ignore[typeddict-item]
        kind=batch["kind"][:, None].repeat(1, depth),
        annotated_labels=batch["annotated_labels"][:, :, None].repeat(1, 1, depth),
    )


def as_slices(batch: Batch) -> Batch:
    """The 2D batch of the slices of a 3D one."""
    return Batch(
        image=batch["image"].transpose(1, 2).flatten(0, 1),
        target=batch["target"].flatten(0, 1),
        kind=batch["kind"].flatten(),
        annotated_labels=batch["annotated_labels"].transpose(1, 2).flatten(0, 1),
        uid=[uid for uid in batch["uid"] for _ in range(batch["target"].shape[1])],
    )


def answer_voxel_by_voxel(method: torch.nn.Module) -> None:
    """Let every network of a method answer from the image's own voxel alone, so that slices know nothing of others."""

    def answer(_: torch.nn.Module, inputs: tuple[Tensor, ...], output: Tensor | tuple[Tensor, ...]) -> object:
        if isinstance(output, Tensor) and output.ndim == 1:
            return output  # the score of a discriminator for each sample

        def logits(one: Tensor, slope: float) -> Tensor:
            channels = torch.arange(1, one.shape[1] + 1).view(1, -1, *(1,) * (one.ndim - 2))
            return 3 * torch.sin(slope * channels * inputs[0][:, :1])

        if isinstance(output, tuple):
            slopes = (1.0, 0.6, 0.45, 0.35)[: len(output)]
            return tuple(logits(one, slope) for one, slope in zip(output, slopes, strict=True))
        return logits(output, 1.0)

    for network in method.children():
        network.register_forward_hook(answer)


def evaluation_batch() -> EvaluationBatch:
    """A case whose network grid (16×16 slices) is smaller than its native grid."""
    generator = torch.Generator().manual_seed(1)
    return EvaluationBatch(
        image=torch.randn((1, 1, 4, 16, 16), generator=generator),
        uid="case",
        patient="patient",
        native_shape=(4, 21, 19),
        spacing_mm=(5.0, 1.0, 1.0),
        reference=torch.zeros((4, 21, 19), dtype=torch.uint8),
    )
