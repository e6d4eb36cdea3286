"""Drawing one slice: the image once, label outlines and scribbles over it."""

import base64
from collections.abc import Sequence
from io import BytesIO

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image
from skimage.measure import find_contours

from lesslabel.data.case import IGNORE
from lesslabel.reports.drawing.slice_plots import LabelMap, SlicePlot
from lesslabel.reports.drawing.svg import drawing, element, label_style

MARGIN = 0.4
"""Free space on every side of the organs, as a share of their longer side."""
SMALLEST_WINDOW_PIXEL = 48
WINDOW_PERCENTILES = (1.0, 99.0)
"""Percentiles of the slice's intensity that are displayed as black and white."""

Box = tuple[slice, slice]


def field_of_view(plot: SlicePlot) -> Box:
    """The displayed part (y, x) of the slice: the organs of the reference with a margin, square if possible.

    A distant false prediction does not enlarge the part; `outside` computes how much of it is cut off. Without an organ
    the predictions are used, without those the whole slice.
    """
    shown = _foreground(plot.truth)
    if not shown.any():
        found = [_foreground(prediction) for prediction in plot.predictions if prediction is not None]
        shown = np.logical_or.reduce(found, axis=0) if found else shown
    if not shown.any():
        return slice(0, shown.shape[0]), slice(0, shown.shape[1])
    spans = [np.flatnonzero(shown.any(axis=axis))[[0, -1]] for axis in (1, 0)]
    sizes_mm = [(last - first + 1) * size for (first, last), size in zip(spans, plot.spacing_mm, strict=True)]
    side_mm = max(sizes_mm) * (1 + 2 * MARGIN)
    rows, columns = (
        _window((first + last + 1) / 2, max(side_mm / size, SMALLEST_WINDOW_PIXEL), extent)
        for (first, last), size, extent in zip(spans, plot.spacing_mm, shown.shape, strict=True)
    )
    return rows, columns


def outside(labels: LabelMap, view: Box) -> float:
    """The share of a prediction's foreground in this slice that a view cuts off, in [0, 1]."""
    foreground = _foreground(labels)
    total = int(foreground.sum())
    return 1 - int(foreground[view].sum()) / total if total else 0.0


def _foreground(labels: LabelMap) -> NDArray[np.bool_]:
    foreground: NDArray[np.bool_] = (labels > 0) & (labels != IGNORE)
    return foreground


def _window(centre: float, length: float, extent: int) -> slice:
    length = min(round(length), extent)
    start = min(max(round(centre - length / 2), 0), extent - length)
    return slice(start, start + length)


class SliceDrawing:
    """Pictures of one slice that share the image: it is embedded once and referred to by the others.

    Args:
        plot: the slice, its reference and predictions.
        key: a name unique on the page, letters, digits and hyphens.
        label_names: names of the labels, background left out, in the order of their codes 1, 2 …
        view: the displayed part (y, x); None takes `field_of_view`.

    Attributes:
        view: the displayed part (y, x) of the slice.
    """

    def __init__(self, plot: SlicePlot, key: str, label_names: Sequence[str], view: Box | None = None) -> None:
        self._plot = plot
        self._key = key
        self._names = label_names
        self.view = view or field_of_view(plot)
        rows, columns = self.view
        y_mm, x_mm = plot.spacing_mm
        self._height, self._width = rows.stop - rows.start, columns.stop - columns.start
        self._scale = f"scale({x_mm / y_mm:.4f} 1)"
        self._size = self._width * x_mm / y_mm, float(self._height)

    def image(self) -> Markup:
        """The slice without labels; it must come before the others on the page."""
        return self._picture([self._embedded()], f"{self._plot.uid}, image")

    def outlined(self) -> Markup:
        """The slice with the reference's outlines, in one picture."""
        return self._picture([self._embedded(), *self._outlines(self._plot.truth)], f"{self._plot.uid}, outlined")

    def truth(self) -> Markup:
        """The reference's outlines."""
        return self._picture([self._backdrop(), *self._outlines(self._plot.truth)], f"{self._plot.uid}, truth")

    def prediction(self, labels: LabelMap, method: str) -> Markup:
        """A prediction's outlines, filled faintly, with the reference as a thin dotted line."""
        ghost = element("g", {"class": "ghost"}, Markup("").join(self._outlines(self._plot.truth)))
        parts = [self._backdrop(), *self._outlines(labels), ghost]
        return self._picture(parts, f"{self._plot.uid}, prediction of {method}")

    def supervision(self, labels: LabelMap) -> Markup:
        """Known voxels in their label's colour; known background is white."""
        parts = [self._backdrop()]
        shown = labels[self.view]
        for code in np.unique(shown[shown != IGNORE]):
            style = "--ink: #fff" if code == 0 else label_style(int(code) - 1)
            parts.append(self._path(_blocks(shown == code), "scribble", style))
        return self._picture(parts, f"{self._plot.uid}, supervision")

    def _frame(self, content: str) -> dict[str, str | float]:
        return {
            "href": content,
            "width": float(self._width),
            "height": float(self._height),
            "preserveAspectRatio": "none",
            "transform": self._scale,
        }

    def _embedded(self) -> Markup:
        content = _data_uri(grey_levels(self._plot.image)[self.view])
        return element("image", self._frame(content) | {"id": self._key})

    def _backdrop(self) -> Markup:
        return element("use", {"href": f"#{self._key}"})

    def _outlines(self, labels: LabelMap) -> list[Markup]:
        shown = labels[self.view]
        return [
            self._path(_contours(shown == code), "outline", label_style(code - 1), name)
            for code, name in enumerate(self._names, start=1)
            if (shown == code).any()
        ]

    def _path(self, data: str, css: str, style: str, title: str = "") -> Markup:
        attributes: dict[str, str | float] = {"d": data, "class": css, "style": style, "transform": self._scale}
        return element("path", attributes, element("title", {}, title) if title else "")

    def _picture(self, parts: Sequence[Markup], description: str) -> Markup:
        return drawing(*self._size, parts, description, css="slice")


def grey_levels(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Intensities (y, x) between the 1st and 99th percentile as 0–255; non-finite ones become 0."""
    finite = image[np.isfinite(image)]
    low, high = np.percentile(finite, WINDOW_PERCENTILES) if finite.size else (0.0, 1.0)
    scaled = (image - low) / max(high - low, np.finfo(np.float32).tiny)
    grey: NDArray[np.uint8] = np.rint(np.nan_to_num(scaled, posinf=0.0, neginf=0.0).clip(0, 1) * 255).astype(np.uint8)
    return grey


def _data_uri(grey: NDArray[np.uint8]) -> str:
    buffer = BytesIO()
    Image.fromarray(grey).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _contours(mask: NDArray[np.bool_]) -> str:
    """SVG path data of a mask's outlines in pixels; pixel (0, 0) covers the square from (0, 0) to (1, 1)."""
    rings = find_contours(np.pad(mask, 1).astype(np.float32), 0.5)
    return "".join("M" + "L".join(f"{x - 0.5:.1f} {y - 0.5:.1f}" for y, x in ring[:-1]) + "Z" for ring in rings)


def _blocks(mask: NDArray[np.bool_]) -> str:
    """SVG path data that covers every pixel of a mask, one rectangle per run of pixels in a row."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    starts, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)
    return "".join(f"M{x} {y}h{end - x}v1h{x - end}z" for (y, x), (_, end) in zip(starts, ends, strict=True))
