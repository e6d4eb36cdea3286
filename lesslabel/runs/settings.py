"""The settings of a run: configuration files and single values, in the order in which the later one wins."""

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
        name: its dotted name, ``trainer.max_steps``; empty for a word that belongs to no setting.
        value: YAML, the path of a configuration file, or None if it was given without a value.
        joined: whether it is written ``--name=value`` where settings are shown.
    """

    name: str
    value: str | None
    joined: bool = False

    def content(self) -> dict[str, Any] | None:
        """What stands in the place of a configuration file; None if it is a file or another setting."""
        if self.name != CONFIG or self.value is None or not self.value.startswith("{"):
            return None
        content: dict[str, Any] = json.loads(self.value)
        return content

    def words(self) -> list[str]:
        """The setting as it is shown: ``--name value``."""
        if not self.name:
            return [str(self.value)]
        if self.value is None:
            return [f"--{self.name}"]
        return [f"--{self.name}={self.value}"] if self.joined else [f"--{self.name}", self.value]


@dataclass(frozen=True)
class Settings:
    """Settings in the order in which the later one wins.

    Attributes:
        given: each of them.
    """

    given: tuple[Setting, ...] = ()

    def __add__(self, others: "Settings") -> "Settings":
        """The settings of both; `others` win."""
        return Settings(self.given + others.given)

    def with_value(self, name: str, value: object) -> "Settings":
        """One more setting, which wins."""
        return self + Settings((Setting(name, _text(value)),))

    def without(self, name: str) -> "Settings":
        """The settings but for the values of one."""
        return Settings(tuple(each for each in self.given if each.name != name or each.value is None))

    def values_of(self, name: str) -> list[str]:
        """Every value that a setting is given, in their order."""
        return [setting.value for setting in self.given if setting.name == name and setting.value is not None]

    def last_of(self, name: str) -> str | None:
        """The value that counts; None if there is none."""
        return next(reversed(self.values_of(name)), None)

    def words(self) -> list[str]:
        """The settings as they are shown, ``--name value``."""
        return [word for setting in self.given for word in setting.words()]


Overrides = Mapping[str, Any] | Settings
"""Values of settings by their dotted names, ``{"trainer.max_steps": 400}``."""
Config = str | Path | Mapping[str, Any] | Sequence[str | Path] | Settings
"""A configuration file, several of which the later one wins, or what a file would hold."""


def settings_of(config: Config = (), overrides: Overrides | None = None) -> Settings:
    """Put a configuration and what overrides it in order.

    Args:
        config: a configuration file, several, or what a file would hold.
        overrides: values by the dotted names of settings; they win over the configuration.
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
    """A value that JSON has no form for."""
    return dict(value) if isinstance(value, Mapping) else str(value)
