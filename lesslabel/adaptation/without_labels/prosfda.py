"""ProSFDA on the training part of the target."""

from lesslabel.adaptation.without_labels.base import Adaptation


class ProSFDAAdaptation(Adaptation):
    """Learns what to add to the images, and then their labels, see `lesslabel.methods.ProSFDA`."""

    name = "prosfda"
    title = "ProSFDA"
    method = "ProSFDA"
