"""What a person does on a case, one step at a time: paint voxels, give prompts to the model, edit a whole label."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lesslabel.annotating.wire import Runs
from lesslabel.errors import DataError
from lesslabel.interaction.prompts import Prompt, prompt_from_json
from lesslabel.interaction.session_start import require_fields

LARGEST_POINTS = 2000
"""Positions of one turn, at most: a stroke of a hand has a few hundred."""
TOOLS = ("brush", "eraser", "scribble", "fill", "polygon", "component")
"""What paints; each is counted as one stroke."""
EDITS = ("largest-component", "fill-between", "threshold", "choose")
"""What is done to a label as a whole."""
OF_THE_ANSWER = ("threshold", "choose")
"""Of these, what takes the model's last answer otherwise, so that its next one builds on that."""
_LONGEST_NAME = 64


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
        prompts = [prompt.to_json() for prompt in self.prompts]
        return {"type": "prompts", "label": self.label, "plane": plane_to_json(self.plane), "prompts": prompts}


@dataclass(frozen=True)
class Edit:
    """Something done to a label as a whole.

    Attributes:
        what: one of `EDITS`.
        label: its code.
        plane: for ``largest-component`` the slice in which it is kept; for ``fill-between`` any slice of those between
            which is filled; for ``threshold`` and ``choose`` the slice that the model answered on; None for the volume.
        value: of ``threshold``, the probability from which on a voxel belongs to the label; of ``choose``, the name of
            the answer that is taken in the place of the last one; else None.
    """

    what: str
    label: int
    plane: Plane | None
    value: float | str | None = None

    def to_json(self) -> dict[str, Any]:
        """Write it as a JSON object."""
        return {
            "type": "edit",
            "what": self.what,
            "label": self.label,
            "plane": plane_to_json(self.plane),
            "value": self.value,
        }


@dataclass(frozen=True, eq=False)
class Outlined:
    """A label on a slice whose outline was moved: it has these voxels there and no others.

    Attributes:
        label: its code.
        plane: the slice.
        runs: all its voxels there, counted in the case.
    """

    label: int
    plane: Plane
    runs: Runs

    def to_json(self) -> dict[str, Any]:
        """Write it as a JSON object."""
        return {"type": "outline", "label": self.label, "plane": plane_to_json(self.plane), "runs": self.runs.encode()}


Turn = Paint | Prompted | Edit | Outlined


def turn_from_json(content: Any, shape: tuple[int, int, int], values: tuple[int, ...]) -> Turn:
    """Read a turn.

    Args:
        content: what `to_json` of a turn wrote, or the page.
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
    if kind == "edit":
        return _edit(content, shape, values)
    if kind == "outline":
        return _outlined(content, shape, values)
    raise DataError(f"turn: type {kind!r}; give 'paint', 'prompts', 'edit' or 'outline'")


def _paint(content: dict[str, Any], shape: tuple[int, int, int], values: tuple[int, ...]) -> Paint:
    require_fields("paint", content, {"type", "tool", "value", "runs"})
    if content["tool"] not in TOOLS:
        raise DataError(f"paint: tool {content['tool']!r}; give one of {', '.join(TOOLS)}")
    return Paint(content["tool"], _known_value(content["value"], values), _runs("paint", content["runs"], shape))


def _outlined(content: dict[str, Any], shape: tuple[int, int, int], values: tuple[int, ...]) -> Outlined:
    require_fields("outline", content, {"type", "label", "plane", "runs"})
    plane, runs = plane_from_json(content["plane"], shape), _runs("outline", content["runs"], shape)
    if (np.unravel_index(runs.voxels, shape)[plane.axis] != plane.index).any():
        raise DataError("outline: voxels of other slices; send those of the slice alone")
    return Outlined(_known_value(content["label"], values), plane, runs)


def _runs(what: str, text: Any, shape: tuple[int, int, int]) -> Runs:
    if not isinstance(text, str):
        raise DataError(f"{what}: runs must be text; send gap and length in turn as LEB128 in base64")
    runs = Runs.decode(text, shape[0] * shape[1] * shape[2])
    if not len(runs.starts):
        raise DataError(f"{what}: no voxel; send at least one")
    return runs


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
    return Prompted(label, prompts, None if content["plane"] is None else plane_from_json(content["plane"], shape))


def _edit(content: dict[str, Any], shape: tuple[int, int, int], values: tuple[int, ...]) -> Edit:
    require_fields("edit", content, {"type", "what", "label", "plane", "value"})
    what, value = content["what"], content["value"]
    if what not in EDITS:
        raise DataError(f"edit: {what!r}; give one of {', '.join(EDITS)}")
    plane = None if content["plane"] is None else plane_from_json(content["plane"], shape)
    if what == "fill-between" and plane is None:
        raise DataError("edit: fill-between needs the plane across which the slices lie")
    return Edit(what, _known_value(content["label"], values), plane, _edit_value(what, value))


def _edit_value(what: str, value: Any) -> float | str | None:
    if what == "threshold" and isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1:
        return float(value)
    if what == "choose" and isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME:
        return value
    if what in OF_THE_ANSWER or value is not None:
        raise DataError(
            f"edit: value {value!r:.80}; a threshold has a number between 0 and 1, a choice the name of an answer, "
            "other edits none"
        )
    return None


def plane_to_json(plane: Plane | None) -> dict[str, int] | None:
    """Write a slice as a JSON object; null for none."""
    return None if plane is None else {"axis": plane.axis, "index": plane.index}


def plane_from_json(content: Any, shape: tuple[int, int, int]) -> Plane:
    """Read a slice of a case of that shape.

    Raises:
        DataError: if it is something else, or the case has no such slice.
    """
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
