"""Selection of what to annotate next: strategies that rank images by features and by the uncertainty of a model.

The input is numpy arrays, the output a ranking with reasons; this package does not use training or stores.
"""

from lesslabel.selection.badge import BADGE
from lesslabel.selection.bald import BALD
from lesslabel.selection.base import Strategy
from lesslabel.selection.budget import parse_budget
from lesslabel.selection.clasp_pe import ClaSPPE
from lesslabel.selection.coreset import CoreSet
from lesslabel.selection.entropy import Entropy
from lesslabel.selection.foreground_random import ForegroundAwareRandom
from lesslabel.selection.least_confidence import LeastConfidence
from lesslabel.selection.margin import Margin
from lesslabel.selection.mean_deviation import MeanDeviation
from lesslabel.selection.mhpl import MHPL
from lesslabel.selection.patient_ends import PatientEnds
from lesslabel.selection.patient_random import PatientRandom
from lesslabel.selection.pool import Annotated, Pool
from lesslabel.selection.probcover import ProbCover
from lesslabel.selection.random import Random
from lesslabel.selection.ranking import Ranking
from lesslabel.selection.registry import STRATEGIES
from lesslabel.selection.stdr import STDR
from lesslabel.selection.typicality import Typicality
from lesslabel.selection.typiclust import TypiClust
from lesslabel.selection.ugtst import UGTST

__all__ = [
    "BADGE",
    "BALD",
    "MHPL",
    "STDR",
    "STRATEGIES",
    "UGTST",
    "Annotated",
    "ClaSPPE",
    "CoreSet",
    "Entropy",
    "ForegroundAwareRandom",
    "LeastConfidence",
    "Margin",
    "MeanDeviation",
    "PatientEnds",
    "PatientRandom",
    "Pool",
    "ProbCover",
    "Random",
    "Ranking",
    "Strategy",
    "TypiClust",
    "Typicality",
    "parse_budget",
]
