"""The paired differences of a table: methods against a baseline, with p corrected for their number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from lesslabel.evaluation.statistics import MEAN_OVER_LABELS, compare, holm_within
from lesslabel.markdown import shown_p_value

CORRECTED = "*p, corrected*: the Wilcoxon p after Holm, for the number of methods of this table, measure by measure."
"""The line below such a table."""
P_VALUES = ("Wilcoxon p", "p, corrected")


@dataclass(frozen=True, eq=False)
class Difference:
    """One method against the baseline in one measure.

    Attributes:
        method: its name.
        measure: the column of its scores.
        found: the row of `lesslabel.evaluation.statistics.compare` for the mean over labels.
        corrected: the Wilcoxon p after Holm.
    """

    method: str
    measure: str
    found: "pd.Series[float]"
    corrected: float

    @property
    def interval(self) -> str:
        """The difference and its 95 % interval."""
        return f"{self.found['difference']:+.3f} [{self.found['low']:+.3f}, {self.found['high']:+.3f}]"

    @property
    def p_values(self) -> list[str]:
        """The cells of `P_VALUES`."""
        return [shown_p_value(self.found["wilcoxon_p"]), shown_p_value(self.corrected)]


def paired_differences(
    rivals: pd.DataFrame, reference: pd.DataFrame, measures: Sequence[str], seed: int = 0
) -> Iterator[Difference]:
    """Compare each method with a baseline, measure by measure where both have it.

    Args:
        rivals: scores of the methods, see `lesslabel.evaluation.statistics.compare`, with the column ``method``.
        reference: those of the baseline.
        measures: columns of both.
        seed: of the bootstrap.
    """
    found = []
    for method, own in rivals.groupby("method", sort=True):
        for measure in measures:
            if own[measure].notna().any() and reference[measure].notna().any():
                table = compare(own, reference, measure, seed=seed)
                found.append((str(method), measure, table[table["label"] == MEAN_OVER_LABELS].iloc[0]))
    p_values = holm_within([measure for _, measure, _ in found], [row["wilcoxon_p"] for _, _, row in found])
    for (method, measure, row), corrected in zip(found, p_values, strict=True):
        yield Difference(method, measure, row, corrected)
