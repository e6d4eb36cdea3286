"""Methods that segment what a person points at."""

from lesslabel.methods.interactive.base import Answer, InteractiveMethod
from lesslabel.methods.interactive.gaussian_process import GPInteractive
from lesslabel.methods.interactive.mideepseg import MIDeepSeg
from lesslabel.methods.interactive.situation import Situation

__all__ = ["Answer", "GPInteractive", "InteractiveMethod", "MIDeepSeg", "Situation"]
