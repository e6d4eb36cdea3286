"""No adaptation: the bundle's model as it is."""

from lesslabel.adaptation.without_labels.base import Adaptation


class NotAdapted(Adaptation):
    """The bundle's model as it is: where the shift between the hospitals shows."""

    name = "none"
    title = "Not adapted"
