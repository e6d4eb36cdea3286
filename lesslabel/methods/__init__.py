"""Methods: one paper, one file, one base."""

from lesslabel.methods.base import Prediction, SegmentationMethod
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.supervised import Supervised
from lesslabel.methods.weak.dmpls import DMPLS
from lesslabel.methods.weak.partial_cross_entropy import PartialCrossEntropy

__all__ = [
    "DMPLS",
    "Inference",
    "Optimiser",
    "PartialCrossEntropy",
    "Prediction",
    "SegmentationMethod",
    "Supervised",
]
