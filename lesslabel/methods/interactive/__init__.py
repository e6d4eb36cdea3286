"""Interactive methods: they segment the object that a person marks with prompts."""

from lesslabel.lazy import renamed_names
from lesslabel.methods.interactive.base import Answer, InteractiveMethod
from lesslabel.methods.interactive.gaussian_process import GPInteractive
from lesslabel.methods.interactive.mideepseg import MIDeepSeg
from lesslabel.methods.interactive.turn_input import TurnInput

__all__ = ["Answer", "GPInteractive", "InteractiveMethod", "MIDeepSeg", "TurnInput"]

__getattr__ = renamed_names(__name__, {"Situation": "TurnInput"})
