"""The start mask of an object of a session, and checks of the entries of a session log."""

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Self

import numpy as np

from lesslabel.errors import DataError
from lesslabel.interaction.prompts.seeds import Mask, Shape, check_shape


@dataclass(frozen=True)
class StartMask:
    """A mask that one object starts from: of another method, a prelabel of a queue, or of a person.

    Attributes:
        object: its name; the log holds it, so do not use names of patients.
        shape: of the image, ([z,] y, x) in voxels.
        runs: run lengths of the voxels in raster order, alternating outside and inside, outside first.
        seconds: time since the image was set; None if unknown. Comparisons ignore it.

    Raises:
        DataError: if a value is invalid, or the mask is empty.
    """

    object: str
    shape: Shape
    runs: tuple[int, ...]
    seconds: float | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        require_plain("object", self.object)
        require_seconds(self.object, self.seconds)
        lengths = (*self.shape, *self.runs)
        if any(isinstance(length, bool) or not isinstance(length, int) or length < 0 for length in lengths):
            raise DataError(f"object {self.object!r}: start: shape and runs are whole numbers of at least 0")
        check_shape(self.shape)
        if sum(self.runs) != math.prod(self.shape):
            raise DataError(
                f"object {self.object!r}: start: runs of {sum(self.runs)} voxels for an image of shape {self.shape}"
            )
        if not sum(self.runs[1::2]):
            raise DataError(f"object {self.object!r}: start: the mask is empty; leave it out to start from nothing")

    @classmethod
    def of_mask(cls, object: str, mask: Mask, seconds: float | None = None) -> Self:  # noqa: A002  its name everywhere
        """Encode a mask ([z,] y, x) bool by its run lengths."""
        flat = np.concatenate([[False], mask.reshape(-1), [False]])
        changes = np.flatnonzero(flat[1:] != flat[:-1]).tolist()
        ends = [0, *changes, mask.size] if not changes or changes[-1] != mask.size else [0, *changes]
        return cls(object, mask.shape, tuple(stop - start for start, stop in pairwise(ends)), seconds)

    @property
    def mask(self) -> Mask:
        """([z,] y, x) bool."""
        inside = np.arange(len(self.runs)) % 2 == 1
        return np.repeat(inside, self.runs).reshape(self.shape)

    def to_json(self) -> dict[str, Any]:
        """Write it as a JSON object."""
        start = {"shape": list(self.shape), "runs": list(self.runs)}
        return {"object": self.object, "start": start, "seconds": self.seconds}

    @classmethod
    def from_json(cls, content: Any) -> Self:
        """Read what `to_json` wrote.

        Raises:
            DataError: if it is something else.
        """
        require_fields("start", content, {"object", "start", "seconds"})
        start = content["start"]
        require_fields("start", start, {"shape", "runs"})
        for name in ("shape", "runs"):
            if not isinstance(start[name], list):
                raise DataError(f"start: {name}: {type(start[name]).__name__}; give a list")
        return cls(content["object"], tuple(start["shape"]), tuple(start["runs"]), content["seconds"])


def require_plain(what: str, text: object) -> None:
    """Raise an error for text that is empty, has several lines, or could be a path.

    Raises:
        DataError: if so.
    """
    if not isinstance(text, str) or not text.strip() or not text.isprintable() or not {"/", "\\"}.isdisjoint(text):
        raise DataError(f"{what}: {text!r}; give words on one line, without slashes")


def require_seconds(name: str, seconds: object) -> None:
    """Raise an error for a time that is not a finite number of at least 0; None is allowed.

    Raises:
        DataError: if so.
    """
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if seconds is not None and not (is_number and 0 <= seconds < math.inf):  # type: ignore[operator]  # a number
        raise DataError(f"object {name!r}: seconds {seconds!r}; give a number of at least 0, or none")


def require_fields(what: str, content: Any, wanted: set[str]) -> None:
    """Raise an error unless the content is a JSON object with exactly these fields.

    Raises:
        DataError: if so.
    """
    if not isinstance(content, dict) or set(content) != wanted:
        found = sorted(content) if isinstance(content, dict) else type(content).__name__
        raise DataError(f"{what}: {found}; give exactly {sorted(wanted)}")
