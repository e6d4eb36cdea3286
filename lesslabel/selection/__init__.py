"""Selection of what to annotate next: strategies that rank images by features and by the uncertainty of a model.

The input is numpy arrays, the output a ranking with reasons; this package does not use training or stores.
"""

from lesslabel.selection.base import Strategy
from lesslabel.selection.budget import parse_budget
from lesslabel.selection.coreset import CoreSet
from lesslabel.selection.entropy import Entropy
from lesslabel.selection.foreground_random import ForegroundAwareRandom
from lesslabel.selection.least_confidence import LeastConfidence
from lesslabel.selection.margin import Margin
from lesslabel.selection.pool import Pool
from lesslabel.selection.random import Random
from lesslabel.selection.ranking import Ranking
from lesslabel.selection.registry import STRATEGIES
from lesslabel.selection.stdr import STDR
from lesslabel.selection.typicality import Typicality

__all__ = [
    "STDR",
    "STRATEGIES",
    "CoreSet",
    "Entropy",
    "ForegroundAwareRandom",
    "LeastConfidence",
    "Margin",
    "Pool",
    "Random",
    "Ranking",
    "Strategy",
    "Typicality",
    "parse_budget",
]
