"""What a comparison of methods says: a table, a picture, and what to use next with its doubts."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd

from lesslabel.evaluation import MEAN_OVER_LABELS, compare, summarise
from lesslabel.files import write_text
from lesslabel.markdown import markdown_table
from lesslabel.studies.contenders import CONTENDERS
from lesslabel.studies.curve import CurvePoint, draw_curves
from lesslabel.studies.declaration import Study, read_study
from lesslabel.tables import read_scores
from lesslabel.tables.costs import read_runs

_TABLE, _CSV, _PICTURE = "comparison.md", "comparison.csv", "comparison.svg"
_FEWEST_PATIENTS = 6
"""With fewer, no paired rank test can reach p < 0.05, and a bootstrap interval is far too short."""
_LONGER = 30_000
"""Iterations of the training that is recommended next."""
_LEARNT = 0.2
"""A mean Dice below this says that no method has learnt much yet."""


@dataclass(frozen=True)
class Compared:
    """The result of one method.

    Attributes:
        method: its name.
        dice: mean over labels and patients.
        low: lower end of its 95 % bootstrap interval over patients.
        high: upper end.
        hd95_mm: mean HD95.
        minutes: mean time of a training and its test.
        difference: Dice minus that of the best method, paired by patient; NaN for the best.
        difference_low: lower end of its interval.
        difference_high: upper end.
    """

    method: str
    dice: float
    low: float
    high: float
    hd95_mm: float
    minutes: float
    difference: float = math.nan
    difference_low: float = math.nan
    difference_high: float = math.nan


def compare_methods(folder: Path) -> list[Compared]:
    """Compare the declared methods of a study that have results with the best of them; the highest Dice comes first.

    Args:
        folder: of the experiment.

    Raises:
        LesslabelError: if a file is missing or damaged.
    """
    scores, runs = read_scores(folder), read_runs(folder)
    own = {name: scores[scores["method"] == name] for name in (method.name for method in read_study(folder).methods)}
    means = {name: _means(rows) for name, rows in own.items() if len(rows)}
    names = sorted(means, key=lambda name: -means[name]["dice"]["mean"])
    results = []
    for name in names:
        dice, minutes = means[name]["dice"], runs[runs["method"] == name]["minutes"]
        result = Compared(
            name, dice["mean"], dice["low"], dice["high"], means[name]["hd95"]["mean"], float(minutes.mean())
        )
        if name != names[0]:
            table = compare(own[name], own[names[0]], "dice")
            paired = _floats(table[table["label"] == MEAN_OVER_LABELS].set_index("metric"))["dice"]
            result = replace(
                result,
                difference=paired["difference"],
                difference_low=paired["low"],
                difference_high=paired["high"],
            )
        results.append(result)
    return results


def advise(results: Sequence[Compared], patients: int, seeds: int) -> str:
    """Say what to use next, and how sure that is.

    Args:
        results: of `compare_methods`, one or more.
        patients: that were scored.
        seeds: trainings of each method.
    """
    best, *others = results
    if best.dice < _LEARNT:
        return (
            f"No method has learnt much yet (best: {best.method}, Dice {best.dice:.2f}), so their order means nothing: "
            "give them a larger --budget."
        )
    close = ", ".join(f"{one.method} ({one.difference:+.3f})" for one in others if one.difference_high >= 0.0)
    if not others:
        doubt = "it has no rival here"
    elif patients < _FEWEST_PATIENTS:
        doubt = f"{patients} scored patient{'s are' if patients != 1 else ' is'} too few to tell any method from it"
    elif close:
        doubt = f"{patients} patients do not tell it from {close}"
    else:
        doubt = f"the 95 % intervals over {patients} patients put all others behind it"
    trained = "one short training each" if seeds == 1 else f"{seeds} short trainings each"
    return (
        f"Use {best.method} next (Dice {best.dice:.3f} {_interval(best.low, best.high)}); but {doubt}, and this is "
        f"{trained}, after which the order can still change: before you rely on it, train it and the closest ones "
        "longer, with more seeds."
    )


def write_comparison(folder: Path) -> str:
    """Write ``comparison.csv``, ``comparison.md`` and the picture ``comparison.svg`` of Dice over minutes.

    Returns:
        The table and the advice.

    Raises:
        LesslabelError: if a file is missing or damaged.
    """
    study, results, patients = read_study(folder), compare_methods(folder), read_scores(folder)["patient"].nunique()
    write_text(folder / _CSV, pd.DataFrame([asdict(one) for one in results]).to_csv(index=False, float_format="%.4g"))
    parts = [_in_markdown(results), advise(results, patients, len(study.seeds))]
    known = {one.method for one in results}
    if absent := [method.name for method in study.methods if method.name not in known]:
        parts.append(f"Without results: {', '.join(absent)}; the same command trains them.")
    parts.append(_next_command(study, results[0].method))
    picture = [f"![Dice over minutes]({_PICTURE})"] if _draw(folder, results) else []
    write_text(folder / _TABLE, "\n\n".join([*parts, *picture]) + "\n")
    return "\n\n".join(parts)


def _means(scores: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Mean over labels and patients with its interval, by metric."""
    summary = summarise(scores)
    return _floats(summary[summary["label"] == MEAN_OVER_LABELS].set_index("metric"))


def _floats(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """The numbers of each row by the name of their column."""
    return {
        str(index): {str(key): float(value) for key, value in row.items() if key != "label"}
        for index, row in table.iterrows()
    }


def _in_markdown(results: Sequence[Compared]) -> str:
    rows = []
    for one in results:
        dice = f"{one.dice:.3f} {_interval(one.low, one.high)}"
        behind = f"{one.difference:+.3f} {_interval(one.difference_low, one.difference_high)}"
        behind = "–" if math.isnan(one.difference) else behind
        rows.append([one.method, dice, f"{one.hd95_mm:.1f}", f"{one.minutes:.1f}", behind])
    return markdown_table(["method", "Dice", "HD95 (mm)", "minutes", "Dice to the first"], rows)


def _interval(low: float, high: float) -> str:
    return f"[{low:.3f}, {high:.3f}]"


def _draw(folder: Path, results: Sequence[Compared]) -> bool:
    """Draw Dice over the minutes of a training; nothing if all took equally long."""
    points = {
        one.method: [CurvePoint(one.method, 1, one.minutes, one.dice, one.low, one.high)]
        for one in results
        if one.minutes > 0.0
    }
    if len({point.minutes for (point,) in points.values()}) < 2:
        return False
    write_text(folder / _PICTURE, draw_curves(points, "minutes", "minutes of training and test") + "\n")
    return True


def _next_command(study: Study, name: str) -> str:
    """How a method of the study is trained for longer."""
    (method,) = (one for one in study.methods if one.name == name)
    configs = " ".join(f"--config {config}" for config in (*method.configs, *study.configs))
    (contender,) = (one for one in CONTENDERS if one.name == name)
    longer = {f"model.{key}": value for key, value in contender.shares(_LONGER).items()}
    settings = " ".join(f"--{key} {value}" for key, value in {**method.settings, **longer}.items())
    command = f"lesslabel fit {configs} {settings}".rstrip()
    return (
        "Its longer training, with as many iterations as you have time for:\n\n"
        f"    {command} --trainer.max_steps {_LONGER} --data.steps_per_epoch 500 --run runs/next"
    )
