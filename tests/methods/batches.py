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
