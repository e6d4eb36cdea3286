"""What is to be done in the page, and where a store keeps what is in work."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from lesslabel.annotating.leases import LEASE_S
from lesslabel.data.case import IGNORE, Kind
from lesslabel.errors import ConfigError

FOLDER = "annotating"
"""Where a store keeps what is in work: journals, leases and learned weights, a folder for each annotation."""


@dataclass(frozen=True)
class Task:
    """What is to be done.

    Attributes:
        annotation: name of the annotation to make.
        kind: dense, or scribble.
        second_reading: whether every author annotates every case, as ``NAME/author``; else each case is annotated once.
        queue: the queue; None takes all cases of the store.
        lease_s: how long a case stays with an author who says nothing.
        learn: steps by which the model is fine-tuned whenever a case was finished; 0 for none.

    Raises:
        ConfigError: if the name or kind will not do.
    """

    annotation: str
    kind: Kind = Kind.DENSE
    second_reading: bool = False
    queue: Path | None = None
    lease_s: float = LEASE_S
    learn: int = 0

    def __post_init__(self) -> None:
        if (
            not self.annotation.strip()
            or not self.annotation.isprintable()
            or not {"|", "/", "@"}.isdisjoint(self.annotation)
            or self.annotation in (".", "..")
        ):
            raise ConfigError(f"--annotation {self.annotation!r}: give a printable name without | / @")
        if self.kind not in (Kind.DENSE, Kind.SCRIBBLE):
            raise ConfigError(f"--kind {self.kind.name.lower()}: say dense or scribble")
        if self.learn < 0:
            raise ConfigError(f"--learn {self.learn}: give the number of steps, or 0 for none")
        if self.learn and self.second_reading:
            raise ConfigError("--learn: a model taught by one reader would sway the other; leave --second-reading out")

    def name_for(self, author: str) -> str:
        """The name under which an author's work enters the store."""
        return f"{self.annotation}/{author}" if self.second_reading else self.annotation

    @property
    def erased(self) -> int:
        """The value of what nobody marked while drawing."""
        return IGNORE if self.kind is Kind.SCRIBBLE else 0


def work_folder(store: Path, annotation: str) -> Path:
    """The folder of what is in work under the name of an annotation."""
    return store / FOLDER / quote(annotation, safe=" ")
