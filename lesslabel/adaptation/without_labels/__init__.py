"""Adaptations without labels: one class per file, found by name."""

from collections.abc import Mapping

from lesslabel.adaptation.without_labels.adami import AdaMIAdaptation
from lesslabel.adaptation.without_labels.base import Adaptation
from lesslabel.adaptation.without_labels.batch_statistics import BatchStatistics
from lesslabel.adaptation.without_labels.cbmt import CBMTAdaptation
from lesslabel.adaptation.without_labels.cpr import CPRAdaptation
from lesslabel.adaptation.without_labels.dpl import DPLAdaptation
from lesslabel.adaptation.without_labels.fsm import FSMAdaptation
from lesslabel.adaptation.without_labels.histogram_matching import HistogramMatching
from lesslabel.adaptation.without_labels.not_adapted import NotAdapted
from lesslabel.adaptation.without_labels.prosfda import ProSFDAAdaptation
from lesslabel.adaptation.without_labels.shot import SHOTAdaptation
from lesslabel.adaptation.without_labels.tent import TentAdaptation
from lesslabel.adaptation.without_labels.uncertain_da import UncertainDAAdaptation
from lesslabel.errors import ConfigError

__all__ = [
    "ADAPTATIONS",
    "AdaMIAdaptation",
    "Adaptation",
    "BatchStatistics",
    "CBMTAdaptation",
    "CPRAdaptation",
    "DPLAdaptation",
    "FSMAdaptation",
    "HistogramMatching",
    "NotAdapted",
    "ProSFDAAdaptation",
    "SHOTAdaptation",
    "TentAdaptation",
    "UncertainDAAdaptation",
    "make_adaptation",
]

ADAPTATIONS: Mapping[str, type[Adaptation]] = {
    adaptation.name: adaptation
    for adaptation in (
        NotAdapted,
        HistogramMatching,
        TentAdaptation,
        AdaMIAdaptation,
        BatchStatistics,
        SHOTAdaptation,
        DPLAdaptation,
        CBMTAdaptation,
        CPRAdaptation,
        UncertainDAAdaptation,
        ProSFDAAdaptation,
        FSMAdaptation,
    )
}
"""All adaptations without labels by their name in ``--without-labels``."""


def make_adaptation(name: str) -> Adaptation:
    """Make an adaptation without labels by its name.

    Raises:
        ConfigError: if there is no such adaptation; lists all.
    """
    if name not in ADAPTATIONS:
        raise ConfigError(f"--without-labels: '{name}' is not one of {', '.join(ADAPTATIONS)}")
    return ADAPTATIONS[name]()
