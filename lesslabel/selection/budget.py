"""The annotation budget: a share of the units, or a count."""

import math
import re
from numbers import Integral, Real

import numpy as np

from lesslabel.errors import ConfigError

Budget = float | int
"""A share of the units (float in [0, 1]) or a count (int, 0 or more): 1.0 is all units, 1 is one unit."""


def parse_budget(text: str) -> Budget:
    """Parse the text of a budget.

    Args:
        text: a count (``"12"``), a share (``"0.2"``), or a percentage (``"20%"``).

    Returns:
        int for a count, float in [0, 1] for a share.

    Raises:
        ConfigError: if it is not one of them, negative, or a share above 1.
    """
    stripped = text.strip()
    if re.fullmatch(r"[0-9]+", stripped):
        return int(stripped)
    if not re.fullmatch(r"([0-9]+\.?[0-9]*|\.[0-9]+) ?%?", stripped):
        raise ConfigError(f"budget: {text!r} is no budget; write a count (12), a share (0.2) or a percentage (20%)")
    share = float(stripped.removesuffix("%")) / (100.0 if stripped.endswith("%") else 1.0)
    _require_share(share, text)
    return share


def count_units(budget: Budget, available: int) -> int:
    """Convert a budget to the number of units to rank.

    A share is rounded to the nearest count, halves up; above 0 it is at least one unit.

    Args:
        budget: see `Budget`.
        available: number of units.

    Returns:
        Count in [0, available].

    Raises:
        ConfigError: if the budget is negative, NaN, a bool, not a number, or a share above 1.
    """
    if isinstance(budget, bool | np.bool_) or not isinstance(budget, Real):
        raise ConfigError(f"budget: {budget!r} is no number; pass a share (0.2) or a count (12)")
    if isinstance(budget, Integral):
        if budget < 0:
            raise ConfigError(f"budget: {budget} units; pass 0 or more")
        return min(int(budget), available)
    share = float(budget)
    _require_share(share, share)
    return min(max(math.floor(share * available + 0.5), int(share > 0)), available)


def _require_share(share: float, given: object) -> None:
    if not 0.0 <= share <= 1.0:
        raise ConfigError(f"budget: {given} is no share between 0 and 1 (0 % and 100 %); for a count pass an integer")
