"""Training cases that stay on the training device, so that no sample is copied there step by step."""

from pathlib import Path

import pytorch_lightning as pl
import torch

from lesslabel.errors import ConfigError

_GIB = 1024**3
_MEMORY = Path("/proc/meminfo")
"""Where Linux says how much main memory is available."""


def device_of(trainer: pl.Trainer | None) -> torch.device:
    """The device of this process of the training; the processor without a trainer."""
    return torch.device("cpu") if trainer is None else trainer.strategy.root_device


def require_room(device: torch.device, needed_bytes: int, *, interactive: bool, processes: int = 1) -> None:
    """Check that the training cases can stay on a device.

    Args:
        device: that trains.
        needed_bytes: the size of the cases.
        interactive: whether the method makes prompts from each sample.
        processes: on this machine, each with its own copy; they share the main memory.

    Raises:
        ConfigError: if the method is interactive, or the device has not as much free memory.
    """
    if interactive:
        raise ConfigError("data.resident: an interactive method makes its prompts in main memory; set it to false")
    needed_bytes *= processes if device.type == "cpu" else 1
    free_bytes = _free_bytes(device)
    if free_bytes is not None and needed_bytes > free_bytes:
        needed, free = (f"{size / _GIB:.1f} GiB" for size in (needed_bytes, free_bytes))
        raise ConfigError(f"data.resident: the training cases need {needed}, {device} has {free} free; set it to false")


def _free_bytes(device: torch.device) -> int | None:
    """The free memory of a GPU, the available main memory of a processor; None where nobody says."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = _MEMORY.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    kib = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    return None if kib is None or device.type != "cpu" else 1024 * int(kib)


def describe_residence(needed_bytes: int) -> str:
    """The memory of resident cases, in words: of image and labels, not of weights and derived maps."""
    return f"cases stay on the training device, {needed_bytes / _GIB:.2f} GiB of images and labels in each process"
