"""Tent on the training part of the target."""

from lesslabel.adaptation.without_labels.base import Adaptation


class TentAdaptation(Adaptation):
    """The normalisation layers become sure of the target's images, see `lesslabel.methods.Tent`."""

    name = "tent"
    title = "Tent"
    method = "Tent"
