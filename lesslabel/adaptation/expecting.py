"""The expected Dice of a model on a store that nobody annotated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lesslabel.adaptation.feature_sources import FeatureSource, Part, open_source
from lesslabel.data.verify.soundness import keep_sound
from lesslabel.data.view import require_reference
from lesslabel.disagreement import has_dropout
from lesslabel.errors import ConfigError, DataError
from lesslabel.expectation.calibration import Calibration, average, fit_calibration
from lesslabel.expectation.measuring import Evidence, measure_cases
from lesslabel.expectation.trust import Expectation, expect_case, least_usual
from lesslabel.files import written_aside
from lesslabel.runs.geometry import warn_of_differences
from lesslabel.runs.reopening import reopen_with_weights
from lesslabel.runs.testing import Part as PartName
from lesslabel.runs.trainer import evaluation_trainer
from lesslabel.terminal import print_warning


@dataclass(frozen=True)
class ExpectationSummary:
    """A summary of the expected Dice of a store.

    Attributes:
        cases: the number of cases.
        trusted: the number of them without a reason for doubt.
        dice: mean expected Dice; NaN if nothing is predicted in any case.
        source_dice: mean real Dice of the source's validation cases.
        least_usual: expected Dice below which a case is not trusted.
        mean_absolute_error: between expected and real Dice; None without a comparison.
        rank_correlation: Spearman's, between the two; None without a comparison.
        compared: the number of cases that were compared.
    """

    cases: int
    trusted: int
    dice: float
    source_dice: float
    least_usual: float
    mean_absolute_error: float | None = None
    rank_correlation: float | None = None
    compared: int = 0


def expect(
    store: str | Path,
    out: str | Path,
    *,
    bundle: str | Path | None = None,
    run: str | Path | None = None,
    part: PartName = "all",
    compare: bool = False,
    split: str | None = None,
    fold: int | None = None,
    allow_missing: bool = False,
    centres: Sequence[str] | None = None,
    workers: int = 0,
    skip_damaged: bool = False,
    describe: Callable[[ExpectationSummary], None] | None = None,
) -> pd.DataFrame:
    """Predict the cases of a store and write the Dice to expect of each; labels are not used.

    Args:
        store: the store.
        out: the CSV file to write.
        bundle: the bundle whose model predicts; it holds the calibration.
        run: a finished run whose model predicts, instead; it is calibrated on its own validation part.
        part: of the store.
        compare: also score against the reference annotation of the store, where a case has it.
        split: see `Part`, as the next four.
        fold: the same.
        allow_missing: the same.
        centres: the same.
        workers: the same.
        skip_damaged: skip and list the cases in which `lesslabel verify` finds an error.
        describe: called with a summary after the file is written.

    Returns:
        A row for each case, the least trusted first, with the columns ``case, expected_dice, low, high, trust, doubts,
        by_confidence, by_agreement``, then ``expected_dice NAME`` for each class, and ``dice`` with a comparison.

    Raises:
        ConfigError: if neither or both of bundle and run are given, or the model is not calibrated.
        DataError: if the file exists, or bundle or store are absent or damaged.
        RunError: if there is no such run, or its data changed.
    """
    path = Path(out)
    if path.exists():
        raise DataError(f"{path}: exists already; choose another name or remove it first")
    if bundle is None and run is None:
        raise ConfigError("--bundle and --run are missing: name the model that predicts")
    source = open_source(bundle, run, store, Part(split, fold, allow_missing, centres, workers))
    calibration = _calibration(source, run)
    data, records = source.data, source.data.records(part)
    warn_of_differences(data, records, source.geometry)
    if compare:
        require_reference(data.view, records, part)
    uids, _ = keep_sound(data.store, [each.uid for each in records], skip_damaged=skip_damaged, tell=print_warning)
    if source.method is None or not uids:
        raise DataError(f"{data.store.path}: the {part} part holds no case; choose another with --part")
    model = source.method()
    if not has_dropout(model):
        print_warning(
            "the model has no dropout, so that its confidence decides alone, blind to what it is wrongly sure of: "
            "better trust a model trained with network.encoder_dropout"
        )
    cases = list(measure_cases(model, data, uids, with_reference=compare))
    names = data.mapping.names[1:]
    expected = [expect_case(case, calibration, names) for case in cases]
    table = _tabulate(expected, cases, names, compared=compare)
    with written_aside(path) as aside:
        table.to_csv(aside, index=False, float_format="%.4f")
    if describe is not None:
        describe(_summarise(table, calibration))
    return table


def _calibration(source: FeatureSource, run: str | Path | None) -> Calibration:
    """That of the bundle, or of the validation part of the run."""
    if source.bundle is not None:
        if source.bundle.manifest.expectation is None:
            raise ConfigError(
                f"{source.bundle.path}: no calibration, which takes five validation patients whose labels and "
                "predictions hold every class; the source exports a run with more"
            )
        return source.bundle.manifest.expectation
    parsed = reopen_with_weights(Path(str(run))).parsed
    uids = [record.uid for record in parsed.datamodule.records("validation")]
    model = parsed.model.to(evaluation_trainer(parsed, []).strategy.root_device)
    found = fit_calibration(list(measure_cases(model, parsed.datamodule, uids, with_reference=True)) if uids else [])
    if found is None:
        raise ConfigError(
            f"{run}: no calibration, which takes five validation patients whose labels and predictions hold every "
            "class; use a run with more, or the bundle of a source"
        )
    return found


def _tabulate(
    expected: Sequence[Expectation], cases: Sequence[Evidence], names: Sequence[str], *, compared: bool
) -> pd.DataFrame:
    rows = [
        {
            "case": one.uid,
            "expected_dice": one.dice,
            "low": one.low,
            "high": one.high,
            "trust": "no" if one.doubts else "yes",
            "doubts": "; ".join(one.doubts),
            "by_confidence": one.by_confidence,
            "by_agreement": one.by_agreement,
            **{f"expected_dice {name}": dice for name, dice in zip(names, one.by_class.tolist(), strict=True)},
            **({"dice": np.nan if case.dice is None else average(case.dice[1:])} if compared else {}),
        }
        for one, case in zip(expected, cases, strict=True)
    ]
    return pd.DataFrame(rows).sort_values(["trust", "expected_dice", "case"], na_position="first", ignore_index=True)


def _summarise(table: pd.DataFrame, calibration: Calibration) -> ExpectationSummary:
    compared = table.dropna(subset=["dice", "expected_dice"]) if "dice" in table else table.iloc[:0]
    error = correlation = None
    if len(compared):
        error = float((compared["expected_dice"] - compared["dice"]).abs().mean())
        correlation = float(compared["expected_dice"].rank().corr(compared["dice"].rank()))
    return ExpectationSummary(
        cases=len(table),
        trusted=int((table["trust"] == "yes").sum()),
        dice=float(table["expected_dice"].mean()),
        source_dice=calibration.dice,
        least_usual=least_usual(calibration),
        mean_absolute_error=error,
        rank_correlation=correlation,
        compared=len(compared),
    )
