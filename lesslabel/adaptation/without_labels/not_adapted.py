"""No adaptation: the unchanged model of the bundle."""

from lesslabel.adaptation.without_labels.base import Adaptation


class NotAdapted(Adaptation):
    """The unchanged model of the bundle, to measure the domain shift between the hospitals."""

    name = "none"
    title = "Not adapted"
