"""DPL on the training part of the target."""

from lesslabel.adaptation.without_labels.base import Adaptation


class DPLAdaptation(Adaptation):
    """Trains on the source's pseudo-labels that dropout and prototypes confirm, see `lesslabel.methods.DPL`."""

    name = "dpl"
    title = "DPL"
    method = "DPL"
    needs_dropout = True
