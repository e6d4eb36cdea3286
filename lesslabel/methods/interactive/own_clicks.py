"""Further clicks of a training sample, drawn from the network's own error inside the step."""

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE
from lesslabel.interaction.encoding import clicks_of
from lesslabel.methods.interactive.prepared import evaluating

if TYPE_CHECKING:
    from lesslabel.methods.interactive.base import InteractiveMethod


def with_own_clicks(method: "InteractiveMethod", batch: Batch) -> Batch:
    """Let a network correct itself: it answers, a robot points at what is wrong, and the maps are drawn anew.

    Every sample has as many such turns as its loader drew. The network answers in evaluation mode and without gradient,
    so that its statistics and its random numbers stay as they are; robots draw from a generator of the sample's own.

    Args:
        method: the method, with its encoding and `own_robot`.
        batch: samples of `TrainingObjects`; returned as it is where none has turns of its own.

    Returns:
        A batch with other ``cues`` and ``clicks``; everything else is that of the given one.
    """
    if "own_turns" not in batch:
        return batch
    turns, placed = batch["own_turns"].tolist(), list(batch["placed"])
    generators = [np.random.default_rng(seed) for seed in batch["own_seed"].tolist()]
    corrected = batch.copy()
    corrected["cues"], corrected["clicks"] = batch["cues"].clone(), batch["clicks"].clone()
    for turn in range(max(turns)):
        with evaluating(method):
            probability = method.object_probability(corrected).float()
        for slot in (slot for slot, wanted in enumerate(turns) if turn < wanted):
            target = batch["target"][slot].cpu().numpy()
            seen = (probability[slot].cpu().numpy() > 0.5) & (target != IGNORE)
            spacing_mm = batch["spacing_mm"][slot]
            prompts = method.own_robot.annotate(target == 1, generators[slot], prediction=seen, spacing_mm=spacing_mm)
            placed[slot] = placed[slot].extended(prompts)
            image, before = batch["image"][slot].cpu().float(), probability[slot : slot + 1].cpu()
            _put(corrected["cues"], slot, method.encoding.draw(image, placed[slot], spacing_mm, before))
            _put(corrected["clicks"], slot, clicks_of(placed[slot]))
    return corrected


def _put(values: Tensor, slot: int, value: Tensor) -> None:
    values[slot] = value.to(values.device)
