"""AdaMI on the training part of the target, with the class shares of the source."""

from lesslabel.adaptation.without_labels.base import ClassSharesAdaptation


class AdaMIAdaptation(ClassSharesAdaptation):
    """Minimises the entropy and keeps the class shares of the source, see `lesslabel.methods.AdaMI`."""

    name = "adami"
    title = "AdaMI"
    method = "AdaMI"
