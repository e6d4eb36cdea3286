"""The folder of an adaptation: its description, and stages that are resumed after an interruption."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import yaml

from lesslabel.adaptation import ADAPTATION
from lesslabel.bundle import Bundle
from lesslabel.data.store import Store
from lesslabel.errors import ConfigError, RunError
from lesslabel.files import read_json, write_json, write_text
from lesslabel.privacy import argument_without_folders
from lesslabel.runs.fitting import fit, is_main_process
from lesslabel.runs.folder import RunFolder
from lesslabel.runs.settings import Config, Overrides, Settings

_DECIDED = ("run", "weights", "ckpt_path")


class Training(Protocol):
    """The function that makes the run of a stage: `fit` or `adopt`."""

    def __call__(
        self,
        config: Config,
        *,
        overrides: Overrides | None = None,
        run: str | Path | None = None,
        weights: str | Path | None = None,
        resume: bool = False,
    ) -> RunFolder:
        """Make the run; see `fit`."""


def begin_adaptation(out: Path, bundle: Bundle, store: Path, choices: Mapping[str, Any], settings: Settings) -> None:
    """Write the description of the adaptation; refuse another one once a stage was trained.

    Raises:
        ConfigError: if the caller must not choose a setting.
        RunError: if the folder holds another adaptation (names the difference), or this is one of several processes.
    """
    for name in _DECIDED:
        if settings.values_of(name):
            raise ConfigError(f"--{name} is decided by lesslabel adapt; leave it out")
    if not is_main_process():
        raise RunError("an adaptation runs in one process; leave trainer.devices and trainer.strategy out")
    description = {
        "model_sha256": bundle.model_sha256,
        "data_hash": Store(store).data_hash,
        **choices,
        "settings": [argument_without_folders(setting) for setting in settings.words()],
    }
    path = out / ADAPTATION
    if out.exists() and not path.is_file():
        raise RunError(f"{out}: exists already and is no adaptation; choose another folder")
    begun = read_json(path, "the description of an adaptation") if path.is_file() else {}
    changed = [key for key in sorted(description.keys() | begun.keys()) if begun.get(key) != description.get(key)]
    if changed and any(entry.is_dir() for entry in out.glob("*")):
        raise RunError(f"{out}: holds an adaptation with another {', '.join(changed)}; choose another folder")
    write_json(path, description)


def train_stage(
    run: Path,
    config: Mapping[str, Any],
    weights: Path,
    settings: Settings,
    training: Training = fit,
) -> RunFolder:
    """Start a run from weights, or resume it.

    Args:
        run: its folder; the configuration is written beside it.
        config: the configuration.
        weights: the weights that the training starts from.
        settings: they override the configuration.
        training: `fit` or `adopt`.
    """
    file = run.with_suffix(".yaml")
    write_text(file, yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True))
    if has_begun(run):
        return training(file, run=run, overrides=settings, resume=True)
    if run.exists():  # interrupted in the first epoch
        shutil.rmtree(run)
    return training(file, run=run, overrides=settings, weights=weights)


def has_begun(run: Path) -> bool:
    """Whether a stage has a checkpoint to resume from; it needs no weights to start from then."""
    return (run / "checkpoints" / "last.ckpt").is_file()
