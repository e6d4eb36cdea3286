"""The loop of a click protocol: somebody points at an object, a model answers, a robot points at the worst error."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError
from lesslabel.interaction.model import InteractiveModel, look_at
from lesslabel.interaction.prompts import CutLine, Prompt, Scribble, rasterise
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.robots import Robot


@dataclass(frozen=True, eq=False)
class Turn:
    """What was given at once, and what the model made of it.

    Attributes:
        prompts: given in this turn.
        clicks: of all turns so far, see `count_clicks`.
        mask: ([z,] y, x) bool, the object after this turn.
        seconds: that the model took for it, encoding included, for the first turn that of the image; of the robot's
            own time nothing.
    """

    prompts: tuple[Prompt, ...]
    clicks: int
    mask: Mask
    seconds: float


def count_clicks(prompts: Sequence[Prompt]) -> int:
    """How many clicks prompts cost: every point is one, and everything that is drawn in one go, a line, is one.

    Interior margin points are as many clicks as points; a box is two, a polygon as many as it has vertices; a scribble
    or a cut line is one, whatever its length and its number of strokes.
    """
    return sum(1 if isinstance(prompt, Scribble | CutLine) else len(prompt.points) for prompt in prompts)


def take_turns(
    model: InteractiveModel,
    image: NDArray[np.float32],
    spacing_mm: Sequence[float],
    truth: Mask,
    first: Robot | Sequence[Prompt],
    robot: Robot,
    rng: np.random.Generator,
    *,
    cap: int = 20,
    turns: int | None = None,
    known: Mask | None = None,
) -> Iterator[Turn]:
    """Segment one object: first prompts, then corrections one after the other.

    It ends where the robot has nothing to correct, or the clicks or turns are used up. A turn is given whole: the last
    may end above the cap. What was corrected counts as right from then on, whatever the model makes of it, so that no
    voxel is clicked twice.

    Args:
        model: what segments.
        image: (C, [z,] y, x), as the model takes it.
        spacing_mm: voxel size ([z,] y, x) in mm.
        truth: ([z,] y, x) bool, the object; what is unknown is not in it.
        first: who gives the first prompts, or the prompts themselves.
        robot: who corrects.
        rng: where the robots' randomness comes from.
        cap: clicks from which on nothing more is corrected, those of the first prompts included.
        turns: the most turns, that of the first prompts included; None for no limit.
        known: ([z,] y, x) bool, voxels whose truth is known; nothing else is corrected. None knows all.

    Yields:
        The turns as they are taken.

    Raises:
        DataError: if there are no first prompts, or the model refuses what it was given.
    """
    given = first.annotate(truth, rng, spacing_mm=spacing_mm) if isinstance(first, Robot) else tuple(first)
    if not given:
        raise DataError("no first prompts: the robot sees no object, or nobody drew it; leave this object out")
    since = time.perf_counter()
    session = look_at(model, image, spacing_mm).begin(given)
    mask = session.segment().mask
    clicks, taken = count_clicks(given), 1
    yield Turn(given, clicks, mask, time.perf_counter() - since)
    corrections: list[Prompt] = []
    corrected = np.zeros_like(truth)
    while clicks < cap and (turns is None or taken < turns):
        seen = np.where(corrected, truth, mask)
        if known is not None:
            seen &= known
        given = robot.annotate(truth, rng, prediction=seen, spacing_mm=spacing_mm)
        if not given:
            return
        corrections += given
        corrected |= _spoken_of(given, truth.shape)
        since = time.perf_counter()
        mask = session.segment(corrections).mask
        seconds = time.perf_counter() - since
        clicks, taken = clicks + count_clicks(given), taken + 1
        yield Turn(given, clicks, mask, seconds)


def _spoken_of(prompts: Sequence[Prompt], shape: tuple[int, ...]) -> Mask:
    """Voxels of which prompts say something."""
    seeds = rasterise(prompts, shape)
    return np.asarray(seeds.foreground | seeds.background | seeds.boundary)
