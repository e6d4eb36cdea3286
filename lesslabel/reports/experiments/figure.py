"""``dice.svg``: the Dice of every method of an experiment per patient, with published figures."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from lesslabel.evaluation import MEAN_OVER_LABELS, summarise
from lesslabel.files import write_text
from lesslabel.reports.drawing.picture import COLOURS, whole_picture
from lesslabel.reports.drawing.svg import Scale, element, hover, line, shortened, text
from lesslabel.tables import read_scores
from lesslabel.tables.experiment_protocol import published_number, read_published
from lesslabel.tables.results import FIGURE

_WIDTH, _NAMES, _ROW = 720.0, 232.0, 30.0
_TOP = 30.0
_LEGEND = "dots: patients · circle and line: mean, 95 % interval · square: published"


@dataclass(frozen=True)
class FigureRow:
    """One method.

    Attributes:
        method: its name.
        patients: mean Dice over labels, cases and seeds of each patient, by name.
        mean: over the patients.
        low: lower end of its interval.
        high: upper end of its interval.
        published: published Dice of this method, by setting.
    """

    method: str
    patients: Mapping[str, float]
    mean: float
    low: float
    high: float
    published: Sequence[tuple[str, float]]


def write_figure(folder: Path) -> None:
    """Write ``dice.svg`` of an experiment whose results hold Dice.

    Raises:
        DataError: if a file is missing or damaged.
    """
    if rows := read_rows(folder):
        write_text(folder / FIGURE, draw_figure(rows) + "\n")


def read_rows(folder: Path) -> list[FigureRow]:
    """Read the methods of an experiment, the best first; none if Dice was not measured.

    Raises:
        DataError: if a file is missing or damaged.
    """
    scores = read_scores(folder)
    if "dice" not in scores.columns:
        return []
    scores = scores[["method", "uid", "patient", "label", "dice"]]
    each = summarise(scores, by=("method", "patient"))
    each = each[each["label"] == MEAN_OVER_LABELS].set_index("patient")
    means = summarise(scores, by="method")
    means = means.loc[means["label"] == MEAN_OVER_LABELS, ["method", "mean", "low", "high"]]
    published = read_published(folder)
    rows = []
    for method, mean, low, high in means.itertuples(index=False, name=None):
        patients = each.loc[each["method"] == method, "mean"].dropna().to_dict()
        known = published[(published["method"] == method) & (published["metric"] == "dice")]
        figures = [
            (setting, dice)
            for setting, value in zip(known["setting"], known["value"], strict=True)
            if not math.isnan(dice := published_number(value))
        ]
        rows.append(FigureRow(method, patients, mean, low, high, figures))
    return sorted(rows, key=lambda row: (-row.mean, row.method))


def draw_figure(rows: Sequence[FigureRow]) -> Markup:
    """Draw one row per method: a faint dot per patient, the mean with its interval, published figures as squares.

    Returns:
        A whole SVG file.
    """
    values = [value for row in rows for value in (*row.patients.values(), *(value for _, value in row.published))]
    low = max(0.0, min(0.9, math.floor(min(values, default=0.0) * 10 + 1e-9) / 10))
    x = Scale(low, 1.0, _NAMES + 14, _WIDTH - 20)
    bottom = _TOP + _ROW * len(rows)
    parts = [line(x(tick), _TOP, x(tick), bottom, "grid") for tick in x.ticks()]
    parts += [text(x(tick), bottom + 18, f"{tick:.2g}", "middle", "tick") for tick in x.ticks()]
    parts.append(text(x.end, bottom + 36, "Dice, mean over labels", "end", "tick"))
    parts.append(text(x.end, 18, _LEGEND, "end", "tick"))
    parts += [_draw_row(row, x, _TOP + _ROW * (index + 0.5)) for index, row in enumerate(rows)]
    return whole_picture(_WIDTH, bottom + 46, parts, "Dice of every method, patient by patient")


def _draw_row(row: FigureRow, x: Scale, middle: float) -> Markup:
    parts = [element("g", {}, hover(row.method) + text(_NAMES, middle + 4, shortened(row.method, 34), "end"))]
    for patient, dice in row.patients.items():
        circle: dict[str, str | float] = {"cx": x(dice), "cy": middle, "r": 3.5, "class": "case"}
        parts.append(element("circle", circle, hover(f"{patient}: {dice:.3f}")))
    for setting, dice in row.published:
        square: dict[str, str | float] = {"x": x(dice) - 4, "y": middle - 4, "width": 8, "height": 8}
        parts.append(element("rect", square | {"class": "published"}, hover(f"published, {setting}: {dice:.3f}")))
    if math.isfinite(row.low):
        parts.append(line(x(row.low), middle, x(row.high), middle, "whisker"))
    if math.isfinite(row.mean):
        tooltip = hover(f"{row.method}: {row.mean:.3f} [{row.low:.3f}, {row.high:.3f}]")
        parts.append(element("circle", {"cx": x(row.mean), "cy": middle, "r": 5, "class": "dot"}, tooltip))
    return element("g", {"style": f"color: {COLOURS[0]}"}, Markup("").join(parts))
