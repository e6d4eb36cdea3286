"""A picture in its own file: without the style sheet of a page, with elements that every viewer supports."""

from collections.abc import Sequence

from markupsafe import Markup

from lesslabel.reports.drawing.svg import element

COLOURS = ("#4053d3", "#b51d14", "#b88f00", "#00915a", "#0089b8", "#d0338a")

_STYLE = """
text { font: 13px sans-serif; fill: #1c2126; } .tick { fill: #5b6570; font-size: 12px; } .grid { stroke: #d9dde2; }
.curve { fill: none; stroke: currentColor; stroke-width: 1.8px; }
.whisker { stroke: currentColor; stroke-width: 1.4px; } .dot { fill: currentColor; }
.case { fill: currentColor; fill-opacity: 0.3; } .published { fill: #fff; stroke: #1c2126; stroke-width: 1.4px; }
"""


def whole_picture(width: float, height: float, parts: Sequence[Markup], description: str) -> Markup:
    """An SVG file on white.

    Args:
        width: in pixels.
        height: in pixels.
        parts: its elements.
        description: text for screen readers.
    """
    attributes: dict[str, str | float] = {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {width} {height}"}
    attributes |= {"role": "img", "aria-label": description}
    paper = element("rect", {"width": width, "height": height, "fill": "#fff"})
    return element("svg", attributes, Markup("").join([element("style", {}, Markup(_STYLE)), paper, *parts]))
