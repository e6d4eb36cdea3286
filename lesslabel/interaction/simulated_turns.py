"""The loop of a click protocol: a robot points at an object in a session, the model answers, a robot corrects."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lesslabel.errors import DataError
from lesslabel.interaction.prompts import Prompt, rasterise
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.robots import Robot
from lesslabel.interaction.session import InteractiveSession


@dataclass(frozen=True, eq=False)
class SimulatedTurn:
    """A turn of a protocol, and what it came to.

    Attributes:
        prompts: given in this turn.
        clicks: of all turns so far, see `count_clicks`.
        mask: ([z,] y, x) bool, the object after this turn.
        seconds: that the model took for it, encoding included, for the first turn that of the image as well; of the
            robot's own time nothing.
    """

    prompts: tuple[Prompt, ...]
    clicks: int
    mask: Mask
    seconds: float


def count_clicks(prompts: Sequence[Prompt]) -> int:
    """How many clicks prompts cost: every point is one, and everything that is drawn in one go, a line, is one.

    Interior margin points are as many clicks as points; a box is two, a polygon as many as it has vertices; a scribble
    or a cut line is one, whatever its length and its number of strokes (`Prompt.clicks`).
    """
    return sum(prompt.clicks for prompt in prompts)


def simulate_turns(
    session: InteractiveSession,
    truth: Mask,
    first: Robot | Sequence[Prompt],
    robot: Robot,
    rng: np.random.Generator,
    *,
    object: str = "1",  # noqa: A002  what it is called wherever it is named
    cap: int = 20,
    turns: int | None = None,
    known: Mask | None = None,
) -> Iterator[SimulatedTurn]:
    """Segment one object of a session's image: first prompts, then corrections one after the other.

    It ends where the robot has nothing to correct, or the clicks or turns are used up. A turn is given whole: the last
    may end above the cap. What was corrected counts as right from then on, whatever the model makes of it, so that no
    voxel is clicked twice. Of an object that the session started from a mask (`InteractiveSession.start_from`) the
    first prompts are the first correction.

    Args:
        session: with its image; the turns are added to it.
        truth: ([z,] y, x) bool, the object; what is unknown is not in it.
        first: who gives the first prompts, or the prompts themselves.
        robot: who corrects.
        rng: where the robots' randomness comes from.
        object: its name in the session.
        cap: clicks from which on nothing more is corrected, those of the first prompts included.
        turns: the most turns, that of the first prompts included; None for no limit.
        known: ([z,] y, x) bool, voxels whose truth is known; nothing else is corrected. None knows all.

    Yields:
        The turns as they are taken.

    Raises:
        DataError: if there are no first prompts, or the model refuses what it was given.
    """
    spacing_mm = session.image.spacing_mm
    started = object in session.objects
    mask = session.segmentation(object).mask if started else np.zeros_like(truth)
    corrected = np.zeros_like(truth)
    clicks, taken = 0, 0
    while not taken or (clicks < cap and (turns is None or taken < turns)):
        seen = np.where(corrected, truth, mask)
        if known is not None:
            seen &= known
        prediction = seen if taken or started else None
        asked = first if not taken else robot
        given = (
            asked.annotate(truth, rng, prediction=prediction, spacing_mm=spacing_mm)
            if isinstance(asked, Robot)
            else tuple(asked)
        )
        if not given and not taken:
            raise DataError("no first prompts: the robot sees no object, or nobody drew it; leave this object out")
        if not given:
            return
        since = time.perf_counter()
        mask = session.add(*given, object=object).mask
        seconds = time.perf_counter() - since + (0.0 if taken else session.preparation_s)
        if taken or started:
            corrected |= _marked_voxels(given, truth.shape)
        clicks, taken = clicks + count_clicks(given), taken + 1
        yield SimulatedTurn(given, clicks, mask, seconds)


def _marked_voxels(prompts: Sequence[Prompt], shape: tuple[int, ...]) -> Mask:
    """Voxels of which prompts say something."""
    seeds = rasterise(prompts, shape)
    return np.asarray(seeds.foreground | seeds.background | seeds.boundary)
