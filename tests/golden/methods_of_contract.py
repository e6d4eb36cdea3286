"""The methods of the contract suites with fixed weights and samples."""

from collections.abc import Sequence

import numpy as np
import pytorch_lightning as pl
import torch
from batches import batch_of
from numpy.typing import NDArray
from test_interactive_contract import ROWS as INTERACTIVE
from test_interactive_contract import SPACING, image_of, prompts_of, sample_of
from test_interactive_contract import make as make_interactive
from test_methods_contract import MIXED
from test_methods_contract import ROWS as METHODS
from test_methods_contract import make as make_method
from torch.utils.data import DataLoader

from lesslabel.data.batch import Batch, collate
from lesslabel.interaction import Prompt
from lesslabel.methods import InteractiveMethod, SegmentationMethod

__all__ = ["INTERACTIVE", "METHODS"]


def method_of(row, dimensions: int) -> tuple[SegmentationMethod, Batch]:
    """A method and one batch of dense, scribbled and unlabelled samples."""
    return make_method(row, dimensions), batch_of(MIXED, dimensions)


def interactive_of(row, dimensions: int) -> tuple[InteractiveMethod, list[Batch]]:
    """An interactive method and three batches of objects that its robots point at."""
    method = make_interactive(row, dimensions)
    return method, [collate([sample_of(method, seed), sample_of(method, seed + 9)]) for seed in range(3)]


def object_of(
    row, dimensions: int
) -> tuple[InteractiveMethod, NDArray[np.float32], tuple[float, ...], tuple[Prompt, ...]]:
    """An interactive method, an image with its voxel size, and the first prompts."""
    method = make_interactive(row, dimensions)
    return method, image_of(dimensions), SPACING[dimensions], prompts_of(method)


def trained(method: SegmentationMethod, batches: Sequence[Batch]) -> dict[str, torch.Tensor]:
    """The weights after one step of training on each batch."""
    torch.manual_seed(0)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=len(batches),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(method, DataLoader(batches, batch_size=None))
    return dict(method.state_dict())
