"""Read plain values of a YAML mapping one by one, with their types, and refuse unknown keys."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from lesslabel.errors import ConfigError

T = TypeVar("T")


class Section:
    """A mapping whose keys are read once each.

    Args:
        content: the mapping.
        where: names it in errors.
        known: every key that it may have.

    Raises:
        ConfigError: if it is no mapping, or has another key.
    """

    def __init__(self, content: object, where: str, known: Sequence[str]) -> None:
        if not isinstance(content, Mapping):
            raise ConfigError(f"{where}: expected keys and values; it may have {', '.join(known)}")
        self.content: Mapping[Any, Any] = content
        self.where = where
        for key in content:
            if key not in known:
                raise ConfigError(f"{where}: unknown key '{key}'; it may have {', '.join(known)}")

    def take(self, key: str, kind: type[T], default: T | None = None) -> T:
        """Take a value.

        Args:
            key: its key.
            kind: its type; an integer also passes as a float.
            default: the value of an absent key; None if the key is required.

        Raises:
            ConfigError: if it is missing or of another type.
        """
        if self.content.get(key) is None:
            if default is None:
                raise ConfigError(f"{self.where}: {key} is missing; write it down")
            return default
        value = self.content[key]
        if kind is float and type(value) is int:
            value = float(value)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ConfigError(f"{self.where}: {key} is {value!r}; expected {kind.__name__}")
        return value

    def take_list(self, key: str, kind: type[T], default: Sequence[T] | None = None) -> tuple[T, ...]:
        """Take a list of values of one type, without repetition.

        Raises:
            ConfigError: if it is missing, empty, repeats a value or holds one of another type.
        """
        values = self.take(key, list, None if default is None else list(default))
        for value in values:
            if not isinstance(value, kind) or isinstance(value, bool):
                raise ConfigError(f"{self.where}: {key} holds {value!r}; expected {kind.__name__}")
        if not values and default is None:
            raise ConfigError(f"{self.where}: {key} is empty; name at least one")
        if len(set(values)) < len(values):
            raise ConfigError(f"{self.where}: {key} holds a value twice; name each once")
        return tuple(values)

    def take_section(self, key: str, read: Callable[[object, str], T], default: T) -> T:
        """Take a nested mapping with its own reader; an absent one is `default`."""
        if self.content.get(key) is None:
            return default
        return read(self.content[key], f"{self.where}: {key}")
