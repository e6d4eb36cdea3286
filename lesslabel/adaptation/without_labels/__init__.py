"""What adapts without a label, one idea a file, each found by its name."""

from collections.abc import Mapping

from lesslabel.adaptation.without_labels.adami import AdaMIAdaptation
from lesslabel.adaptation.without_labels.base import Adaptation
from lesslabel.adaptation.without_labels.histogram_matching import HistogramMatching
from lesslabel.adaptation.without_labels.not_adapted import NotAdapted
from lesslabel.adaptation.without_labels.tent import TentAdaptation
from lesslabel.errors import ConfigError

__all__ = [
    "ADAPTATIONS",
    "AdaMIAdaptation",
    "Adaptation",
    "HistogramMatching",
    "NotAdapted",
    "TentAdaptation",
    "make_adaptation",
]

ADAPTATIONS: Mapping[str, type[Adaptation]] = {
    adaptation.name: adaptation for adaptation in (NotAdapted, HistogramMatching, TentAdaptation, AdaMIAdaptation)
}
"""Every adaptation without labels by what ``--without-labels`` takes."""


def make_adaptation(name: str) -> Adaptation:
    """Make an adaptation without labels by its name.

    Raises:
        ConfigError: if there is no such adaptation; lists those that there are.
    """
    if name not in ADAPTATIONS:
        raise ConfigError(f"--without-labels: '{name}' is not one of {', '.join(ADAPTATIONS)}")
    return ADAPTATIONS[name]()
