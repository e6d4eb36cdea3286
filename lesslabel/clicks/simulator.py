"""Simulates a click protocol object by object, with robots and a model, and scores every turn."""

import bisect
import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lesslabel.clicks.folder import WorstObject, prompts_line
from lesslabel.clicks.object_scores import object_scores
from lesslabel.clicks.objects import WHOLE_CASE, ClickObject
from lesslabel.errors import ConfigError, LesslabelError
from lesslabel.interaction.model import InteractiveModel
from lesslabel.interaction.prompts import Prompt
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.robots import ROBOTS, Robot
from lesslabel.interaction.session import InteractiveSession
from lesslabel.interaction.simulated_turns import SimulatedTurn, simulate_turns

PICTURED = 6
"""Number of the worst objects that are kept as pictures."""
CORRECTING = tuple(name for name, robot in ROBOTS.items() if robot.corrects)
"""Robots that correct the current segmentation."""
_ANNOTATION = "annotation:"


@dataclass(frozen=True)
class ClickProtocol:
    """The rules of the clicks.

    Attributes:
        first: source of the first prompts: ``robot`` for the method's robot, ``annotation:NAME`` for the strokes of an
            annotation of the store.
        robot: the robot that corrects, one of `CORRECTING`.
        cap: the largest number of clicks, first prompts included.
        turns: the largest number of turns, first prompts included; None for no limit.
        jitter_voxel: random error of both robots' clicks; None: the first robot keeps its own, the other has none.
        seed: of the robots.
        min_voxels: objects smaller than this, on the network's grid, are left out.
        slices: the largest number of slices per case and class, evenly spaced; None takes all.

    Raises:
        ConfigError: if a value is out of range.
    """

    first: str = "robot"
    robot: str = "error-centre"
    cap: int = 20
    turns: int | None = None
    jitter_voxel: float | None = None
    seed: int = 0
    min_voxels: int = 20
    slices: int | None = None

    def __post_init__(self) -> None:
        if self.first != "robot" and not self.annotation:
            raise ConfigError(f"--first {self.first}: say robot, or annotation:NAME")
        if self.robot not in CORRECTING:
            raise ConfigError(f"--robot {self.robot}: choose one of {', '.join(CORRECTING)}")
        least = {"cap": 1, "turns": 1, "min_voxels": 1, "slices": 1, "seed": 0}
        for name, smallest in least.items():
            value = getattr(self, name)
            if value is not None and value < smallest:
                raise ConfigError(f"--{name.replace('_', '-')} {value}: give at least {smallest}")

    @property
    def annotation(self) -> str | None:
        """The annotation whose strokes are the first prompts; None for the robot's prompts, empty for neither."""
        if self.first == "robot":
            return None
        return self.first.removeprefix(_ANNOTATION) if self.first.startswith(_ANNOTATION) else ""

    def correcting_robot(self) -> Robot:
        """Make the robot that corrects."""
        return ROBOTS[self.robot](jitter_voxel=self.jitter_voxel or 0.0)

    def pointing_robot(self, own: Robot) -> Robot:
        """The method's robot with the random error of this protocol."""
        if self.jitter_voxel is None:
            return own
        robot = copy.copy(own)
        robot.jitter_voxel = self.jitter_voxel
        return robot


class ClickSimulator:
    """Simulates object after object and keeps the results.

    Attributes:
        model: what segments.
        rows: of the objects so far, as `lesslabel.clicks.measures.CLICK_COLUMNS`.
        worst: the objects with the lowest Dice after their last turn, at most `PICTURED`, the worst first.
        without_prompts: the number of objects without a stroke.

    Args:
        model: what segments.
        pointing: the robot of the first prompts, unless the protocol takes those of an annotation.
        protocol: the rules of the clicks.
    """

    def __init__(self, model: InteractiveModel, pointing: Robot, protocol: ClickProtocol) -> None:
        self.protocol = protocol
        self.model = model
        self.pointing = protocol.pointing_robot(pointing)
        self.correcting = protocol.correcting_robot()
        self.rows: list[tuple[Any, ...]] = []
        self.worst: list[WorstObject] = []
        self.without_prompts = 0
        self._worst_dice: list[float] = []
        self._session = InteractiveSession(model)
        self._shown: tuple[str, int] | None = None
        self._warm = False

    def simulate(self, entry: ClickObject) -> str:
        """Simulate one object.

        Returns:
            Its line of `prompts.jsonl`; empty without a stroke on it.

        Raises:
            DataError: if the model refuses its input; names the object.
        """
        if self.protocol.annotation is not None and not entry.drawn:
            self.without_prompts += 1
            return ""
        try:
            if not self._warm:  # the time of an answer excludes what a first call loads and compiles
                list(self._turns(entry, turns=2))
                self._warm, self._shown = True, None
            return self._simulate(entry)
        except LesslabelError as error:
            raise type(error)(f"{entry.name}: {error}") from error

    def _simulate(self, entry: ClickObject) -> str:
        prompts, dice = [], 0.0
        first = last = np.zeros_like(entry.truth)
        self._score(entry, 0, SimulatedTurn((), 0, first, math.nan))
        for number, turn in enumerate(self._turns(entry, self.protocol.turns), start=1):
            dice = self._score(entry, number, turn)
            prompts.append(turn.prompts)
            first, last = turn.mask if number == 1 else first, turn.mask
        self._keep(entry, first, last, dice)
        return prompts_line((entry.uid, entry.slice, entry.label), prompts)

    def _score(self, entry: ClickObject, number: int, turn: SimulatedTurn) -> float:
        dice, assd_mm = object_scores(turn.mask & entry.known, entry.truth, entry.spacing_mm)
        names = entry.uid, entry.patient, entry.slice, entry.label
        self.rows.append((*names, number, turn.clicks, dice, assd_mm, turn.seconds))
        return dice

    def _turns(self, entry: ClickObject, turns: int | None) -> Iterator[SimulatedTurn]:
        if self._shown != (entry.uid, entry.slice):  # the model prepares an image once for all of its objects
            self._session.set_image(entry.image, entry.spacing_mm)
            self._shown = entry.uid, entry.slice
        self._session.reset()
        first: Robot | Sequence[Prompt] = self.pointing if self.protocol.annotation is None else entry.drawn
        return simulate_turns(
            self._session,
            entry.truth,
            first,
            self.correcting,
            entry.generator(self.protocol.seed),
            cap=self.protocol.cap,
            turns=turns,
            known=entry.known,
        )

    def _keep(self, entry: ClickObject, first: Mask, last: Mask, dice: float) -> None:
        """Keep the object if it is among the worst; of equal ones the first is kept."""
        place = bisect.bisect_right(self._worst_dice, dice)
        if place < PICTURED:
            self._worst_dice = [*self._worst_dice[:place], dice, *self._worst_dice[place:]][:PICTURED]
            self.worst = [*self.worst[:place], _picture(entry, first, last), *self.worst[place:]][:PICTURED]


def _picture(entry: ClickObject, first: Mask, last: Mask) -> WorstObject:
    """The object's slice; of a volume the one with the most wrong voxels at the end."""
    z = entry.slice
    where: tuple[int, ...] = ()
    if z == WHOLE_CASE:
        z = int(((last & entry.known) != entry.truth).sum(axis=(1, 2)).argmax())
        where = (z,)
    y_mm, x_mm = entry.spacing_mm[-2:]
    known = entry.known[where]
    return WorstObject(
        key=(entry.uid, entry.slice, entry.label),
        z=z,
        spacing_mm=(y_mm, x_mm),
        image=entry.image[(0, *where)].copy(),
        truth=entry.truth[where].copy(),
        first=first[where] & known,
        last=last[where] & known,
    )
