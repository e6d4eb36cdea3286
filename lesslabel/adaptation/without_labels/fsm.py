"""FSM on the training part of the target."""

from lesslabel.adaptation.without_labels.base import Adaptation


class FSMAdaptation(Adaptation):
    """Learns the source's labels in its style and in that of the target, see `lesslabel.methods.FSM`."""

    name = "fsm"
    title = "FSM"
    method = "FSM"
