"""The log of a run as one long table that survives interruption."""

import csv

from pytorch_lightning.utilities import rank_zero_only

from lesslabel.csv_table import read_rows
from lesslabel.files import written_aside
from lesslabel.runs.file_logger import FileLogger

_COLUMNS = ("step", "name", "value")


class CurveLogger(FileLogger):
    """Appends every logged value as one row (step, name, value) to a CSV file.

    Long rather than wide: a new metric needs no new column, so nothing is rewritten while a run goes on.

    Args:
        path: the CSV file; an existing one is continued.
    """

    def append(self, metrics: dict[str, float], step: int | None, *, new: bool) -> None:
        """Append one row per metric."""
        rows = [(step, name, f"{value:.6g}") for name, value in metrics.items() if name != "epoch"]
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([_COLUMNS, *rows] if new else rows)

    @rank_zero_only
    def forget_after(self, step: int) -> None:
        """Drop rows beyond a step: what a resumed run will log again."""
        if not self.path.exists():
            return
        logged = [row.cells for row in read_rows(self.path, fix="remove it").rows]
        rows = [cells for cells in logged if cells.get("value") and int(cells["step"]) < step]
        with written_aside(self.path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, _COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
