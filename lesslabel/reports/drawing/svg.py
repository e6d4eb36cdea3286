"""SVG elements of the charts. All text is escaped; colours come from the page's style sheet."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

LABEL_COLOURS = 7
"""Number of label colours in the style sheet (``--label-0`` …); further labels repeat them with dashed lines."""
METHOD_COLOURS = 6
"""Number of method colours in the style sheet (``--method-0`` …); further methods repeat them with dashed lines."""


@dataclass(frozen=True)
class Scale:
    """Maps data values linearly onto pixels.

    Attributes:
        low: the data value at `start`.
        high: the data value at `end`; must be above `low`.
        start: pixel of `low`.
        end: pixel of `high`.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values (1, 2 or 5 times a power of ten) inside the scale, roughly `about` of them."""
        step = round_step((self.high - self.low) / about)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [index * step for index in range(first, last + 1)]


def round_step(rough: float) -> float:
    """The smallest of 1, 2, 5 or 10 times a power of ten that is at least `rough` (> 0)."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))


def element(tag: str, attributes: Mapping[str, str | float], content: str = "") -> Markup:
    """One element; attribute values and plain text are escaped, `Markup` content is kept."""
    written = Markup("").join(Markup(' {}="{}"').format(name, _value(value)) for name, value in attributes.items())
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), written, content)


def text(x: float, y: float, content: str, anchor: str = "start", css: str = "") -> Markup:
    """A line of text; `anchor` is start, middle or end."""
    return element("text", {"x": x, "y": y, "text-anchor": anchor, "class": css}, content)


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> Markup:
    """A straight line."""
    return element("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": css})


def hover(content: str) -> Markup:
    """The tooltip of the element that contains it."""
    return element("title", {}, content)


def drawing(width: float, height: float, parts: Iterable[Markup], description: str, css: str = "chart") -> Markup:
    """A whole picture that scales with its column; `description` is text for screen readers."""
    attributes: dict[str, str | float] = {
        "viewBox": f"0 0 {_value(width)} {_value(height)}",
        "class": css,
        "role": "img",
        "aria-label": description,
    }
    return element("svg", attributes, Markup("").join(parts))


def polyline(xs: Sequence[float], ys: Sequence[float], css: str, style: str) -> Markup:
    """An open line through points in pixels."""
    points = " ".join(f"{_value(x)},{_value(y)}" for x, y in zip(xs, ys, strict=True))
    return element("polyline", {"points": points, "class": css, "style": style})


def label_style(index: int) -> str:
    """Inline style that makes ``var(--ink)`` the colour of the label at `index` (0 = the first foreground label)."""
    return _ink("label", index, LABEL_COLOURS)


def method_style(index: int) -> str:
    """Inline style that makes ``var(--ink)`` the colour of the method at `index`."""
    return _ink("method", index, METHOD_COLOURS)


def _ink(family: str, index: int, colours: int) -> str:
    dashes = ("none", "5 2", "2 2", "7 2 2 2")[index // colours % 4]
    return f"--ink: var(--{family}-{index % colours}); --dashes: {dashes}"


def shortened(content: str, length: int) -> str:
    """Text of at most `length` characters, with an ellipsis if it was cut."""
    return content if len(content) <= length else content[: length - 1] + "…"


def _value(value: str | float) -> str:
    """A number with at most two decimals, or the unchanged text."""
    return (
        f"{value:.2f}".rstrip("0").rstrip(".")
        if isinstance(value, float)
        else str(escape(value))
        if isinstance(value, Markup)
        else str(value)
    )
