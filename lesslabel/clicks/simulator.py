"""Simulates a click protocol object by object, with robots and a model, and scores every turn."""

import bisect
import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from lesslabel.clicks.boundary_scores import BoundaryScores
from lesslabel.clicks.folder import WorstObject, prompts_line
from lesslabel.clicks.measures import BOUNDARY_COLUMN, CLICK_COLUMNS, PHASE_COLUMNS, THIN_COLUMNS
from lesslabel.clicks.object_scores import object_scores
from lesslabel.clicks.objects import WHOLE_CASE, ClickObject
from lesslabel.clicks.thin_scores import ThinScores
from lesslabel.errors import ConfigError, LesslabelError
from lesslabel.interaction.model import InteractiveModel
from lesslabel.interaction.prompts import Prompt
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.robots import ROBOTS, Robot, ThinParts
from lesslabel.interaction.session import InteractiveSession
from lesslabel.interaction.simulated_turns import SimulatedTurn, simulate_turns

PICTURED = 6
"""Number of the worst objects that are kept as pictures."""
CORRECTING = tuple(name for name, robot in ROBOTS.items() if robot.corrects)
"""Robots that correct the current segmentation."""
NOTHING, THIN_MISSING, PREDICTIONS = "nothing", "thin-parts-missing", "predictions"
POINTING = tuple(name for name, robot in ROBOTS.items() if not robot.corrects)
"""Robots that only locate the object."""
_ANNOTATION = "annotation:"


@dataclass(frozen=True)
class ClickProtocol:
    """The rules of the clicks.

    Attributes:
        first: source of the first prompts: ``robot`` for the method's robot, one of `POINTING` for another robot as in
            tests, ``annotation:NAME`` for the strokes of an annotation of the store.
        robot: the robot that corrects, one of `CORRECTING`.
        cap: the largest number of clicks, first prompts included.
        turns: the largest number of turns, first prompts included; None for no limit.
        jitter_voxel: random error of both robots' clicks; None: the first robot keeps its own, the other has none.
        seed: of the robots.
        min_voxels: objects smaller than this, on the network's grid, are left out.
        slices: the largest number of slices per case and class, evenly spaced; None takes all.
        start: what an object starts from: ``nothing``, ``thin-parts-missing`` for the object without its thin parts,
            ``annotation:NAME`` for the mask in an annotation of the store, ``predictions`` for those of another run.
        thin: what is thin, in the measures of thin parts and in a start without them; None measures none.

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
    start: str = NOTHING
    thin: ThinParts | None = None

    def __post_init__(self) -> None:
        if self.start not in (NOTHING, THIN_MISSING, PREDICTIONS) and not self.start_annotation:
            known = f"{NOTHING}, {THIN_MISSING}, annotation:NAME, or a folder that exists"
            raise ConfigError(f"--start {self.start}: say {known}")
        if self.annotation == "":
            raise ConfigError(f"--first {self.first}: say robot, annotation:NAME, or one of {', '.join(POINTING)}")
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
        if self.first in ("robot", *POINTING):
            return None
        return self.first.removeprefix(_ANNOTATION) if self.first.startswith(_ANNOTATION) else ""

    @property
    def start_annotation(self) -> str | None:
        """The annotation that start masks are taken from; None or empty without one."""
        return self.start.removeprefix(_ANNOTATION) if self.start.startswith(_ANNOTATION) else None

    def correcting_robot(self, own: Robot | None = None) -> Robot:
        """Make the robot that corrects; the method's robot, with its settings, if it is of that kind."""
        if own is None or own.name != self.robot:
            return ROBOTS[self.robot].steady(self.jitter_voxel or 0.0)
        robot = copy.copy(own)
        robot.jitter_voxel = self.jitter_voxel or 0.0
        return robot

    def pointing_robot(self, own: Robot) -> Robot:
        """The robot of the first prompts, with the random error of this protocol."""
        if self.first in POINTING:
            return ROBOTS[self.first].steady(self.jitter_voxel or 0.0)
        if self.jitter_voxel is None:
            return own
        robot = copy.copy(own)
        robot.jitter_voxel = self.jitter_voxel
        return robot


class ClickSimulator:
    """Simulates object after object and keeps the results.

    Attributes:
        model: what segments.
        columns: of the rows: `CLICK_COLUMNS`, `BOUNDARY_COLUMN`, `PHASE_COLUMNS`, and `THIN_COLUMNS` if the protocol
            measures thin parts.
        rows: of the objects so far.
        mask: after the last turn of the last object.
        worst: the objects with the lowest Dice after their last turn, at most `PICTURED`, the worst first.
        without_prompts: the number of objects without a stroke.
        without_start: the number of objects that have no start mask: those without a prediction start from nothing,
            those without an annotation or a thin part are skipped.

    Args:
        model: what segments.
        pointing: the robot of the first prompts, unless the protocol takes those of an annotation.
        protocol: the rules of the clicks.
    """

    def __init__(self, model: InteractiveModel, pointing: Robot, protocol: ClickProtocol) -> None:
        self.protocol = protocol
        self.model = model
        self.pointing = protocol.pointing_robot(pointing)
        self.correcting = protocol.correcting_robot(pointing)
        self.columns = (*CLICK_COLUMNS, BOUNDARY_COLUMN, *PHASE_COLUMNS, *(THIN_COLUMNS if protocol.thin else ()))
        self.rows: list[tuple[Any, ...]] = []
        self.mask: Mask | None = None
        self.worst: list[WorstObject] = []
        self.without_prompts = self.without_start = 0
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
        start = self._start_of(entry)
        if start is None or not start.any():
            self.without_start += 1
            if start is not None:
                return ""
        try:
            if not self._warm:  # the time of an answer excludes what a first call loads and compiles
                list(self._turns(entry, start, turns=2))
                self._warm, self._shown = True, None
            return self._simulate(entry, start)
        except LesslabelError as error:
            raise type(error)(f"{entry.name}: {error}") from error

    def _start_of(self, entry: ClickObject) -> Mask | None:
        """The start mask; None to start from nothing, empty if there is none for this object."""
        if self.protocol.start != THIN_MISSING:
            return entry.start
        thin = (self.protocol.thin or ThinParts()).of(entry.truth, entry.spacing_mm)
        return np.asarray(entry.truth & ~thin & thin.any())

    def _simulate(self, entry: ClickObject, start: Mask | None) -> str:
        prompts, dice = [], 0.0
        first = last = np.zeros_like(entry.truth) if start is None else start
        scores = _Scores(entry, self.protocol.thin)
        self.rows.append(scores.row(0, SimulatedTurn((), 0, first, math.nan)))
        for number, turn in enumerate(self._turns(entry, start, self.protocol.turns), start=1):
            row = scores.row(number, turn)
            self.rows.append(row)
            dice = row[self.columns.index("dice")]
            prompts.append(turn.prompts)
            first, last = turn.mask if number == 1 else first, turn.mask
        self._keep(entry, first, last, dice)
        self.mask = last
        return prompts_line((entry.uid, entry.slice, entry.label), prompts)

    def _turns(self, entry: ClickObject, start: Mask | None, turns: int | None) -> Iterator[SimulatedTurn]:
        if self._shown != (entry.uid, entry.slice):  # the model prepares an image once for all of its objects
            self._session.set_image(entry.image, entry.spacing_mm)
            self._shown = entry.uid, entry.slice
        self._session.reset()
        first: Robot | Sequence[Prompt] = self.pointing if self.protocol.annotation is None else entry.drawn
        if start is not None:
            self._session.start_from(start)
            first = first if self.pointing.corrects else self.correcting
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


class _Scores:
    """Scores every turn of one object."""

    def __init__(self, entry: ClickObject, thin: ThinParts | None) -> None:
        self.entry = entry
        self.boundary = BoundaryScores(entry.truth, entry.spacing_mm)
        self.thin = None if thin is None else ThinScores(entry.truth, thin, entry.spacing_mm)

    def row(self, number: int, turn: SimulatedTurn) -> tuple[Any, ...]:
        """The row of a turn, with the columns of the simulator."""
        entry, found = self.entry, turn.mask & self.entry.known
        names = entry.uid, entry.patient, entry.slice, entry.label
        overlap_and_distance = object_scores(found, entry.truth, entry.spacing_mm)
        phases = (math.nan,) * len(PHASE_COLUMNS) if turn.phases is None else astuple(turn.phases)
        of_thin = () if self.thin is None else self.thin.of(found)
        measured = *overlap_and_distance, turn.seconds, self.boundary.of(found), *phases, *of_thin
        return *names, number, turn.clicks, *measured


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
