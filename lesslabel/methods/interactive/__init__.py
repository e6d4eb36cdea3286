"""Methods that segment what a person points at."""

from lesslabel.methods.interactive.base import Answer, InteractiveMethod
from lesslabel.methods.interactive.click_maps import ClickMaps
from lesslabel.methods.interactive.edge_flow import EdgeFlow
from lesslabel.methods.interactive.fca_net import FCANet
from lesslabel.methods.interactive.feature_aware import FeatureAware
from lesslabel.methods.interactive.focus_cut import FocusCut
from lesslabel.methods.interactive.gaussian_process import GPInteractive
from lesslabel.methods.interactive.mideepseg import MIDeepSeg
from lesslabel.methods.interactive.situation import Situation

__all__ = [
    "Answer",
    "ClickMaps",
    "EdgeFlow",
    "FCANet",
    "FeatureAware",
    "FocusCut",
    "GPInteractive",
    "InteractiveMethod",
    "MIDeepSeg",
    "Situation",
]
