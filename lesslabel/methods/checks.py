"""Checks of the settings of methods; each error is one line that names the setting."""

import math
from collections.abc import Sequence
from typing import Any, get_args

from lesslabel.errors import ConfigError


def require_not_negative(**values: float | None) -> None:
    """Raise an error for settings below 0; None is allowed.

    Raises:
        ConfigError: names the first one.
    """
    for name, value in values.items():
        if value is not None and not value >= 0:
            raise ConfigError(f"model.{name} must not be negative, got {value}")


def require_positive(**values: float | None) -> None:
    """Raise an error for settings that are not above 0; None is allowed.

    Raises:
        ConfigError: names the first one.
    """
    for name, value in values.items():
        if value is not None and not value > 0:
            raise ConfigError(f"model.{name} must be positive, got {value}")


def require_at_least(least: int, **values: int | None) -> None:
    """Raise an error for counts below a minimum; None is allowed.

    Raises:
        ConfigError: names the first one.
    """
    for name, value in values.items():
        if value is not None and not value >= least:
            raise ConfigError(f"model.{name} must be at least {least}, got {value}")


def require_share(**values: float | None) -> None:
    """Raise an error for settings outside [0, 1]; None is allowed.

    Raises:
        ConfigError: names the first one.
    """
    for name, value in values.items():
        if value is not None and not 0 <= value <= 1:
            raise ConfigError(f"model.{name} must be in [0, 1], got {value}")


def require_class_shares(class_shares: Sequence[float], num_classes: int) -> None:
    """Refuse what is no share for each class.

    Raises:
        ConfigError: names them.
    """
    known = len(class_shares) == num_classes and min(class_shares) > 0.0
    if not known or not math.isclose(sum(class_shares), 1.0, rel_tol=1e-6):
        raise ConfigError(
            f"model.class_shares needs {num_classes} positive shares that sum to 1, background first, got "
            f"{class_shares}"
        )


def require_choice(literal: Any, **values: object) -> None:
    """Raise an error for settings that are not one of the choices.

    Args:
        literal: a `typing.Literal` of all choices.
        values: the settings.

    Raises:
        ConfigError: names the first one, and the choices.
    """
    for name, value in values.items():
        if value not in get_args(literal):
            raise ConfigError(f"model.{name}: {value!r} is not one of {', '.join(map(repr, get_args(literal)))}")
