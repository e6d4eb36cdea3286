"""Open a finished run: configuration, data, method, and the weights of a checkpoint."""

from dataclasses import dataclass
from pathlib import Path

from lesslabel.errors import RunError
from lesslabel.methods import SegmentationMethod
from lesslabel.runs.callbacks import SafeCheckpointIO
from lesslabel.runs.folder import RunFolder
from lesslabel.runs.parsing import RunCLI, parse_run
from lesslabel.runs.settings import Overrides, settings_of


@dataclass(frozen=True)
class FinishedRun:
    """An opened run.

    Attributes:
        parsed: its method (untrained until the weights are loaded) and its data module.
        folder: its folder.
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


def parse_again(run: Path, overrides: Overrides | None = None, checkpoint: str = "auto") -> FinishedRun:
    """Read the configuration of a finished run, without its data.

    Args:
        run: its folder.
        overrides: values of settings; they override the run's configuration.
        checkpoint: see `RunFolder.checkpoint`.

    Raises:
        ConfigError: if there is no such setting.
        RunError: if there is no finished run.
    """
    folder = RunFolder(run)
    if not folder.config.is_file():
        raise RunError(f"{folder.path}: no run here (no config.yaml); make one with `lesslabel fit`")
    own = settings_of(folder.config).with_value("ckpt_path", checkpoint).with_value("run", run)
    parsed = parse_run(own + settings_of(overrides=overrides))
    return FinishedRun(parsed, folder, folder.checkpoint(str(parsed.config["ckpt_path"])))


def reopen_run(run: Path, overrides: Overrides | None = None, checkpoint: str = "auto") -> FinishedRun:
    """Open a finished run and check that its method and the data fit; see `parse_again`."""
    finished = parse_again(run, overrides, checkpoint)
    finished.parsed.require_fitting_data()
    return finished


def reopen_with_weights(run: Path, overrides: Overrides | None = None) -> FinishedRun:
    """Open a finished run on the data of its training, with the weights of its checkpoint.

    Args:
        run: its folder.
        overrides: see `parse_again`.

    Raises:
        RunError: if there is no finished run, its data changed, or its checkpoint cannot be used.
    """
    finished = reopen_run(run, overrides)
    finished.require_same_data()
    finished.load_weights()
    return finished


def load_run(run: str | Path, overrides: Overrides | None = None) -> RunCLI:
    """Open a finished run with the weights of the best or else the last checkpoint.

    Args:
        run: its folder.
        overrides: values of settings; they override the run's configuration.

    Raises:
        RunError: if there is no finished run, or its data changed.
    """
    return reopen_with_weights(Path(run), overrides).parsed


def load_model(run: str | Path) -> SegmentationMethod:
    """Load the method of a finished run with the weights of its best or else its last checkpoint.

    The data of the training are not needed, so that a model can be used elsewhere.

    Args:
        run: the run folder.

    Raises:
        RunError: if there is no finished run.
    """
    finished = parse_again(Path(run))
    finished.load_weights()
    model: SegmentationMethod = finished.parsed.model
    return model
