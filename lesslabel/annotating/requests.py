"""The bodies of the requests that the page sends: checked by their types before anything is done with them."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from lesslabel.annotating.note import Note

_LONGEST_ID = 64
_MOST_SLICES = 20_000
_Slice = Annotated[tuple[int, int], Field(strict=False)]  # JSON knows lists alone


class Body(BaseModel):
    """What every message says.

    Attributes:
        tab: which tab of the browser sends it.
        id: of the message, new for each; what is sent again after a lost answer keeps it.
        seen: slices that were looked at since the last message, as (axis, index).
        active_s: seconds of work since the last message.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    tab: str = Field(min_length=1, max_length=_LONGEST_ID, pattern=r"^[\w\-]+$")
    id: str = Field(min_length=1, max_length=_LONGEST_ID, pattern=r"^[\w\-]+$")
    seen: list[_Slice] = Field(default=[], max_length=_MOST_SLICES)
    active_s: float = Field(default=0.0, ge=0, le=3600, allow_inf_nan=False)

    def note(self, shape: tuple[int, ...]) -> Note:
        """What is kept of it; slices that the case does not have are left out."""
        seen = {(axis, index) for axis, index in self.seen if 0 <= axis < 3 and 0 <= index < shape[axis]}
        return Note(self.id, tuple(sorted(seen)), round(self.active_s, 2))


class OpenBody(Body):
    """Put a case in front of me; ``take_over`` also if another tab has it."""

    take_over: bool = False


class TurnBody(Body):
    """A turn: `lesslabel.annotating.turns` says what it may hold."""

    turn: dict[str, Any]


class NumberBody(Body):
    """Which turn is taken back or given again."""

    number: int = Field(ge=1, le=1_000_000)


class FinishBody(Body):
    """The case is done; ``nothing_to_mark`` says that slices without label were meant."""

    nothing_to_mark: bool = False


class SkipBody(Body):
    """The case is left out."""

    reason: str = Field(min_length=1, max_length=200)
