"""The number type of training that is fastest on this machine, for ``trainer.precision: auto``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

AUTO = "auto"
NAME = "trainer.precision"
_PROCESSOR = Path("/proc/cpuinfo")
_BF16_UNITS = ("amx_bf16", "avx512_bf16")
"""The flags of processors that multiply numbers of bf16; others emulate it, many times slower than float32."""


@dataclass(frozen=True)
class Precision:
    """A precision of Lightning's trainer.

    Attributes:
        name: ``"bf16-mixed"`` or ``"32-true"``.
        reason: why, in a few words.
    """

    name: str
    reason: str


def choose_precision(accelerator: str, processor: Path = _PROCESSOR) -> Precision:
    """The fastest precision that keeps the range of float32: bf16 where there is a unit for it, else float32.

    Args:
        accelerator: ``trainer.accelerator``; ``"auto"`` is a GPU if there is one.
        processor: the file in which Linux lists what the processor can do; bf16 is not taken where there is none.
    """
    if accelerator not in ("auto", "cpu", "gpu", "cuda"):
        return Precision("32-true", f"of '{accelerator}' nothing is known")
    if accelerator != "cpu" and torch.cuda.is_available():
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Precision("bf16-mixed", "the GPU computes with bf16")
        return Precision("32-true", "the GPU has no bf16")
    flags = set(processor.read_text(encoding="ascii", errors="replace").split()) if processor.is_file() else set()
    for unit in _BF16_UNITS:
        if unit in flags:
            return Precision("bf16-mixed", f"the processor has {unit}")
    return Precision("32-true", f"the processor has no {' or '.join(_BF16_UNITS)}")


def precision_in(content: Mapping[str, Any]) -> str | None:
    """The precision that the content of a configuration file names; None if it names none."""
    trainer = content.get("trainer")
    stated = trainer.get("precision") if isinstance(trainer, Mapping) else None
    return None if stated is None else str(stated)


def without_precision(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a configuration file without its precision."""
    return {**content, "trainer": {key: value for key, value in content["trainer"].items() if key != "precision"}}
