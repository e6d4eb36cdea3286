"""Training cases that stay on the training device, so that no sample is copied there step by step."""

import pytorch_lightning as pl
import torch

from lesslabel.errors import ConfigError

_GIB = 1024**3


def device_of(trainer: pl.Trainer | None) -> torch.device:
    """The device of this process of the training; the processor without a trainer."""
    return torch.device("cpu") if trainer is None else trainer.strategy.root_device


def resident_device(trainer: pl.Trainer | None, needed_bytes: int, *, interactive: bool) -> torch.device:
    """Where the training cases stay.

    Args:
        trainer: of the training.
        needed_bytes: their size.
        interactive: whether the method makes prompts from each sample.

    Raises:
        ConfigError: if the method is interactive, or a GPU has not as much free memory.
    """
    if interactive:
        raise ConfigError("data.resident: an interactive method makes its prompts in main memory; set it to false")
    device = device_of(trainer)
    if device.type == "cuda" and needed_bytes > (free_bytes := torch.cuda.mem_get_info(device)[0]):
        needed, free = (f"{size / _GIB:.1f} GiB" for size in (needed_bytes, free_bytes))
        raise ConfigError(f"data.resident: the training cases need {needed}, {device} has {free} free; set it to false")
    return device


def describe_residence(needed_bytes: int) -> str:
    """The memory of resident cases, in words: of image and labels, not of derived maps."""
    return f"cases stay on the training device, {needed_bytes / _GIB:.2f} GiB"
