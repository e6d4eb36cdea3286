"""UncertainDA on the training part of the target."""

from lesslabel.adaptation.without_labels.base import Adaptation


class UncertainDAAdaptation(Adaptation):
    """Makes features certain although parts are missing, see `lesslabel.methods.UncertainDA`."""

    name = "uncertain-da"
    title = "UncertainDA"
    method = "UncertainDA"
