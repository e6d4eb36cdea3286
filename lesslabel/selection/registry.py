"""All strategies by their names in the command line and in queues."""

from collections.abc import Mapping

from lesslabel.selection.badge import BADGE
from lesslabel.selection.bald import BALD
from lesslabel.selection.base import Strategy
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
from lesslabel.selection.probcover import ProbCover
from lesslabel.selection.random import Random
from lesslabel.selection.stdr import STDR
from lesslabel.selection.typicality import Typicality
from lesslabel.selection.typiclust import TypiClust
from lesslabel.selection.ugtst import UGTST

STRATEGIES: Mapping[str, type[Strategy]] = {
    strategy.name: strategy
    for strategy in (
        STDR,
        Random,
        ForegroundAwareRandom,
        PatientRandom,
        PatientEnds,
        Entropy,
        Margin,
        LeastConfidence,
        BALD,
        MeanDeviation,
        BADGE,
        ClaSPPE,
        UGTST,
        MHPL,
        CoreSet,
        Typicality,
        TypiClust,
        ProbCover,
    )
}
"""Strategies by name."""
