"""Interactive methods: they segment the object that a person marks with prompts."""

from lesslabel.lazy import renamed_names
from lesslabel.methods.interactive.base import Answer, InteractiveMethod
from lesslabel.methods.interactive.click_maps import ClickMaps
from lesslabel.methods.interactive.edge_flow import EdgeFlow
from lesslabel.methods.interactive.fca_net import FCANet
from lesslabel.methods.interactive.feature_aware import FeatureAware
from lesslabel.methods.interactive.focus_cut import FocusCut
from lesslabel.methods.interactive.gaussian_process import GPInteractive
from lesslabel.methods.interactive.general_clicker import GeneralClicker
from lesslabel.methods.interactive.mideepseg import MIDeepSeg
from lesslabel.methods.interactive.mmiis import MMIIS
from lesslabel.methods.interactive.turn_input import TurnInput

__all__ = [
    "MMIIS",
    "Answer",
    "ClickMaps",
    "EdgeFlow",
    "FCANet",
    "FeatureAware",
    "FocusCut",
    "GPInteractive",
    "GeneralClicker",
    "InteractiveMethod",
    "MIDeepSeg",
    "TurnInput",
]

__getattr__ = renamed_names(__name__, {"Situation": "TurnInput"})
