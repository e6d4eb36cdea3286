"""Simulated turns of a session: a robot gives first prompts, the model segments, a robot corrects."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lesslabel.errors import DataError
from lesslabel.interaction.model import Phases
from lesslabel.interaction.prompts import Prompt, rasterise
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.robots import Robot
from lesslabel.interaction.session import InteractiveSession


@dataclass(frozen=True, eq=False)
class SimulatedTurn:
    """A simulated turn and its result.

    Attributes:
        prompts: the prompts of this turn.
        clicks: number in all turns so far, see `count_clicks`.
        mask: ([z,] y, x) bool, the object after this turn.
        seconds: time of the model for this turn, encoding included, for the first turn also the preparation of the
            image; without the time of the robot.
        phases: of that time; the preparation counts as encoder. None if the model cannot tell.
    """

    prompts: tuple[Prompt, ...]
    clicks: int
    mask: Mask
    seconds: float
    phases: Phases | None = None


def count_clicks(prompts: Sequence[Prompt]) -> int:
    """Count the clicks of prompts: one for each point, one for each scribble, two for each cut line.

    Interior margin points count one click per point, a box two, a polygon one per vertex, a cut line two (its ends), a
    scribble one, whatever its length and its number of strokes (`Prompt.clicks`).
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
    """Segment one object of the image of a session: first prompts, then one correction after the other.

    It ends if the robot has nothing to correct, or at the limit of clicks or turns. A turn is never split, so the last
    one may exceed the cap. Corrected voxels count as correct from then on, whatever the model predicts, so no voxel is
    clicked twice. For an object with a start mask (`InteractiveSession.start_from`) the first prompts are the first
    correction.

    Args:
        session: with its image; the turns are added to it.
        truth: ([z,] y, x) bool, the object, without unknown voxels.
        first: robot that gives the first prompts, or the prompts.
        robot: robot that corrects.
        rng: random number generator of the robots.
        object: its name in the session.
        cap: number of clicks at which corrections stop, first prompts included.
        turns: largest number of turns, first prompts included; None for no limit.
        known: ([z,] y, x) bool, voxels whose truth is known; only these are corrected. None means all.

    Yields:
        Each turn.

    Raises:
        DataError: if there are no first prompts, or the model cannot use them.
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
        if not given and not taken and not started:
            raise DataError("no first prompts: there is no object, or no drawn prompt; leave this object out")
        if not given:
            return
        since = time.perf_counter()
        answer = session.add(*given, object=object)
        preparation_s = 0.0 if taken else session.preparation_s
        mask, seconds = answer.mask, time.perf_counter() - since + preparation_s
        if taken or started:
            corrected |= _marked_voxels(given, truth.shape)
        clicks, taken = clicks + count_clicks(given), taken + 1
        yield SimulatedTurn(given, clicks, mask, seconds, _with_preparation(answer.phases, preparation_s))


def _with_preparation(phases: Phases | None, preparation_s: float) -> Phases | None:
    return phases and replace(phases, encoder_s=phases.encoder_s + preparation_s)


def _marked_voxels(prompts: Sequence[Prompt], shape: tuple[int, ...]) -> Mask:
    """Voxels that prompts mark."""
    seeds = rasterise(prompts, shape)
    return np.asarray(seeds.foreground | seeds.background | seeds.boundary)
