"""Factors that change over a run: the rise of a loss weight and the fall of a learning rate."""

import math

from lesslabel.errors import ConfigError


def gaussian_ramp(step: float, length: float) -> float:
    """Rise from exp(−5) to 1 as exp(−5·(1 − step / length)²) (Laine and Aila, ICLR 2017), and stay at 1.

    Args:
        step: how far the run is, 0 or more, in the unit of ``length``.
        length: step at which 1 is reached; 0 means from the start.

    Returns:
        A factor in [exp(−5), 1].

    Raises:
        ConfigError: if an argument is negative.
    """
    if step < 0 or length < 0:
        raise ConfigError(f"ramp: step {step} and length {length} must not be negative")
    if step >= length:
        return 1.0
    return math.exp(-5.0 * (1.0 - step / length) ** 2)


def poly(step: float, max_steps: float, power: float = 0.9) -> float:
    """Fall from 1 to 0 as (1 − step / max_steps)^power, and stay at 0: the "poly" learning rate.

    Args:
        step: how far the run is, 0 or more.
        max_steps: step at which 0 is reached; positive.
        power: the exponent; positive.

    Returns:
        A factor in [0, 1].

    Raises:
        ConfigError: if an argument is out of its range.
    """
    if step < 0 or max_steps <= 0 or power <= 0:
        raise ConfigError(f"poly: step {step} must be 0 or more, max_steps {max_steps} and power {power} positive")
    return float(max(0.0, 1.0 - step / max_steps) ** power)
