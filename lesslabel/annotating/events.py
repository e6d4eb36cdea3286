"""What the events of a journal say, and what goes into them."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from lesslabel.annotating.turns import Edit, Outlined, Paint, Plane, Turn, plane_to_json
from lesslabel.data.case import Annotation, Case

DRAWING = ("turn", "remove", "restore")
"""Events that change the label map."""


def status_of(events: Sequence[Mapping[str, Any]], asked: Collection[int] | None) -> str:
    """``new``, ``begun``, ``finished`` or ``skipped``, from a journal.

    Args:
        events: of the journal.
        asked: the z indices that are asked for now; None for the whole case. A case that was skipped when others were
            asked for is begun.
    """
    said = [event["event"] for event in events if event["event"] not in ("begin", "look", "model")]
    if not said:
        return "new"
    if said[-1] != "skip":
        return "finished" if said[-1] == "finish" else "begun"
    skipped = [event.get("slices") for event in events if event["event"] == "skip"]
    finished = [event["slices"] for event in finishes(events) if "slices" in event]
    if _holds(finished, asked):
        return "finished"
    return "skipped" if _holds([*skipped, *finished], asked) else "begun"


def _holds(known: Sequence[Collection[int] | None], asked: Collection[int] | None) -> bool:
    """Whether z indices together hold those that are asked for; None stands for the whole case."""
    if None in known:
        return True
    return bool(known) and asked is not None and set(asked) <= {index for each in known if each for index in each}


def finishes(events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The events that brought the case into the store; ``slices`` holds the z indices that were asked for then.

    It is None where the whole case was asked for; journals of before have no such entry.
    """
    return [event for event in events if event["event"] == "finish"]


def in_doubt(events: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The event that told last that the case was about to enter the store, if none tells that it did; else None.

    Whether it did, the store alone knows: a full disk or a kill came before the next line.
    """
    told = [event for event in events if event["event"] in ("finishing", "finish")]
    return told[-1] if told and told[-1]["event"] == "finishing" else None


def model_named(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The model that answered last, as it was described; empty for none."""
    named: Any = next((event["model"] for event in reversed(events) if event["event"] in ("begin", "model")), {})
    return dict(named) if isinstance(named, dict) else {}


def other_answers(events: Sequence[Mapping[str, Any]]) -> dict[int, list[str]]:
    """By the number of a turn, the names of the answers that the model offered beside the one that was taken."""
    drawn = (turn for event in events for turn in ([event] if event["event"] == "turn" else event.get("again", ())))
    return {int(turn["number"]): list(turn.get("other_answers", ())) for turn in drawn}


def image_digest(case: Case) -> str:
    """Hash of the image and its voxel size, by which a journal knows its image again."""
    digest = hashlib.sha256(f"{case.image.shape} {case.spacing_mm}".encode())
    digest.update(np.ascontiguousarray(case.image, "<f4").data)
    return digest.hexdigest()


def mark_of(annotation: Annotation) -> str:
    """Hash by which a journal knows an annotation again in the store."""
    digest = hashlib.sha256(f"{annotation.author} {annotation.time} {annotation.covered_slices}".encode())
    digest.update(np.ascontiguousarray(annotation.labels).data)
    return digest.hexdigest()


def counts(turn: Turn) -> dict[str, int]:
    """What a turn costs: clicks, and what is drawn in one go."""
    if isinstance(turn, Paint | Outlined):
        return {"clicks": 0, "strokes": 1}
    if isinstance(turn, Edit):
        return {"clicks": 1, "strokes": 0}
    drawn = sum(prompt.drawn for prompt in turn.prompts)
    return {"clicks": sum(prompt.clicks for prompt in turn.prompts if not prompt.drawn), "strokes": drawn}


def shown(turn: Turn, shape: tuple[int, int, int]) -> dict[str, Any]:
    """What a page shows of a turn on a case of that shape: of painted voxels it needs the slice, not the list."""
    if isinstance(turn, Paint):
        return {"type": "paint", "tool": turn.tool, "value": turn.value, "plane": plane_to_json(slice_of(turn, shape))}
    content = turn.to_json()
    content.pop("runs", None)
    return content


def slice_of(turn: Turn, shape: tuple[int, int, int]) -> Plane | None:
    """The slice that a turn was made on: of paint that which holds all its voxels, the first of several.

    None if there is none, as for what speaks of a volume.
    """
    if not isinstance(turn, Paint):
        return turn.plane
    for axis, index in enumerate(np.unravel_index(turn.runs.voxels, shape)):
        if (index == index[0]).all():
            return Plane(axis, int(index[0]))
    return None


def now() -> str:
    """The time as it is written, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
