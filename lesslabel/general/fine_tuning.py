"""A few steps of the general clicker on what was just drawn, so that it knows the next case better."""

from collections.abc import Sequence

import numpy as np
import torch

from lesslabel.errors import DataError, NonFiniteLossError
from lesslabel.general.pictures import Picture
from lesslabel.general.tasks import Tasks
from lesslabel.general.turns import TaskInTurns, losses_in_turns
from lesslabel.methods.interactive.general_clicker import GeneralClicker

BATCH_SIZE = 4
SIZE = 96
"""Side of the tasks' grid, as in the last part of the training of the package's weights."""
LEARNING_RATE = 3e-4
"""At the first step; it falls to 0 in a straight line."""
_MOST_TURNS = 3
_LARGEST_GRADIENT = 5.0


def fine_tune(method: GeneralClicker, pictures: Sequence[Picture], *, steps: int, seed: int) -> None:
    """Train on the labels of pictures, in turns of prompts as the training from the start does (`Training`).

    Every step is one turn of a batch of tasks: one label, or a part of it, in a window of a picture that is turned,
    mirrored and stretched; intensities stay as they are. Adam begins anew.

    Args:
        method: changed in place; in evaluation mode afterwards.
        pictures: what was drawn.
        steps: number of updates of the weights.
        seed: of the tasks and prompts.

    Raises:
        DataError: if no picture has a label.
        NonFiniteLossError: if the loss is not finite; the weights are of no use then.
    """
    drawn = [picture for picture in pictures if picture.classes]
    if not drawn:
        raise DataError("nothing was drawn to learn from; draw labels of 40 voxels on a slice")
    tasks = Tasks([drawn], (), (1.0, 0.0, 0.0, 0.0), as_drawn=True)
    optimiser = torch.optim.AdamW(method.parameters(), LEARNING_RATE, weight_decay=0.0)
    method.train()
    done = index = 0
    while done < steps:
        slots = []
        for place in range(BATCH_SIZE):
            rng = np.random.default_rng((seed, index, place))
            slots.append(TaskInTurns.begin(tasks.draw(SIZE, rng), method.encoding, rng))
        for losses in losses_in_turns(method, slots, min(1 + index % _MOST_TURNS, steps - done)):
            loss = sum(losses.values(), torch.zeros(()))
            if not torch.isfinite(loss):
                raise NonFiniteLossError(f"step {done + 1}: the loss is {loss.item()}; learn with fewer steps")
            optimiser.param_groups[0]["lr"] = LEARNING_RATE * (1 - done / steps)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(method.parameters(), _LARGEST_GRADIENT)
            optimiser.step()
            done += 1
        index += 1
    method.eval()
