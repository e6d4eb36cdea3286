"""No method mixes devices. A GPU is stood in for by torch's device without data, as far as a method reads no values."""

import pytest
import torch
from batches import batch_of
from test_methods_contract import MIXED, ROWS, Row, both_dimensions, make

from lesslabel.data.batch import Batch

READS_VALUES = ("item() cannot be called on meta", "Cannot copy out of meta", "torch.nonzero()", "aten::nonzero")
"""What torch says where a method decides by values; a device without data has none, and the test ends there."""


def on_device(batch: Batch, device: str) -> Batch:
    moved = {key: value.to(device) if isinstance(value, torch.Tensor) else value for key, value in batch.items()}
    return Batch(**moved)  # type: ignore[typeddict-item]


def trains_to_the_end(row: Row, dimensions: int) -> bool:
    """Whether a step needs no value; a step that fails for another reason raises."""
    method = make(row, dimensions).train().to("meta")
    try:
        terms = method.losses(on_device(batch_of(MIXED, dimensions), "meta"))
        sum(terms.values()).backward()
    except (RuntimeError, NotImplementedError) as error:
        if any(text in str(error) for text in READS_VALUES):
            return False
        raise
    return all(term.device.type == "meta" for term in terms.values())


@both_dimensions
def test_a_step_stays_on_the_device_of_the_batch(dimensions: int) -> None:
    finished = [row.name for row in ROWS if trains_to_the_end(row, dimensions)]
    assert len(finished) > len(ROWS) / 3


def test_the_device_without_data_tells_a_mix() -> None:
    there, here = torch.ones(3, device="meta"), torch.ones(3)
    for mixed in (torch.add, torch.maximum, lambda a, b: torch.where(a > 0, a, b)):
        with pytest.raises(RuntimeError, match="device"):
            mixed(there, here)
