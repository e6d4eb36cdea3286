"""What the page tells beside what it asks for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Note:
    """What the page tells with everything that it sends.

    Attributes:
        id: of the message, chosen by the page, so that what is sent again is not done again.
        seen: slices that were looked at since the last message, as (axis, index).
        active_s: seconds of work since the last message.
    """

    id: str
    seen: tuple[tuple[int, int], ...] = ()
    active_s: float = 0.0
