"""Add clicks at the error of the network to training samples, inside the training step."""

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
    """Add own clicks: the network predicts, a robot corrects, and the cues are computed again.

    The loader sampled the number of such turns of each sample. The network predicts in evaluation mode and without
    gradient, so its statistics and torch's random state do not change; robots use a generator of the sample.

    Args:
        method: the method, with its encoding and `own_robot`.
        batch: samples of `TrainingObjects`; returned unchanged if none has such turns.

    Returns:
        A batch with new ``cues`` and ``clicks``; everything else is unchanged.
    """
    if "own_turns" not in batch:
        return batch
    turns, placed = batch["own_turns"].tolist(), list(batch["placed"])
    generators = [np.random.default_rng(seed) for seed in batch["own_seed"].tolist()]
    corrected = batch.copy()
    corrected["cues"], corrected["clicks"] = batch["cues"].clone(), batch["clicks"].clone()
    for turn in range(max(turns)):
        with evaluating(method):
            probability, memory = (each.float() for each in method.object_answer(corrected))
        for slot in (slot for slot, wanted in enumerate(turns) if turn < wanted):
            target = batch["target"][slot].cpu().numpy()
            seen = (probability[slot].cpu().numpy() > 0.5) & (target != IGNORE)
            spacing_mm = batch["spacing_mm"][slot]
            prompts = method.own_robot.annotate(target == 1, generators[slot], prediction=seen, spacing_mm=spacing_mm)
            placed[slot] = placed[slot].extended(prompts)
            image, before = batch["image"][slot].cpu().float(), memory[slot : slot + 1].cpu()
            _put(corrected["cues"], slot, method.encoding.draw(image, placed[slot], spacing_mm, before))
            _put(corrected["clicks"], slot, clicks_of(placed[slot]))
    return corrected


def _put(values: Tensor, slot: int, value: Tensor) -> None:
    values[slot] = value.to(values.device)
