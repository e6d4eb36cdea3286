"""Training methods: one file for each paper, with one base class."""

from lesslabel.methods.adapt.adami import AdaMI
from lesslabel.methods.adapt.adapt_seg import AdaptSeg
from lesslabel.methods.adapt.cbmt import CBMT
from lesslabel.methods.adapt.cpr import CPR
from lesslabel.methods.adapt.dpl import DPL
from lesslabel.methods.adapt.fsm import FSM
from lesslabel.methods.adapt.prosfda import ProSFDA
from lesslabel.methods.adapt.shot import SHOT
from lesslabel.methods.adapt.tent import Tent
from lesslabel.methods.adapt.uncertain_da import UncertainDA
from lesslabel.methods.base import Prediction, SegmentationMethod
from lesslabel.methods.inference import Inference
from lesslabel.methods.interactive.base import InteractiveMethod
from lesslabel.methods.interactive.click_maps import ClickMaps
from lesslabel.methods.interactive.edge_flow import EdgeFlow
from lesslabel.methods.interactive.fca_net import FCANet
from lesslabel.methods.interactive.feature_aware import FeatureAware
from lesslabel.methods.interactive.focus_cut import FocusCut
from lesslabel.methods.interactive.gaussian_process import GPInteractive
from lesslabel.methods.interactive.general_clicker import GeneralClicker
from lesslabel.methods.interactive.knife_cut import KnifeCut
from lesslabel.methods.interactive.mideepseg import MIDeepSeg
from lesslabel.methods.interactive.mmiis import MMIIS
from lesslabel.methods.mixed.omni import Omni
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.semi.alternate_teachers import AlternateTeachers
from lesslabel.methods.semi.bidirectional_copy_paste import BidirectionalCopyPaste
from lesslabel.methods.semi.cross_consistency import CrossConsistency
from lesslabel.methods.semi.cross_pseudo_supervision import CrossPseudoSupervision
from lesslabel.methods.semi.cross_teaching import CrossTeaching
from lesslabel.methods.semi.dan import DAN
from lesslabel.methods.semi.dtc import DTC
from lesslabel.methods.semi.entropy_adversary import EntropyAdversary
from lesslabel.methods.semi.entropy_minimisation import EntropyMinimisation
from lesslabel.methods.semi.fixmatch import FixMatch
from lesslabel.methods.semi.interpolation_consistency import InterpolationConsistency
from lesslabel.methods.semi.mean_teacher import MeanTeacher
from lesslabel.methods.semi.mutual_consistency import MutualConsistency
from lesslabel.methods.semi.sassnet import SASSNet
from lesslabel.methods.semi.ss_net import SSNet
from lesslabel.methods.semi.uncertainty_aware import UncertaintyAwareMeanTeacher
from lesslabel.methods.semi.unimatch import UniMatch
from lesslabel.methods.semi.urpc import URPC
from lesslabel.methods.supervised import Supervised
from lesslabel.methods.weak.cycle_mix import CycleMix
from lesslabel.methods.weak.dense_crf import DenseCRF
from lesslabel.methods.weak.dmpls import DMPLS
from lesslabel.methods.weak.dmsps import DMSPS
from lesslabel.methods.weak.gated_crf import GatedCRF
from lesslabel.methods.weak.mumford_shah import MumfordShah
from lesslabel.methods.weak.partial_cross_entropy import PartialCrossEntropy
from lesslabel.methods.weak.scribble2label import Scribble2Label
from lesslabel.methods.weak.scribble_vs import ScribbleVS
from lesslabel.methods.weak.total_variation import TotalVariation
from lesslabel.methods.weak.ustm import USTM

__all__ = [
    "CBMT",
    "CPR",
    "DAN",
    "DMPLS",
    "DMSPS",
    "DPL",
    "DTC",
    "FSM",
    "MMIIS",
    "SHOT",
    "URPC",
    "USTM",
    "AdaMI",
    "AdaptSeg",
    "AlternateTeachers",
    "BidirectionalCopyPaste",
    "ClickMaps",
    "CrossConsistency",
    "CrossPseudoSupervision",
    "CrossTeaching",
    "CycleMix",
    "DenseCRF",
    "EdgeFlow",
    "EntropyAdversary",
    "EntropyMinimisation",
    "FCANet",
    "FeatureAware",
    "FixMatch",
    "FocusCut",
    "GPInteractive",
    "GatedCRF",
    "GeneralClicker",
    "Inference",
    "InteractiveMethod",
    "InterpolationConsistency",
    "KnifeCut",
    "MIDeepSeg",
    "MeanTeacher",
    "MumfordShah",
    "MutualConsistency",
    "Omni",
    "Optimiser",
    "PartialCrossEntropy",
    "Prediction",
    "ProSFDA",
    "SASSNet",
    "SSNet",
    "Scribble2Label",
    "ScribbleVS",
    "SegmentationMethod",
    "Supervised",
    "Tent",
    "TotalVariation",
    "UncertainDA",
    "UncertaintyAwareMeanTeacher",
    "UniMatch",
]
