"""The settings of a run: configuration files and single values; later ones override earlier ones."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIG = "config"
"""The setting that names a configuration file; it may be given several times."""


@dataclass(frozen=True)
class Setting:
    """One setting as text, as a command line or a job holds it.

    Attributes:
        name: its dotted name, ``trainer.max_steps``; empty for an argument that belongs to no setting.
        value: YAML, the path of a configuration file, or None without a value.
        joined: whether it is printed as ``--name=value``.
    """

    name: str
    value: str | None
    joined: bool = False

    def content(self) -> dict[str, Any] | None:
        """The content that replaces a configuration file; None if it is a file or another setting."""
        if self.name != CONFIG or self.value is None or not self.value.startswith("{"):
            return None
        content: dict[str, Any] = json.loads(self.value)
        return content

    def words(self) -> list[str]:
        """The setting as it is printed: ``--name value``."""
        if not self.name:
            return [str(self.value)]
        if self.value is None:
            return [f"--{self.name}"]
        return [f"--{self.name}={self.value}"] if self.joined else [f"--{self.name}", self.value]


@dataclass(frozen=True)
class Settings:
    """Settings in order; later ones override earlier ones.

    Attributes:
        given: each of them.
    """

    given: tuple[Setting, ...] = ()

    def __add__(self, others: "Settings") -> "Settings":
        """The settings of both; `others` override."""
        return Settings(self.given + others.given)

    def with_value(self, name: str, value: object) -> "Settings":
        """Add a setting, which overrides earlier ones."""
        return self + Settings((Setting(name, _text(value)),))

    def without(self, name: str) -> "Settings":
        """The settings without the values of one."""
        return Settings(tuple(each for each in self.given if each.name != name or each.value is None))

    def values_of(self, name: str) -> list[str]:
        """All values of a setting, in order."""
        return [setting.value for setting in self.given if setting.name == name and setting.value is not None]

    def last_of(self, name: str) -> str | None:
        """The last value; None if there is none."""
        return next(reversed(self.values_of(name)), None)

    def words(self) -> list[str]:
        """The settings as they are printed, ``--name value``."""
        return [word for setting in self.given for word in setting.words()]


Overrides = Mapping[str, Any] | Settings
"""Values of settings by their dotted names, ``{"trainer.max_steps": 400}``."""
Config = str | Path | Mapping[str, Any] | Sequence[str | Path] | Settings
"""A configuration file, several (later ones override earlier ones), or the content of a file."""


def settings_of(config: Config = (), overrides: Overrides | None = None) -> Settings:
    """Combine a configuration and the values that override it.

    Args:
        config: a configuration file, several, or the content of a file.
        overrides: values by the dotted names of settings; they override the configuration.
    """
    return _configuration(config) + _overrides(overrides or {})


def _configuration(config: Config) -> Settings:
    if isinstance(config, Settings):
        return config
    if isinstance(config, Mapping):
        return Settings((Setting(CONFIG, json.dumps(config, default=_plain)),))
    files = [config] if isinstance(config, str | Path) else config
    return Settings(tuple(Setting(CONFIG, str(file)) for file in files))


def _overrides(overrides: Overrides) -> Settings:
    if isinstance(overrides, Settings):
        return overrides
    return Settings(tuple(Setting(name, _text(value)) for name, value in overrides.items()))


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | Path) else json.dumps(value, default=_plain)


def _plain(value: object) -> object:
    """A value that JSON cannot represent."""
    return dict(value) if isinstance(value, Mapping) else str(value)
