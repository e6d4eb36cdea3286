"""The configuration files of a run, and the parts that they share.

A part is a group of settings that is the path of a file, ``data: ../_data/acdc_scribbles.yaml``.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from lesslabel.errors import ConfigError
from lesslabel.files import is_file, parse_yaml
from lesslabel.runs.settings import CONFIG, Settings

_GROUPS = {"model": "class_path and init_args", "data": "class_path and init_args", "trainer": "of the trainer"}
_ENDINGS = (".yaml", ".yml")


def config_files(settings: Settings) -> list[Path]:
    """The configuration files that settings name."""
    files = [setting for setting in settings.given if setting.name == CONFIG and setting.content() is None]
    return [Path(setting.value) for setting in files if setting.value is not None]


def read_yaml(path: Path, keys: str = "model, data and trainer") -> dict[str, Any]:
    """Read a configuration file.

    Args:
        path: the file.
        keys: which it should have, for the error.

    Raises:
        ConfigError: if it is absent or no YAML mapping.
    """
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name a configuration file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        reason = " ".join(str(getattr(error, "problem", None) or error).split())
        raise ConfigError(f"{path}: not a YAML file ({place}{reason}); correct it") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: a configuration holds the keys {keys}, and this file does not")
    return content


def read_config(config: Path) -> dict[str, Any]:
    """Read a configuration with its shared parts in place.

    Raises:
        ConfigError: if it or a part is absent or no YAML mapping; names both.
    """
    content = read_yaml(config)
    return {**content, **{group: _read_part(config, group, part) for group, part in _parts(config, content).items()}}


def shared_files(config: Path) -> list[Path]:
    """The files that a configuration takes settings from: its groups, and every other file that it names by a path.

    Raises:
        ConfigError: as `read_config`.
    """
    content = read_yaml(config)
    parts = _parts(config, content)
    texts = {config: content, **{part: _read_part(config, group, part) for group, part in parts.items()}}
    named = [file.parent / text for file, content in texts.items() for text in _paths(content)]
    return list(dict.fromkeys([*parts.values(), *filter(is_file, named)]))


def _parts(config: Path, content: Mapping[str, Any]) -> dict[str, Path]:
    """The files of the groups, relative to the configuration's own, as the parser takes them."""
    named = {group: content[group] for group in _GROUPS if isinstance(content.get(group), str)}
    return {group: config.parent / text for group, text in named.items() if text.endswith(_ENDINGS)}


def _read_part(config: Path, group: str, part: Path) -> dict[str, Any]:
    if not is_file(part):
        raise ConfigError(f"{config}: {group}: {part} is no file; paths begin at the configuration that names them")
    try:
        return read_yaml(part, _GROUPS[group])
    except ConfigError as error:
        raise ConfigError(f"{config}: {group}: {error}") from error


def _paths(value: object) -> Iterator[str]:
    """Every text in plain values that could be the path of a configuration."""
    if isinstance(value, str) and value.endswith(_ENDINGS):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _paths(each)
    elif isinstance(value, list):
        for each in value:
            yield from _paths(each)
