"""No method mixes devices. A GPU is stood in for by torch's device without data, where no number is asked for."""

import pytest
import torch
import torch.fx.experimental._config as config
from batches import batch_of
from test_methods_contract import MIXED, ROWS, Row, both_dimensions, make

from lesslabel.data.batch import Batch
from lesslabel.data.loading.derived import derivation_of
from lesslabel.methods import SegmentationMethod

READS_VALUES = ("item() cannot be called on meta", "Cannot copy out of meta", "aten::bincount")
"""What torch says where a number is asked for; a device without data has none."""
ENDS_EARLY = {"cycle mix", "bcp pre-training", "bcp", "ss-net", "ad-mt", "cbmt"}
"""Methods that need a number out of the batch in the middle of a step: the cases of a mixture, the size of a class. All
others are seen to the end of it."""


@pytest.fixture(autouse=True)
def values_that_do_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a method decides by a value it does what there is to do, and all of a mask is chosen."""
    decide = torch.Tensor.__bool__
    monkeypatch.setattr(torch.Tensor, "__bool__", lambda self: self.device.type == "meta" or decide(self))
    monkeypatch.setattr(config, "meta_nonzero_assume_all_nonzero", True, raising=False)


def on_device(batch: Batch, device: str) -> Batch:
    moved = {key: value.to(device) if isinstance(value, torch.Tensor) else value for key, value in batch.items()}
    return Batch(**moved)  # type: ignore[typeddict-item]


def with_derived_maps(method: SegmentationMethod, batch: Batch) -> Batch:
    """The batch as the data module gives it to a method that has maps derived from labels."""
    if derivation_of(method) is None:
        return batch
    classes = torch.Size([batch["target"].shape[0], method.num_classes - 1])
    return Batch(**batch, derived=torch.zeros(classes + batch["target"].shape[1:]))  # type: ignore[typeddict-item]


def trains_to_the_end(row: Row, dimensions: int) -> bool:
    """Whether a step needs no number out of the batch; a step that fails for another reason raises."""
    method = make(row, dimensions).train().to("meta")
    try:
        terms = method.losses(on_device(with_derived_maps(method, batch_of(MIXED, dimensions)), "meta"))
        sum(terms.values()).backward()
    except (RuntimeError, NotImplementedError) as error:
        if any(text in str(error) for text in READS_VALUES):
            return False
        raise
    return all(term.device.type == "meta" for term in terms.values())


@both_dimensions
def test_a_step_stays_on_the_device_of_the_batch(dimensions: int) -> None:
    assert {row.name for row in ROWS if not trains_to_the_end(row, dimensions)} == ENDS_EARLY


def test_the_device_without_data_tells_a_mix() -> None:
    there, here = torch.ones(3, device="meta"), torch.ones(3)
    for mixed in (torch.add, torch.maximum, lambda a, b: torch.where(a > 0, a, b)):
        with pytest.raises(RuntimeError, match="device"):
            mixed(there, here)
