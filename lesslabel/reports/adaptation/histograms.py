"""Intensities of the source, from its bundle, and of each centre of the target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from lesslabel.bundle import Bundle
from lesslabel.bundle.statistics import average_quantiles
from lesslabel.data.loading.intensity import Intensity, normalise
from lesslabel.data.store import Store
from lesslabel.reports.drawing.charts import Panel
from lesslabel.reports.drawing.svg import Scale, drawing, element, hover, line, method_style, polyline, text

BINS = 80
_LEVELS = 160 * BINS
"""Number of samples of a quantile function: many per bin, so that the histogram is smooth."""
_SHOWN = (0.005, 0.995)
"""Quantiles between which intensities are drawn."""
_WIDTH, _HEIGHT = 540.0, 220.0


@dataclass(frozen=True, eq=False)
class Intensities:
    """The distribution of intensities of the source or a centre.

    Attributes:
        name: the source or the centre.
        quantiles: (channels, Q), values at the levels 0, 1/(Q − 1) … 1, on the scale of a store.
    """

    name: str
    quantiles: NDArray[np.float32]


def measure_intensities(
    bundle: Bundle, store: Store, uids: Sequence[str], channels: Sequence[int]
) -> list[Intensities]:
    """Measure the mean distribution over the cases of the source and of each centre of the target.

    Args:
        bundle: of the source.
        store: of the target.
        uids: its cases.
        channels: of its images, those of the bundle in their order.

    Returns:
        The source first, then the centres by name.

    Raises:
        DataError: if a case cannot be read.
    """
    by_centre: dict[str, list[str]] = {}
    for uid in sorted(uids):
        by_centre.setdefault(store.records[uid].centre or "target", []).append(uid)
    training = bundle.manifest.training
    found = [Intensities(f"source, {training.cases} cases", bundle.quantiles)]
    for centre, members in sorted(by_centre.items()):
        images = (store.read(uid).image[list(channels)] for uid in members)
        name = f"{centre}, {len(members)} case{'s' * (len(members) != 1)}"
        found.append(Intensities(name, average_quantiles(images)))
    return found


def density(quantiles: NDArray[np.floating[Any]], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn a quantile function into a histogram.

    Args:
        quantiles: (Q,) rising, values at the levels 0, 1/(Q − 1) … 1, linear in between.
        edges: (B + 1,) rising.

    Returns:
        (B,) share of the distribution in each bin over the bin's width. They integrate to the share between the edges.
    """
    samples = _sample(quantiles)
    counts, _ = np.histogram(samples, edges)
    shares: NDArray[np.float64] = counts / len(samples) / np.diff(edges)
    return shares


def draw_intensities(found: Sequence[Intensities], channels: Sequence[str], intensity: Intensity) -> list[Panel]:
    """Draw each channel as stored and, if the bundle normalises, after normalisation.

    Normalisation is applied to the mean distribution, since nothing else is known of the source.

    Args:
        found: the distributions, see `measure_intensities`.
        channels: names of the channels.
        intensity: the normalisation of the bundle.
    """
    panels = []
    for index, channel in enumerate(channels):
        stored = {entry.name: entry.quantiles[index] for entry in found}
        panels.append(Panel(f"{channel}, as stored", _draw(stored, f"Intensities of {channel}")))
        if intensity.name != "none":
            seen = {
                name: normalise(_sample(table)[None, None, None], intensity).ravel() for name, table in stored.items()
            }
            title = f"{channel}, as the network sees it ({describe_intensity(intensity)})"
            panels.append(Panel(title, _draw(seen, f"Normalised intensities of {channel}")))
    return panels


def describe_intensity(intensity: Intensity) -> str:
    """A normalisation as text."""
    return {
        "percentile": f"clipped at the {intensity.upper_percentile:g}th percentile and scaled to [0, 1]",
        "zscore": "zero mean, unit variance",
        "window": f"window {intensity.window}, scaled to [0, 1]",
        "none": "not normalised",
    }[intensity.name]


def _sample(quantiles: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """The quantile function at evenly spaced levels: a sample that has its distribution."""
    levels = (np.arange(_LEVELS) + 0.5) / _LEVELS
    sample: NDArray[np.float32] = np.interp(levels, np.linspace(0.0, 1.0, len(quantiles)), quantiles).astype(np.float32)
    return sample


def _draw(tables: Mapping[str, NDArray[np.floating[Any]]], description: str) -> Markup:
    ends = np.array([np.quantile(table, _SHOWN) for table in tables.values()])
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    edges = np.linspace(low, max(high, low + 1e-6 * max(abs(low), 1.0)), BINS + 1)
    curves = {name: density(table, edges) for name, table in tables.items()}
    # the air around a body fills one bin, which would hide all others
    top = 1.1 * max(float(np.sort(curve)[-2]) for curve in curves.values()) or 1.0
    x, y = Scale(float(edges[0]), float(edges[-1]), 12, _WIDTH - 12), Scale(0.0, top, _HEIGHT - 30, 6)
    parts = [line(x.start, y.start, x.end, y.start, "grid")]
    parts += [text(x(tick), y.start + 17, f"{tick:.4g}", "middle", "tick") for tick in x.ticks()]
    for index, (name, curve) in enumerate(curves.items()):
        across = [x(edge) for edge in np.repeat(edges, 2)[1:-1]]
        up = [y(value) for value in np.repeat(np.minimum(curve, top), 2)]
        stairs = polyline(across, up, "curve", method_style(index))
        parts.append(element("g", {}, hover(name) + stairs))
    return drawing(_WIDTH, _HEIGHT, parts, description)
