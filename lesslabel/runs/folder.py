"""The run folder: all files of one training; see `docs/formats.md`."""

import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import yaml

from lesslabel import __version__
from lesslabel.errors import RunError
from lesslabel.files import written_aside
from lesslabel.moved import same_class
from lesslabel.networks.pretrained import pretrained_of
from lesslabel.networks.shape import same_networks, with_current_network
from lesslabel.privacy import command_without_folders
from lesslabel.runs.config_files import read_yaml
from lesslabel.runs.defaults import with_later_settings
from lesslabel.runs.reading import CONFIG, DATA, ENVIRONMENT, RunFiles
from lesslabel.runs.settings import Settings
from lesslabel.runs.weights import describe_weights

_PACKAGES = (
    "torch",
    "pytorch-lightning",
    "monai",
    "numpy",
    "scipy",
    "pandas",
    "numba",
    "h5py",
    "nibabel",
    "scikit-image",
)
_FREE_KEYS = (
    *("run", "ckpt_path", "config", "wandb", "name", "data.init_args.workers", "data.init_args.resident"),
    *(f"trainer.{key}" for key in ("logger", "log_every_n_steps", "enable_progress_bar", "enable_model_summary")),
)
_DATA_OF_A_RUN = {
    "data_hash": "the content of the store",
    "label_names": "the list of classes",
    "parts": "the division into training, validation and test",
    "labelled": "the labels that the run may see",
    "labelled_slices": "the slices whose labels the run may see",
    "labelled_patches": "the patches whose labels the run may see",
    "overlays": "the annotations laid over the store",
}
_RESULTS = tuple(f":(top,exclude,glob)experiments/**/*.{kind}" for kind in ("csv", "json", "md", "svg"))
"""What studies of this repository write, for git."""


class RunFolder:
    """Paths and rules of one run folder.

    Args:
        path: the folder; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / CONFIG
        self.environment = path / ENVIRONMENT
        self.data = path / DATA
        self.checkpoints = path / "checkpoints"
        self.logs = path / "logs"
        self.test = path / "test"

    def start(
        self,
        config: Mapping[str, Any],
        data: Mapping[str, Any],
        seed: int,
        settings: Settings = Settings(),
        weights: Path | None = None,
    ) -> None:
        """Make the folder of a new run with all its descriptions, or no folder on an error.

        Args:
            config: the resolved configuration.
            data: description of the data that the run uses.
            seed: of the run.
            settings: as the user passed them.
            weights: file that the training starts from.

        Raises:
            RunError: if it exists.
        """
        if self.path.exists():
            raise RunError(
                f"{self.path}: exists already; choose another folder, or resume it with the same command and "
                "--ckpt_path last"
            )
        sources = {"weights": weights, "pretrained": pretrained_of(config["model"]["init_args"])}
        described = {name: describe_weights(Path(path)) for name, path in sources.items() if path is not None}
        texts = {
            self.config.name: yaml.safe_dump(dict(config), sort_keys=False),
            self.data.name: _json(data),
            self.environment.name: _json(describe_environment(seed, settings) | described),
        }
        with written_aside(self.path) as aside:
            aside.mkdir(parents=True)
            for name, text in texts.items():
                (aside / name).write_text(text, encoding="utf-8")

    def resume(self, config: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        """Check that a run may be resumed with this configuration and this data.

        A setting that did not exist when the run was made must have its default, which is what the run did.

        Raises:
            RunError: if there is nothing to resume, or the configuration or the data changed; names the change.
        """
        if not self.config.is_file():
            raise RunError(f"{self.path}: no run to resume here; start it without --ckpt_path")
        recorded = with_later_settings(with_current_network(read_yaml(self.config)), config)
        old, new = (_comparable(each) for each in (recorded, config))
        changed = sorted(key for key in old.keys() | new.keys() if not may_change(key) and old.get(key) != new.get(key))
        if changed:
            changes = "; ".join(f"{key}: {old.get(key)} → {new.get(key)}" for key in changed[:4])
            raise RunError(
                f"{self.path}: the configuration changed ({changes}); resume with the same, or start another run"
            )
        self.require_same_data(data)

    def require_same_data(self, data: Mapping[str, Any], keys: Sequence[str] = tuple(_DATA_OF_A_RUN)) -> None:
        """Check that the data are those of the training, so that no training patient is tested.

        Args:
            data: the present description of the data module.
            keys: what must be the same: the store's content, the parts, the labels shown, the class names.

        Raises:
            RunError: names what changed.
        """
        recorded = read_data(self)
        for key in keys:
            if recorded.get(key) != data.get(key):
                raise RunError(
                    f"{self.data}: {_DATA_OF_A_RUN[key]} changed since the run started; use the same store, split and "
                    "view, or start another run"
                )

    def checkpoint(self, name: str) -> Path:
        """Find a checkpoint.

        Args:
            name: ``best``, ``last`` or the path of a file; ``auto`` takes the best if there is one, else the last.

        Raises:
            RunError: if there is none of that name.
        """
        candidates = ["best", "last"] if name == "auto" else [name]
        for candidate in candidates:
            own = self.checkpoints / f"{candidate}.ckpt"
            for path in (own, Path(candidate)):
                if path.is_file():
                    return path
        present = ", ".join(sorted(path.stem for path in self.checkpoints.glob("*.ckpt")))
        fix = f"there is {present}" if present else "there is none yet; remove the folder and start the run again"
        raise RunError(f"{self.checkpoints}: no checkpoint '{name}'; {fix}")

    def after_interruption(self) -> str:
        """The message after an interrupted training."""
        if (self.checkpoints / "last.ckpt").is_file():
            return f"interrupted; go on with the same command and --ckpt_path last (run folder {self.path})"
        return f"{self.path}: interrupted before the first epoch was saved; remove the folder and start again"


def may_change(key: str) -> bool:
    """Whether a setting (dotted name) cannot change a result: names, logs, number of loading processes."""
    return any(key == free or key.startswith(f"{free}.") for free in _FREE_KEYS)


def read_data(folder: RunFolder) -> dict[str, Any]:
    """Read the description of a run's data."""
    if not folder.data.is_file():
        raise RunError(f"{folder.data}: no such file; expected the data of a run")
    return dict(RunFiles(folder.path).data)


def describe_environment(seed: int, settings: Settings = Settings()) -> dict[str, Any]:
    """Describe versions, machine and code state of a run, without host name, user name or absolute path.

    Args:
        seed: of the run.
        settings: of the run, as the user passed them.
    """
    return {
        "lesslabel": __version__,
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "platform": platform.platform(terse=True),
        "cpu": _cpu_name(),
        "threads": torch.get_num_threads(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        **git_state(Path(__file__).parent),
        "command": command_without_folders(["lesslabel", "fit", *settings.words()]),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
    }


def git_state(folder: Path) -> dict[str, Any]:
    """Commit of the code and whether files differ from it; both None outside a git checkout.

    What studies write is no code: their next job is of the same commit as their first.
    """
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ":(top)", *_RESULTS)
        return {"commit": commit, "dirty": bool(changed)}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _comparable(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings by dotted name, with old names replaced by new ones."""
    flat = flatten(same_networks(config))
    return {key: same_class(value) if key.endswith("class_path") else value for key, value in flat.items()}


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _git(folder: Path, *arguments: str) -> str:
    result = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return result.stdout.strip()


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{model} ({os.cpu_count()} cores)"
