"""From the click folders of the experiment to its results and tables."""

from pathlib import Path

import pandas as pd
import yaml

from lesslabel.evaluation.clicks import OBJECT, at_clicks, clicks_needed
from lesslabel.evaluation.markdown import markdown_table
from lesslabel.evaluation.statistics import MEAN_OVER_LABELS, compare, summarise
from lesslabel.files import read_json, write_text

KEYS = ["set", "method", "seed"]
BASELINE = "MIDeepSeg EGD"
MEASURES = {
    "dice_first": "Dice, first",
    "dice_10": "Dice, 10 clicks",
    "dice_20": "Dice, 20 clicks",
    "assd_first_mm": "ASSD, first (mm)",
    "assd_20_mm": "ASSD, 20 clicks (mm)",
    "noc_85": "NoC@85",
    "noc_90": "NoC@90",
}


def collect(runs: Path, experiment: Path) -> None:
    """Take one row for every object of every protocol that was played into ``results.csv``."""
    rows = pd.concat(map(_objects_of, sorted(runs.glob("*/clicks/*/clicks.csv"))))
    order = [*KEYS, "annotator", "uid", "label", "slice"]
    rows = rows.sort_values(order)[[*order, *(name for name in rows.columns if name not in order)]]
    write_text(experiment / "results.csv", rows.to_csv(index=False, float_format="%.4g"))


def write_tables(experiment: Path) -> None:
    """Write ``table.md``: for each set of objects the methods, and their differences to the baseline."""
    results = pd.read_csv(experiment / "results.csv")
    protocol = yaml.safe_load((experiment / "protocol.yaml").read_text(encoding="utf-8"))
    pieces = [f"# {protocol.pop('name')}"]
    pieces.append("\n".join(f"- **{key.replace('_', ' ')}**: {_joined(value)}" for key, value in protocol.items()))
    for name, rows in results.groupby("set", sort=False):
        pieces += [f"## {name}", _table_of_set(rows)]
        if BASELINE in set(rows["method"]) and rows["method"].nunique() > 1:
            pieces += [f"Paired against {BASELINE}, on the same objects, tested over patients:", _differences(rows)]
    published = pd.read_csv(experiment / "published.csv", dtype=str)
    pieces += ["## Published figures", "Context only: other data, training and scoring.", _whole(published)]
    write_text(experiment / "table.md", "\n\n".join(pieces) + "\n")


def _joined(value: object) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def _whole(frame: pd.DataFrame) -> str:
    return markdown_table(list(frame.columns), frame.to_numpy().tolist())


def _objects_of(clicks: Path) -> pd.DataFrame:
    """One row per object of one protocol."""
    folder = clicks.parent
    frame, summary = pd.read_csv(clicks), read_json(folder / "summary.json", "the summary of a protocol")
    environment = read_json(folder.parents[1] / "environment.json", "the environment of a run")
    first, later = frame[frame["turn"] == 1].set_index(OBJECT), frame[frame["turn"] > 1]
    columns = {
        "dice_first": first["dice"],
        "assd_first_mm": first["assd_mm"],
        "clicks_first": first["clicks"],
        "seconds_first": first["seconds"],
    }
    if len(later):
        columns |= {f"dice_{count}": at_clicks(frame, [count])[count] for count in (10, 20)}
        columns |= {"assd_20_mm": at_clicks(frame, [20], "assd_mm")[20]}
        for percent in (85, 90):
            needed = clicks_needed(frame, percent / 100)
            columns |= {f"noc_{percent}": needed["clicks"], f"failed_{percent}": needed["failed"].astype(int)}
        columns["seconds_click"] = later.groupby(OBJECT)["seconds"].median()
    variant = " GC" if "graph_cut" in summary["settings"] else ""
    name, _, annotator = folder.name.removesuffix(variant).partition(", annotator ")
    return (
        pd.DataFrame(columns)
        .reset_index()
        .assign(
            set=f"{name}, people's scribbles" if annotator else name,
            annotator=annotator,
            method=summary["method"] + variant,
            seed=summary["protocol"]["seed"],
            commit=str(environment["commit"])[:10],
        )
    )


def _table_of_set(rows: pd.DataFrame) -> str:
    measures = [name for name in MEASURES if rows[name].notna().any()]
    header = [
        "method",
        "patients",
        "objects",
        "seeds",
        "clicks, first",
        *(MEASURES[name] for name in measures),
        "failed",
    ]
    lines = []
    for method, of_method in rows.groupby("method"):
        cells = [method, of_method["patient"].nunique(), len(of_method.drop_duplicates(OBJECT))]
        cells += [of_method["seed"].nunique(), f"{of_method['clicks_first'].mean():.1f}"]
        cells += [_interval(of_method, name) for name in measures]
        cells.append(f"{of_method['failed_90'].mean():.0%}" if of_method["noc_90"].notna().any() else "")
        lines.append(cells)
    return markdown_table(header, lines)


def _interval(rows: pd.DataFrame, measure: str) -> str:
    """Mean over patients with its interval, seeds, annotators and slices averaged first."""
    if rows[measure].isna().all():
        return ""
    as_dice = rows[["uid", "patient", "label"]].assign(dice=rows[measure])
    summary = summarise(as_dice).set_index("label").loc[MEAN_OVER_LABELS]
    return f"{summary['mean']:.3f} [{summary['low']:.3f}, {summary['high']:.3f}]"


def _differences(rows: pd.DataFrame) -> str:
    baseline, lines = rows[rows["method"] == BASELINE], []
    for method, of_method in rows[rows["method"] != BASELINE].groupby("method"):
        for measure in MEASURES:
            if of_method[measure].notna().any() and baseline[measure].notna().any():
                difference = compare(of_method, baseline, measure).set_index("label").loc[MEAN_OVER_LABELS]
                interval = f"{difference['difference']:+.3f} [{difference['low']:+.3f}, {difference['high']:+.3f}]"
                p_value = difference["wilcoxon_p"]
                shown = "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"
                lines.append([method, MEASURES[measure], interval, shown, int(difference["patients"])])
    return markdown_table(["method", "measure", f"difference to {BASELINE}", "Wilcoxon p", "patients"], lines)
