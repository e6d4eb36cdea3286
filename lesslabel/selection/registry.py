"""All strategies by their names in the command line and in queues."""

from collections.abc import Mapping

from lesslabel.selection.base import Strategy
from lesslabel.selection.coreset import CoreSet
from lesslabel.selection.entropy import Entropy
from lesslabel.selection.foreground_random import ForegroundAwareRandom
from lesslabel.selection.least_confidence import LeastConfidence
from lesslabel.selection.margin import Margin
from lesslabel.selection.random import Random
from lesslabel.selection.stdr import STDR
from lesslabel.selection.typicality import Typicality

STRATEGIES: Mapping[str, type[Strategy]] = {
    strategy.name: strategy
    for strategy in (
        STDR,
        Random,
        ForegroundAwareRandom,
        Entropy,
        Margin,
        LeastConfidence,
        CoreSet,
        Typicality,
    )
}
"""Strategies by name."""
