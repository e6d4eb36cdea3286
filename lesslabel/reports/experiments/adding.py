"""Add tested runs to an experiment folder, and write its table and figure again."""

from collections.abc import Sequence
from pathlib import Path

from lesslabel.errors import ConfigError
from lesslabel.reports.experiments.figure import write_figure
from lesslabel.tables import add_run, write_table


def add_to_experiment(experiment: Path, runs: Sequence[Path]) -> Path:
    """Add tested runs to an experiment folder.

    Args:
        experiment: the folder; it holds protocol.yaml.
        runs: tested run folders.

    Returns:
        The table.

    Raises:
        ConfigError: if the folder has no protocol.
        LesslabelError: if a run is not tested or a file is damaged.
    """
    if not (experiment / "protocol.yaml").is_file():
        raise ConfigError(f"{experiment}: no protocol.yaml; write it first (docs/formats.md)")
    for run in runs:
        add_run(experiment, run)
    write_figure(experiment)
    return write_table(experiment)
