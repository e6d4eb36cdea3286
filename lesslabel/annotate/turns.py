"""What a person does on a case, one step at a time: paint voxels, or give prompts to the model."""

from dataclasses import dataclass
from typing import Any

from lesslabel.annotate.wire import Runs
from lesslabel.errors import DataError
from lesslabel.interaction.prompts import Prompt, prompt_from_json
from lesslabel.interaction.session_start import require_fields

LARGEST_POINTS = 2000
"""Positions of one turn, at most: a stroke of a hand has a few hundred."""
TOOLS = ("brush", "eraser", "scribble", "fill", "polygon", "component")
"""What paints; each is counted as one stroke."""


@dataclass(frozen=True)
class Plane:
    """One slice of a case along any axis.

    Attributes:
        axis: 0, 1 or 2 of (z, y, x).
        index: of the slice, counted from 0.
    """

    axis: int
    index: int

    @property
    def cut(self) -> tuple[int | slice, ...]:
        """What cuts it out of an array (z, y, x)."""
        return tuple(self.index if axis == self.axis else slice(None) for axis in range(3))


@dataclass(frozen=True, eq=False)
class Paint:
    """Voxels that a tool gave one value.

    Attributes:
        tool: one of `TOOLS`.
        value: a label code, 0 for background or `IGNORE` for unknown.
        runs: the voxels.
    """

    tool: str
    value: int
    runs: Runs

    def to_json(self) -> dict[str, Any]:
        """Write it as a JSON object."""
        return {"type": "paint", "tool": self.tool, "value": self.value, "runs": self.runs.encode()}


@dataclass(frozen=True)
class Prompted:
    """Prompts for one label, which the model answers.

    Attributes:
        label: its code.
        prompts: at least one, in the axes of the model.
        plane: the slice they were given on, for a model of two dimensions; None for one of three.
    """

    label: int
    prompts: tuple[Prompt, ...]
    plane: Plane | None

    def to_json(self) -> dict[str, Any]:
        """Write it as a JSON object."""
        plane = None if self.plane is None else {"axis": self.plane.axis, "index": self.plane.index}
        prompts = [prompt.to_json() for prompt in self.prompts]
        return {"type": "prompts", "label": self.label, "plane": plane, "prompts": prompts}


Turn = Paint | Prompted


def turn_from_json(content: Any, shape: tuple[int, int, int], values: tuple[int, ...]) -> Turn:
    """Read a turn.

    Args:
        content: what `Paint.to_json` or `Prompted.to_json` wrote, or the page.
        shape: of the case.
        values: that may be painted: the codes, and what the eraser leaves.

    Raises:
        DataError: if it is something else, or does not fit the case.
    """
    kind = content.get("type") if isinstance(content, dict) else None
    if kind == "paint":
        return _paint(content, shape, values)
    if kind == "prompts":
        return _prompted(content, shape, values)
    raise DataError(f"turn: type {kind!r}; give 'paint' or 'prompts'")


def _paint(content: dict[str, Any], shape: tuple[int, int, int], values: tuple[int, ...]) -> Paint:
    require_fields("paint", content, {"type", "tool", "value", "runs"})
    if content["tool"] not in TOOLS:
        raise DataError(f"paint: tool {content['tool']!r}; give one of {', '.join(TOOLS)}")
    if not isinstance(content["runs"], str):
        raise DataError("paint: runs must be text; send gap and length in turn as LEB128 in base64")
    runs = Runs.decode(content["runs"], shape[0] * shape[1] * shape[2])
    if not len(runs.starts):
        raise DataError("paint: no voxel; paint at least one")
    return Paint(content["tool"], _known_value(content["value"], values), runs)


def _prompted(content: dict[str, Any], shape: tuple[int, int, int], values: tuple[int, ...]) -> Prompted:
    require_fields("prompts", content, {"type", "label", "plane", "prompts"})
    label = _known_value(content["label"], values)
    given = content["prompts"]
    if not isinstance(given, list) or not given:
        raise DataError("prompts: none; give a list of at least one")
    if len(given) > LARGEST_POINTS:
        raise DataError(f"prompts: {len(given)} in one turn; give at most {LARGEST_POINTS}")
    prompts = tuple(map(prompt_from_json, given))
    points = sum(len(prompt.points) for prompt in prompts)
    if points > LARGEST_POINTS:
        raise DataError(f"prompts: {points} positions in one turn; give at most {LARGEST_POINTS}")
    return Prompted(label, prompts, None if content["plane"] is None else _plane(content["plane"], shape))


def _plane(content: Any, shape: tuple[int, int, int]) -> Plane:
    require_fields("plane", content, {"axis", "index"})
    axis, index = content["axis"], content["index"]
    if not _is_whole(axis) or not _is_whole(index) or not 0 <= axis <= 2 or not 0 <= index < shape[axis]:
        raise DataError(f"plane: axis {axis!r}, index {index!r}; the case has (z, y, x) {shape}")
    return Plane(axis, index)


def _known_value(value: Any, values: tuple[int, ...]) -> int:
    if not _is_whole(value) or value not in values:
        raise DataError(f"label {value!r}: give one of {', '.join(map(str, values))}")
    return int(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
