"""CPR on the training part of the target."""

from lesslabel.adaptation.without_labels.base import Adaptation


class CPRAdaptation(Adaptation):
    """Learns the source's pseudo-labels after a walk to similar neighbours, see `lesslabel.methods.CPR`."""

    name = "cpr"
    title = "CPR"
    method = "CPR"
    needs_dropout = True
