"""SHOT on the training part of the target, with the class shares of the source."""

from lesslabel.adaptation.without_labels.base import ClassSharesAdaptation


class SHOTAdaptation(ClassSharesAdaptation):
    """Fits the features of the target to the head of the source, see `lesslabel.methods.SHOT`."""

    name = "shot"
    title = "SHOT"
    method = "SHOT"
