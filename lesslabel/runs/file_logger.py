"""The base of a run's loggers: every logged value is written to a file immediately."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from lesslabel.errors import RunError


class FileLogger(Logger):
    """Appends logged values to a file, which is created with the first value.

    Args:
        path: the file; an existing one is continued.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    @property
    def name(self) -> str:
        """Name that Lightning asks for."""
        return self.path.stem

    @property
    def version(self) -> str:
        """Version that Lightning asks for."""
        return ""

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the run folder holds the configuration."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append all values of a step.

        Raises:
            RunError: if the file cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.append(metrics, step, new=not self.path.exists())
        except OSError as error:
            raise RunError(
                f"{self.path}: cannot be written ({error.strerror}); free some space, then resume the run"
            ) from error

    @abstractmethod
    def append(self, metrics: dict[str, float], step: int | None, *, new: bool) -> None:
        """Append the values of a step to the file; `new` if it is not there yet."""
