"""The objects with the lowest final Dice of a click protocol, with their prompts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from lesslabel.clicks.folder import ClickFolder, ObjectKey, WorstObject
from lesslabel.interaction.prompts import CentreEdgePoints, Click, InteriorMarginPoints, Prompt, Scribble, Side
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.reports.drawing.overlays import SliceDrawing
from lesslabel.reports.drawing.slice_plots import SlicePlot
from lesslabel.reports.drawing.svg import element, polyline
from lesslabel.reports.runs.words import number

SIDES: Mapping[Side, tuple[str, str]] = {
    Side.FOREGROUND: ("marked as object", "--ink: #3ddc84"),
    Side.BACKGROUND: ("marked as background", "--ink: #ff5c5c"),
    Side.BOUNDARY: ("marked as boundary", "--ink: #fff"),
}
"""Meaning and colour of each side of a prompt."""
_DOT = 0.016
"""Radius of a click, as a share of the picture's width."""


@dataclass(frozen=True)
class ClickPicture:
    """One object before and after the corrections.

    Attributes:
        title: the object.
        first: after the first prompts, with the prompts.
        last: after the last turn, with all prompts.
        first_dice: of the whole object, as text.
        last_dice: the same.
        clicks: the number of all clicks.
        note: what is outside the pictures; usually empty.
    """

    title: str
    first: Markup
    last: Markup
    first_dice: str
    last_dice: str
    clicks: int
    note: str


def picture_worst(folder: ClickFolder, key: str) -> list[ClickPicture]:
    """Draw the stored objects of a folder.

    Args:
        folder: of a protocol.
        key: a name unique on the page, letters, digits and hyphens.

    Raises:
        DataError: if pictures or prompts cannot be read.
    """
    turns = folder.turns()
    return [_picture(folder, entry, turns[entry.key], f"{key}-{rank}") for rank, entry in enumerate(folder.worst())]


def _picture(folder: ClickFolder, entry: WorstObject, turns: Sequence[Sequence[Prompt]], key: str) -> ClickPicture:
    drawn = _PromptDrawing(entry, key)
    rows = _rows(folder, entry.key)
    every = [prompt for turn in turns for prompt in turn]
    uid, place, label = entry.key
    return ClickPicture(
        title=f"{uid}, slice {entry.z}, {label}",
        first=drawn.draw(entry.first, turns[0], embed=True),
        last=drawn.draw(entry.last, every),
        first_dice=number(rows["dice"].iloc[1], 2),
        last_dice=number(rows["dice"].iloc[-1], 2),
        clicks=int(rows["clicks"].iloc[-1]),
        note="" if place == entry.z else "prompts on other slices are not shown",
    )


def _rows(folder: ClickFolder, key: ObjectKey) -> pd.DataFrame:
    uid, place, label = key
    frame = folder.frame
    rows = frame[(frame["uid"] == uid) & (frame["slice"] == place) & (frame["label"] == label)]
    return rows.sort_values("turn")


class _PromptDrawing(SliceDrawing):
    """Pictures of one object: its mask, its truth as a dotted line, and the prompts."""

    def __init__(self, entry: WorstObject, key: str) -> None:
        uid, _, label = entry.key
        plot = SlicePlot(
            uid=uid,
            why="worst",
            slice_index=entry.z,
            slices=0,
            image=entry.image,
            spacing_mm=entry.spacing_mm,
            truth=entry.truth.astype(np.uint8),
            supervision=None,
            predictions=(),
        )
        super().__init__(plot, key, (label,))
        self._z = entry.z

    def draw(self, mask: Mask, prompts: Sequence[Prompt], *, embed: bool = False) -> Markup:
        """One picture; the first of an object embeds the image that the others refer to."""
        ghost = element("g", {"class": "ghost"}, Markup("").join(self._outlines(self._plot.truth)))
        backdrop = self._embedded() if embed else self._backdrop()
        marks = [mark for prompt in prompts for mark in self._marks(prompt)]
        parts = [backdrop, *self._outlines(mask.astype(np.uint8)), ghost, *marks]
        return self._picture(parts, f"{self._plot.uid}, {len(prompts)} prompts")

    def _marks(self, prompt: Prompt) -> Iterator[Markup]:
        for side, points, joined in _spoken(prompt):
            on_slice = points if points.shape[1] == 2 else points[np.rint(points[:, 0]) == self._z][:, 1:]
            if not len(on_slice):
                continue
            rows, columns = self.view
            y_mm, x_mm = self._plot.spacing_mm
            xs = ((on_slice[:, 1] - columns.start + 0.5) * x_mm / y_mm).tolist()
            ys = (on_slice[:, 0] - rows.start + 0.5).tolist()
            style = SIDES[side][1]
            if joined and len(xs) > 1:
                yield polyline(xs, ys, "stroke-mark", style)
            else:
                for x, y in zip(xs, ys, strict=True):
                    dot: dict[str, str | float] = {"cx": x, "cy": y, "r": _DOT * self._size[0]}
                    yield element("circle", dot | {"class": "click-mark", "style": style})


def _spoken(prompt: Prompt) -> Iterator[tuple[Side, NDArray[np.float64], bool]]:
    """Convert a prompt: its side, positions (N, axes), and whether they are one line."""
    match prompt:
        case Click():
            yield prompt.side, prompt.points, False
        case Scribble():
            yield from ((prompt.side, np.array(stroke), True) for stroke in prompt.strokes)
        case InteriorMarginPoints():
            yield Side.FOREGROUND, prompt.points, False
        case CentreEdgePoints():
            yield Side.FOREGROUND, np.array(prompt.centre), False
            yield Side.BACKGROUND, np.array(prompt.edge).reshape(-1, len(prompt.centre[0])), False
        case _:  # a prompt that encloses or crosses the object is drawn by its corners
            yield Side.BOUNDARY, prompt.points, False
