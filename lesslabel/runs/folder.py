"""The run folder: where everything about one training lies. `docs/formats.md` says what is in it."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import yaml

from lesslabel import __version__
from lesslabel.errors import ConfigError, RunError
from lesslabel.files import write_json, write_text

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
_FREE_KEYS = ("run", "ckpt_path", "config", "wandb")


class RunFolder:
    """Paths and rules of one run folder.

    Args:
        path: the folder; need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.environment = path / "environment.json"
        self.data = path / "data.json"
        self.checkpoints = path / "checkpoints"
        self.logs = path / "logs"
        self.test = path / "test"

    def start(self, config: Mapping[str, Any], data: Mapping[str, Any], seed: int) -> None:
        """Make the folder of a new run.

        Raises:
            RunError: if it exists.
        """
        if self.path.exists():
            raise RunError(
                f"{self.path}: exists already; choose another folder, or resume it with the same command and "
                "--ckpt_path last"
            )
        self.path.mkdir(parents=True)
        write_text(self.config, yaml.safe_dump(dict(config), sort_keys=False))
        write_json(self.data, data)
        write_json(self.environment, describe_environment(seed))

    def resume(self, config: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        """Check that a run may go on with this configuration and this data.

        Raises:
            RunError: if there is nothing to resume, or the configuration or the data changed; names what.
        """
        if not self.config.is_file():
            raise RunError(f"{self.path}: no run to resume here; start it without --ckpt_path")
        old = flatten(read_yaml(self.config))
        new = flatten(config)
        changed = sorted(
            key
            for key in old.keys() | new.keys()
            if key.split(".")[0] not in _FREE_KEYS and old.get(key) != new.get(key)
        )
        if changed:
            changes = "; ".join(f"{key}: {old.get(key)} → {new.get(key)}" for key in changed[:4])
            raise RunError(
                f"{self.path}: the configuration changed ({changes}); resume with the same, or start another run"
            )
        if read_data(self)["data_hash"] != data["data_hash"]:
            raise RunError(
                f"{self.data}: the store changed since the run started; prepare the same data, or start another run"
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
        present = ", ".join(sorted(path.stem for path in self.checkpoints.glob("*.ckpt"))) or "none"
        raise RunError(
            f"{self.checkpoints}: no checkpoint '{name}' (there is {present}); the first appears after an epoch"
        )


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a configuration file.

    Raises:
        ConfigError: if it is absent or no YAML mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not a YAML file ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: a configuration is a mapping of keys to values")
    return content


def read_data(folder: RunFolder) -> dict[str, Any]:
    """Read what a run saw of its data."""
    from lesslabel.files import read_json

    content: dict[str, Any] = read_json(folder.data, "the data of a run")
    return content


def describe_environment(seed: int) -> dict[str, Any]:
    """What made a run: versions, machine, code state. No host name, user name or absolute path."""
    return {
        "lesslabel": __version__,
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "platform": platform.platform(terse=True),
        "cpu": _cpu_name(),
        "threads": torch.get_num_threads(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        **git_state(Path(__file__).parent),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
    }


def git_state(folder: Path) -> dict[str, Any]:
    """Commit of the code and whether it was changed since; both None outside a checkout."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))}
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
