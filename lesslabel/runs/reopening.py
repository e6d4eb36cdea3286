"""A finished run made again from its folder: configuration, data, method, and the weights of a checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lesslabel.errors import ConfigError, RunError
from lesslabel.runs.callbacks import SafeCheckpointIO
from lesslabel.runs.config_files import values_of
from lesslabel.runs.folder import RunFolder
from lesslabel.runs.parsing import RunCLI, parse_run


@dataclass(frozen=True)
class FinishedRun:
    """A run whose configuration was read again.

    Attributes:
        parsed: its method, with fresh weights until they are loaded, and its data module.
        folder: where it lies.
        checkpoint: file of the weights to use: the named one, or else the best, or else the last.
    """

    parsed: RunCLI
    folder: RunFolder
    checkpoint: Path

    def require_same_data(self) -> None:
        """Check that store, split and view are those that the run was trained with.

        Raises:
            RunError: names what changed.
        """
        self.folder.require_same_data(self.parsed.datamodule.describe())

    def load_weights(self) -> None:
        """Give the method the weights of the checkpoint, ready to predict.

        Raises:
            RunError: if the checkpoint is damaged, or of another method or network.
        """
        content = SafeCheckpointIO().load_checkpoint(self.checkpoint)
        self.parsed.model.on_load_checkpoint(content)
        self.parsed.model.load_state_dict(content["state_dict"])
        self.parsed.model.eval()

    def read_iteration(self) -> int:
        """Read how many iterations the checkpoint was trained for."""
        return int(SafeCheckpointIO().load_checkpoint(self.checkpoint)["global_step"])


def parse_again(arguments: Sequence[str]) -> FinishedRun:
    """Read the configuration of a finished run; its data need not be at hand.

    Args:
        arguments: ``--run`` and the folder; whatever else they hold overrides the configuration.

    Raises:
        ConfigError: if they name no run, or a setting that there is not.
        RunError: if there is no finished run.
    """
    named = values_of("--run", arguments)
    if not named:
        raise ConfigError("--run is missing: name the folder of the run")
    folder = RunFolder(Path(named[-1]))
    if not folder.config.is_file():
        raise RunError(f"{folder.path}: no run here (no config.yaml); make one with `lesslabel fit`")
    parsed = parse_run(["--config", str(folder.config), "--ckpt_path", "auto", *arguments])
    return FinishedRun(parsed, folder, folder.checkpoint(str(parsed.config["ckpt_path"])))


def reopen_run(arguments: Sequence[str]) -> FinishedRun:
    """Make a finished run again and check that its method and the data fit; see `parse_again` for the rest."""
    run = parse_again(arguments)
    run.parsed.require_fitting_data()
    return run


def reopen_with_weights(arguments: Sequence[str]) -> FinishedRun:
    """Make a finished run again, on the data it was trained with and with the weights of its checkpoint.

    Args:
        arguments: see `parse_again`.

    Raises:
        RunError: if there is no finished run, its data changed, or its checkpoint cannot be used.
    """
    run = reopen_run(arguments)
    run.require_same_data()
    run.load_weights()
    return run
