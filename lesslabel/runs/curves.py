"""The log of a run as one long table that survives interruption."""

import csv
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from lesslabel.errors import RunError
from lesslabel.files import written_aside

_COLUMNS = ("step", "name", "value")


class CurveLogger(Logger):
    """Appends every logged value as one row (step, name, value) to a CSV file.

    Long rather than wide: a new metric needs no new column, so nothing is rewritten while a run goes on.

    Args:
        path: the CSV file; an existing one is continued.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    @property
    def name(self) -> str:
        """Name that Lightning asks for."""
        return "curves"

    @property
    def version(self) -> str:
        """Version that Lightning asks for."""
        return ""

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the run folder holds the configuration."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append one row per metric.

        Raises:
            RunError: if the disk refuses.
        """
        rows = [(step, name, f"{value:.6g}") for name, value in metrics.items() if name != "epoch"]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = not self.path.exists()
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([_COLUMNS, *rows] if new else rows)
        except OSError as error:
            raise RunError(
                f"{self.path}: cannot be written ({error.strerror}); free some space, then resume the run"
            ) from error

    @rank_zero_only
    def forget_after(self, step: int) -> None:
        """Drop rows beyond a step: what a resumed run will log again."""
        if not self.path.exists():
            return
        with self.path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["value"] and int(row["step"]) < step]
        with written_aside(self.path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, _COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
