"""Settings that a configuration must not have: it may come from a stranger, and may write to the run's folder only.

The command line names the run folder and everything else that is written or sent. A configuration names settings of
the training and files that are read.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from lesslabel.errors import ConfigError

NAMED_BY_THE_PERSON = ("run", "config")
"""Keys of a configuration file that choose where to write, or which other file is read."""
DECIDED_BY_THE_RUN = ("default_root_dir", "logger")
"""Settings of the trainer that name a folder to write to; lesslabel writes into the run's."""
_OBJECTS = ("callbacks", "plugins", "profiler", "strategy", "accelerator")
"""Settings of the trainer that can name a class, which is imported and made."""
_KNOWN = ("pytorch_lightning.", "lightning.pytorch.", "lightning_fabric.", "lesslabel.")
_NAMES_A_FOLDER = re.compile(r"(^|_)(dir|dirpath|directory|path|folder|root)$")
_NAMES_A_FILE = re.compile(r"(^|_)(file|filename)$")


def require_own_folder(content: Mapping[str, Any], where: object) -> None:
    """Refuse a configuration file that chooses where to write, or makes an object of a class from elsewhere.

    Args:
        content: of the file, or a resolved configuration.
        where: names it in errors.

    Raises:
        ConfigError: names the key.
    """
    for key in NAMED_BY_THE_PERSON:
        if content.get(key) is not None:
            raise ConfigError(f"{where}: {key} is named on the command line, as --{key}; leave it out of the file")
    trainer = content.get("trainer")
    if isinstance(trainer, Mapping):
        require_own_trainer(trainer, where)


def require_own_trainer(trainer: Mapping[str, Any], where: object) -> None:
    """Refuse settings of a trainer that write elsewhere than into the run's folder; see `require_own_folder`."""
    for key in DECIDED_BY_THE_RUN:
        if trainer.get(key) not in (None, False, True):
            raise ConfigError(f"{where}: trainer.{key} is decided by lesslabel, which writes to --run; leave it out")
    for key in _OBJECTS:
        for path, name, value in _entries(trainer.get(key), key):
            if name == "class_path" and "." in str(value) and not str(value).startswith(_KNOWN):
                raise ConfigError(
                    f"{where}: trainer.{path} is {value}; a configuration makes objects of lightning and lesslabel "
                    f"alone, name others on the command line with --trainer.{key}"
                )
            if isinstance(value, str) and value and name != "class_path" and _is_a_place(name, value):
                raise ConfigError(
                    f"{where}: trainer.{path} is '{value}'; a run writes into its own folder, leave the place out"
                )


def leads_outside(path: str) -> bool:
    """Whether a path, in the spelling of any system, can lead out of the folder that it is put into."""
    parts = {*PurePosixPath(path).parts, *PureWindowsPath(path).parts}
    return bool(
        ".." in parts
        or path.startswith(("~", "/", "\\"))
        or PureWindowsPath(path).drive
        or PurePosixPath(path).is_absolute()
    )


def _is_a_place(name: str, value: str) -> bool:
    has_folder = "/" in value or "\\" in value
    return leads_outside(value) or bool(_NAMES_A_FOLDER.search(name) or (_NAMES_A_FILE.search(name) and has_folder))


def _entries(value: object, path: str, name: str = "") -> Iterator[tuple[str, str, object]]:
    """Every plain value with its place and the key that it is under."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _entries(each, f"{path}.{key}", str(key))
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from _entries(each, f"{path}[{index}]", name)
    else:
        yield path, name, value
