"""Methods that segment what a person points at."""

from lesslabel.methods.interactive.base import InteractiveMethod
from lesslabel.methods.interactive.gaussian_process import GPInteractive
from lesslabel.methods.interactive.mideepseg import MIDeepSeg

__all__ = ["GPInteractive", "InteractiveMethod", "MIDeepSeg"]
