"""Tent on the training part of the target."""

from lesslabel.adaptation.without_labels.base import Adaptation


class TentAdaptation(Adaptation):
    """Minimises the entropy on the images of the target by the normalisation layers, see `lesslabel.methods.Tent`."""

    name = "tent"
    title = "Tent"
    method = "Tent"
