"""The turns of a training task: prompts, the maps that the network sees of them, and starts from a flawed mask."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from lesslabel.data.case import IGNORE
from lesslabel.general.tasks import Task
from lesslabel.interaction.encoding import Encoding, unit_range
from lesslabel.interaction.placed import PlacedPrompts
from lesslabel.interaction.prompts import Seeds
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.robots.any_prompt import AnyPromptRobot
from lesslabel.methods.interactive.general_clicker import GeneralClicker, general_losses

START_SHARE = 0.1
"""Share of the tasks that start from a flawed mask."""
_CORRECTIONS = {"centre": 0.65, "anywhere": 0.27, "scribble": 0.08}


@dataclass(eq=False)
class TaskInTurns:
    """A task that is prompted turn by turn.

    Attributes:
        task: image and object.
        placed: the prompts so far.
        previous: (S, S) the last answer, or the flawed mask; None without either.
        rng: of its prompts.
        cues: (K, S, S) the maps for the next answer.
    """

    task: Task
    placed: PlacedPrompts
    previous: Tensor | None
    rng: np.random.Generator
    cues: Tensor

    @classmethod
    def begin(cls, task: Task, encoding: Encoding, rng: np.random.Generator) -> "TaskInTurns":
        """Give the first prompts, or those that correct a flawed mask."""
        size = task.target.shape
        placed = PlacedPrompts(Seeds.empty(size), {"region": np.zeros(size, np.bool_)})
        start = flawed(task.target == 1, rng) if rng.random() < START_SHARE else None
        previous = None if start is None else torch.from_numpy(start).float()
        task = Task(unit_range(task.image), task.target)
        turns = cls(task, placed, previous, rng, torch.empty(0))
        turns.prompt(encoding, start)
        return turns

    def prompt(self, encoding: Encoding, seen: Mask | None) -> None:
        """Give the prompts of a turn for what is segmented; without an error there are none."""
        robot = AnyPromptRobot(jitter_voxel=1.5) if seen is None else AnyPromptRobot(_CORRECTIONS, jitter_voxel=1.5)
        known = self.task.target != IGNORE
        given = robot.annotate(self.task.target == 1, self.rng, prediction=None if seen is None else seen & known)
        self.placed = self.placed.extended(given)
        before = None if self.previous is None else self.previous[None]
        self.cues = encoding.draw(self.task.image, self.placed, (1.0, 1.0), before)

    def answered(self, probability: Tensor, encoding: Encoding) -> None:
        """Take an answer (S, S), and correct it."""
        self.previous = probability
        self.prompt(encoding, probability.numpy() > 0.5)


def losses_in_turns(method: GeneralClicker, slots: Sequence[TaskInTurns], turns: int) -> Iterator[dict[str, Tensor]]:
    """Yield the losses of one turn after the other; between them the caller steps, then the answers are corrected."""
    image = torch.stack([slot.task.image for slot in slots])
    target = torch.from_numpy(np.stack([slot.task.target for slot in slots])).long()
    for turn in range(turns):
        logits = method.object_logits(image, torch.stack([slot.cues for slot in slots]))
        yield general_losses(logits, target)
        if turn + 1 < turns:
            probability = logits.detach().softmax(dim=1)[:, 1]
            for each, answer in zip(slots, probability, strict=True):
                each.answered(answer, method.encoding)


def flawed(truth: Mask, rng: np.random.Generator) -> Mask:
    """A mask as people and models leave it: grown, shrunken, shifted, with a blob too many or too few."""
    mask = truth
    steps = int(rng.integers(1, 5))
    change = rng.random()
    if change < 0.35:
        mask = ndimage.binary_dilation(mask, iterations=steps)
    elif change < 0.7:
        mask = ndimage.binary_erosion(mask, iterations=steps)
    mask = np.roll(mask, rng.integers(-3, 4, 2), (0, 1))
    y, x = np.ogrid[: truth.shape[0], : truth.shape[1]]
    for _ in range(int(rng.integers(0, 3))):
        places = np.argwhere(ndimage.binary_dilation(truth, iterations=3))
        cy, cx = places[int(rng.integers(len(places)))]
        blob = np.hypot(y - cy, x - cx) < rng.uniform(2, 0.12 * truth.shape[0])
        mask = mask | blob if rng.random() < 0.5 else mask & ~blob
    return np.asarray(mask if mask.any() else truth)
