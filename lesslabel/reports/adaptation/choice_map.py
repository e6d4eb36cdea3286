"""The map of a choice: the references of the source, the images of the target, and the chosen ones."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from lesslabel.data.queue import WHOLE_CASE, Queue, QueueRow
from lesslabel.features import ImageFeatures
from lesslabel.reports.adaptation.embedding import Plane, Projection, project
from lesslabel.reports.drawing.svg import Scale, drawing, element, hover, line, method_style, text
from lesslabel.selection import Pool

NUMBERED = 20
"""Ranks that are printed beside their point; other points have them in their tooltip."""

_WIDTH, _HEIGHT = 760.0, 480.0
_ENDS = {"near": "chosen near the source", "far": "chosen far from it"}
_CHOSEN = "chosen"
_STYLE = {_ENDS["near"]: method_style(0), _ENDS["far"]: method_style(1), _CHOSEN: method_style(3)}

UnitName = tuple[str, int]


@dataclass(frozen=True, eq=False)
class ChosenUnits:
    """The units of the training part.

    Attributes:
        names: uid and slice of each; the slice is `WHOLE_CASE` for a case.
        features: (N, D), a row of NaN for a unit without predicted foreground.
    """

    names: tuple[UnitName, ...]
    features: NDArray[np.float32]

    @property
    def noun(self) -> str:
        """The word for one of them."""
        return "case" if all(index == WHOLE_CASE for _, index in self.names) else "slice"

    @property
    def has_feature(self) -> NDArray[np.bool_]:
        """Which units have a feature: (N,) bool."""
        has_feature: NDArray[np.bool_] = ~np.isnan(self.features[:, 0])
        return has_feature


@dataclass(frozen=True, eq=False)
class ChoiceMap:
    """The map and its legend.

    Attributes:
        chart: the drawing; empty if no unit has a feature.
        legend: inline style and text of each kind of chosen unit.
        references: the number of references of the source.
        featureless: units that have no feature and are not on the map.
    """

    chart: Markup
    legend: tuple[tuple[str, str], ...]
    references: int
    featureless: int


def units_of(images: ImageFeatures, queue: Queue) -> ChosenUnits:
    """The images, or for a queue of whole cases, the cases with the mean of their images' features."""
    if queue.rows and all(row.slice == WHOLE_CASE for row in queue.rows):
        pool = Pool(images.features, groups=images.uid)
        return ChosenUnits(tuple((uid, WHOLE_CASE) for uid in sorted(set(images.uid.tolist()))), pool.unit_features())
    return ChosenUnits(tuple(zip(images.uid.tolist(), images.slice.tolist(), strict=True)), images.features)


def draw_choice(
    units: ChosenUnits, queue: Queue, references: NDArray[np.float32], projection: Projection = "pca", seed: int = 0
) -> ChoiceMap:
    """Draw the map.

    Args:
        units: the units of the training part.
        queue: the chosen ones.
        references: (K, D), of the source.
        projection: see `project`.
        seed: the same.
    """
    mapped = units.has_feature
    if not mapped.any():
        return ChoiceMap(Markup(""), (), len(references), len(units.names))
    plane = project(np.concatenate([references, units.features[mapped]]), projection, seed)
    if projection == "pca":
        plane = plane._replace(points=drawn_together(plane.points))
    x, y = _scales(plane.points)
    names = [name for name, has_feature in zip(units.names, mapped, strict=True) if has_feature]
    places = dict(zip(names, plane.points[len(references) :].tolist(), strict=True))
    queued = {(row.uid, row.slice): row for row in queue.rows}
    found = {name: queued.get(name) or queued.get((name[0], WHOLE_CASE)) for name in names}
    chosen = {name: row for name, row in found.items() if row is not None}
    parts = [*_axes(plane), *_others(places, chosen, x, y)]
    parts += [_cross(x(first), y(second)) for first, second in plane.points[: len(references)].tolist()]
    for name, row in sorted(chosen.items(), key=lambda entry: -entry[1].rank):  # the first ranks are drawn last, on top
        parts.append(_chosen(name, row, x(places[name][0]), y(places[name][1])))
    kinds = {_kind(row) for row in chosen.values()}
    legend = tuple((style, kind) for kind, style in _STYLE.items() if kind in kinds)
    chart = drawing(_WIDTH, _HEIGHT, parts, f"Map of {len(names)} images and {len(references)} references")
    return ChoiceMap(chart, legend, len(references), int((~mapped).sum()))


def drawn_together(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move distant points nearer, axis by axis: linear around the median, logarithmic beyond its deviation.

    A feature is divided by the size of the predicted foreground, so a few images with little foreground are a hundred
    times farther away than the others, which would be drawn as one point.

    Args:
        points: (N, 2).

    Returns:
        (N, 2), in the same order along each axis.
    """
    centred = points - np.median(points, axis=0)
    deviation = np.median(np.abs(centred), axis=0)
    drawn: NDArray[np.float64] = np.arcsinh(centred / np.where(deviation > 0, deviation, 1.0))
    return drawn


def name_unit(name: UnitName) -> str:
    """A unit as text; slices count from 1, as everywhere on the page."""
    uid, index = name
    return uid if index == WHOLE_CASE else f"{uid}, slice {index + 1}"


def _kind(row: QueueRow) -> str:
    """STDR chooses from two ends, named by the first word of its reason; other strategies have one kind."""
    return _ENDS.get(row.reason.split(" ", 1)[0], _CHOSEN) if row.strategy.startswith("stdr") else _CHOSEN


def _scales(points: NDArray[np.float64]) -> tuple[Scale, Scale]:
    low, high = points.min(axis=0), points.max(axis=0)
    margin = np.where(high > low, 0.05 * (high - low), 1.0)
    (left, lower), (right, upper) = (low - margin).tolist(), (high + margin).tolist()
    return Scale(left, right, 24, _WIDTH - 8), Scale(lower, upper, _HEIGHT - 28, 8)


def _axes(plane: Plane) -> Iterator[Markup]:
    yield line(24, _HEIGHT - 28, _WIDTH - 8, _HEIGHT - 28, "grid")
    yield line(24, 8, 24, _HEIGHT - 28, "grid")
    across, up = plane.axes
    yield text((_WIDTH + 16) / 2, _HEIGHT - 9, across, "middle", "tick")
    turned: dict[str, str | float] = {"transform": f"translate(14 {(_HEIGHT - 20) / 2}) rotate(-90)"}
    yield element("text", turned | {"text-anchor": "middle", "class": "tick"}, up)


def _others(
    places: Mapping[UnitName, list[float]], chosen: Mapping[UnitName, QueueRow], x: Scale, y: Scale
) -> Iterator[Markup]:
    for name, (first, second) in places.items():
        if name not in chosen:
            attributes: dict[str, str | float] = {"cx": x(first), "cy": y(second), "r": 3, "class": "unchosen"}
            yield element("circle", attributes, hover(name_unit(name)))


def _cross(x: float, y: float) -> Markup:
    path = f"M{x - 6:.2f} {y - 6:.2f}l12 12M{x - 6:.2f} {y + 6:.2f}l12 -12"
    return element("path", {"d": path, "class": "reference"}, hover("reference of the source"))


def _chosen(name: UnitName, row: QueueRow, x: float, y: float) -> Markup:
    parts = [
        hover(f"{row.rank}. {name_unit(name)}: {row.reason}"),
        element("circle", {"cx": x, "cy": y, "r": 5, "class": "case"}),
    ]
    if row.rank <= NUMBERED:
        parts.append(text(x + 7, y + 4, str(row.rank), css="rank"))
    return element("g", {"style": _STYLE[_kind(row)]}, Markup("").join(parts))
