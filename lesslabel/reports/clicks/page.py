"""The page of click protocols: clicks needed, quality over clicks, seconds, and the worst objects."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lesslabel.clicks.folder import ClickFolder
from lesslabel.clicks.measure_table import (
    SECONDS_CORRECTION,
    SECONDS_FIRST,
    ClickMeasure,
    click_measures,
    qualities,
)
from lesslabel.clicks.measures import OBJECT, curve_over_clicks, summarise_clicks
from lesslabel.clicks.seconds import seconds_per_turn
from lesslabel.errors import RunError
from lesslabel.evaluation.statistics import MEAN_OVER_LABELS
from lesslabel.files import write_text
from lesslabel.reports.clicks.chart import ClickCurve, draw_click_curves
from lesslabel.reports.clicks.pictures import SIDES, picture_worst
from lesslabel.reports.drawing.charts import Panel
from lesslabel.reports.drawing.svg import method_style
from lesslabel.reports.drawing.templates import load_template
from lesslabel.reports.runs import words
from lesslabel.reports.runs.results import Estimate
from lesslabel.reports.runs.run_facts import describe

_SECONDS = {"first": SECONDS_FIRST, "correction": SECONDS_CORRECTION}
"""By the keys of `seconds_per_turn`."""


@dataclass(frozen=True)
class NeededClicks:
    """One number of clicks.

    Attributes:
        measure: its measure.
        clicks: mean over patients.
        failed: objects that did not reach the overlap.
        objects: all of them.
    """

    measure: ClickMeasure
    clicks: Estimate
    failed: int
    objects: int


@dataclass(frozen=True)
class ClickRow:
    """One protocol and label of the page's tables.

    Attributes:
        name: of the protocol.
        label: of the objects.
        needed: by overlap and threshold, in the order of the table's head.
        quality: by the other measures, in the order of the table's head.
        seconds: median for the first prompts, and for a correction, each with its measure; NaN without.
    """

    name: str
    label: str
    needed: tuple[NeededClicks, ...]
    quality: tuple[tuple[ClickMeasure, Estimate], ...]
    seconds: tuple[tuple[ClickMeasure, float], ...]


def write_clicks_report(folders: Sequence[Path], output: Path) -> Path:
    """Write one self-contained HTML page about click protocols on the same objects.

    Objects that are not in all folders are skipped, and the page shows their number. It shows no path; of the patients
    only the uids of their cases.

    Args:
        folders: outputs of `lesslabel clicks`.
        output: the page.

    Returns:
        `output`.

    Raises:
        RunError: if a folder is given twice, or they differ in their data, reference or cap, or share no object.
        DataError: if a file is absent or damaged, or the page cannot be written.
    """
    opened = [ClickFolder(Path(folder)) for folder in folders]
    _require_comparable(opened)
    frames, left_out = _common_objects(opened)
    names, cap = _names(opened), int(opened[0].summary["protocol"]["cap"])
    named = list(zip(names, opened, strict=True))
    rows = [row for name, frame in zip(names, frames, strict=True) for row in _rows(name, frame, cap)]
    labels = [label for label in dict.fromkeys(row.label for row in rows) if label != MEAN_OVER_LABELS]
    page = load_template("clicks/clicks.html").render(
        title=f"Clicks on {describe(opened[0].summary['data'].get('source'))}",
        summary=_in_words(rows, frames[0]),
        names=[(name, method_style(index)) for index, name in enumerate(names)],
        rows=[row for row in rows if row.label == MEAN_OVER_LABELS],
        by_label=[row for row in rows if row.label != MEAN_OVER_LABELS] if len(labels) > 1 else [],
        needed_measures=_needed_measures(),
        quality_measures=[*_quality_measures(cap), *_SECONDS.values()],
        cap=cap,
        left_out=left_out,
        curves=_panels(names, frames, cap),
        worst=[(name, picture_worst(folder, f"worst-{index}")) for index, (name, folder) in enumerate(named)],
        sides=list(SIDES.values()),
        facts=[(name, _facts(folder)) for name, folder in named],
        words=words,
    )
    write_text(Path(output), page)
    return Path(output)


def _require_comparable(folders: Sequence[ClickFolder]) -> None:
    repeated = [path for path, times in Counter(folder.path.resolve() for folder in folders).items() if times > 1]
    if repeated:
        raise RunError(f"{repeated[0]}: given twice; pass each folder once")
    first = folders[0]
    for folder in folders[1:]:
        for section, key in (("data", "data_hash"), ("data", "reference"), ("protocol", "cap")):
            mine, theirs = folder.summary[section].get(key), first.summary[section].get(key)
            if mine != theirs:
                raise RunError(f"{folder.path}: {key} {mine}, that of {first.path} {theirs}; report them apart")


def _common_objects(folders: Sequence[ClickFolder]) -> tuple[list[pd.DataFrame], int]:
    """The clicks of each folder on the common objects, and the number of other objects."""
    indexed = [folder.frame.set_index(OBJECT).sort_index() for folder in folders]
    found = [set(frame.index) for frame in indexed]
    common = set.intersection(*found)
    if not common:
        raise RunError(f"{folders[0].path}: shares no object with the other folders; report them apart")
    frames = [frame[frame.index.isin(common)].reset_index() for frame in indexed]
    return frames, len(set.union(*found)) - len(common)


def _names(folders: Sequence[ClickFolder]) -> list[str]:
    """The methods' names; if they are not unique, with the source of the prompts, or else with the folder."""
    names = [str(folder.summary.get("method")) for folder in folders]
    for add in (_who_points, lambda folder: folder.path.resolve().name):
        if len(set(names)) < len(names):
            names = [f"{name}, {add(folder)}" for name, folder in zip(names, folders, strict=True)]
    return names


def _who_points(folder: ClickFolder) -> str:
    protocol = folder.summary["protocol"]
    first = folder.summary.get("first_robot") or protocol["first"]
    return f"{first} then {protocol['robot']}"


def _needed_measures() -> list[ClickMeasure]:
    return [measure for key, measure in click_measures().items() if key.startswith("noc_")]


def _quality_measures(cap: int) -> list[ClickMeasure]:
    """Dice after every number of clicks, its area, and ASSD at both ends."""
    measures = click_measures(cap)
    dice = [key for key in measures if key.startswith("dice_") and key != "dice_auc"]
    return [measures[key] for key in (*dice, "dice_auc", "assd_mm_first", f"assd_mm_{cap}")]


def _rows(name: str, frame: pd.DataFrame, cap: int) -> list[ClickRow]:
    table = summarise_clicks(frame, cap=cap)
    by_label = table.set_index("measure").groupby("label", sort=False)
    return [_row(name, str(label), of_label, frame, cap) for label, of_label in by_label]


def _row(name: str, label: str, table: pd.DataFrame, frame: pd.DataFrame, cap: int) -> ClickRow:
    cells: dict[str, dict[str, float]] = table.to_dict("index")  # type: ignore[assignment]  # labels of rows are str

    def estimate(measure: str) -> Estimate:
        row = cells[measure]
        return Estimate(row["mean"], row["low"], row["high"])

    objects = frame if label == MEAN_OVER_LABELS else frame[frame["label"] == label]
    seconds = seconds_per_turn(objects)
    return ClickRow(
        name=name,
        label=label,
        needed=tuple(
            NeededClicks(
                measure, estimate(measure.key), int(cells[measure.key]["failures"]), int(cells[measure.key]["objects"])
            )
            for measure in _needed_measures()
        ),
        quality=tuple((measure, estimate(measure.key)) for measure in _quality_measures(cap)),
        seconds=tuple((measure, seconds[turn]) for turn, measure in _SECONDS.items()),
    )


def _in_words(rows: Sequence[ClickRow], frame: pd.DataFrame) -> str:
    patients = frame["patient"].nunique()
    overall = [row for row in rows if row.label == MEAN_OVER_LABELS]
    best = min(overall, key=lambda row: row.needed[1].clicks.mean)
    needed = best.needed[1]
    digits = needed.measure.digits
    if all(row.needed[1].failed == row.needed[1].objects for row in overall):
        return (
            f"No protocol reached a Dice of 0.90 on any of {needed.objects} objects of {patients} "
            f"patient{'s' * (patients != 1)}."
        )
    verb = "needs the fewest clicks for" if len(overall) > 1 else "needs for"
    reached = f"{words.number(needed.clicks.mean, digits)} clicks {words.span(needed.clicks, digits)}".strip()
    return (
        f"{best.name} {verb} a Dice of 0.90: {reached} on {needed.objects} objects of {patients} "
        f"patient{'s' * (patients != 1)}; {needed.failed} did not reach it."
    )


def _panels(names: Sequence[str], frames: Sequence[pd.DataFrame], cap: int) -> list[Panel]:
    panels = []
    common = set.intersection(*(set(frame.columns) for frame in frames))
    for quality in qualities(common):
        curves = [
            ClickCurve(name, index, curve_over_clicks(frame, quality.key, cap=cap))
            for index, (name, frame) in enumerate(zip(names, frames, strict=True))
        ]
        chart = draw_click_curves(curves, cap, f"{quality.title} over clicks", highest=quality.highest)
        if chart:
            panels.append(Panel(quality.title, chart))
    return panels


def _facts(folder: ClickFolder) -> list[tuple[str, str]]:
    summary: Mapping[str, Any] = folder.summary
    data, protocol = summary["data"], summary["protocol"]
    origin = "another store than the run's" if summary["unseen_store"] else "the run's own store"
    split = (
        "all cases"
        if data["part"] == "all"
        else f"{data['part']} part of {describe(data['split'])}, fold {data['fold']}"
    )
    unit = "slices" if data["dimensions"] == 2 else "cases"
    size = f"{describe(data['size_voxel'])} pixels" if data["size_voxel"] else ""
    grid = size or (f"{describe(data['spacing_mm'])} mm" if data["spacing_mm"] else "that of the image")
    jitter = protocol["jitter_voxel"]
    return [
        ("Method", f"{describe(summary['method'])}, checkpoint {describe(summary['checkpoint'])}"),
        ("Data", f"{describe(data['source'])}, {origin}, hash {str(data['data_hash'])[:12]}; {split}"),
        ("Reference", f"{describe(data['reference'])}: {describe(data['labels'])}"),
        ("Objects", f"{summary['objects']}, by {unit}, of at least {protocol['min_voxels']} voxels"),
        ("Without strokes, left out", describe(summary["without_prompts"])),
        ("Grid", grid),
        ("First prompts", describe(summary["first_robot"] or protocol["first"])),
        ("Corrections", f"{protocol['robot']}, seed {protocol['seed']}"),
        ("Limits", f"{protocol['cap']} clicks, turns {describe(protocol['turns'] or 'unlimited')}"),
        ("Slips of the hand", "those of the robots" if jitter is None else f"{jitter:g} voxels"),
        ("Device", describe(summary["device"])),
    ]
