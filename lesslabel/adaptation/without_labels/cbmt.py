"""CBMT on the training part of the target."""

from lesslabel.adaptation.without_labels.base import Adaptation


class CBMTAdaptation(Adaptation):
    """Trains a student on the labels of its teacher, with balanced classes, see `lesslabel.methods.CBMT`."""

    name = "cbmt"
    title = "CBMT"
    method = "CBMT"
