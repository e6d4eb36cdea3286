"""Overlap and surface metrics of label maps, and their statistics."""

from lesslabel.evaluation.files import evaluate_files
from lesslabel.evaluation.metrics import METRICS, EmptyPolicy, HD95Convention, segmentation_metrics
from lesslabel.evaluation.statistics import MEAN_OVER_LABELS, bootstrap_interval, compare, summarise

__all__ = [
    "MEAN_OVER_LABELS",
    "METRICS",
    "EmptyPolicy",
    "HD95Convention",
    "bootstrap_interval",
    "compare",
    "evaluate_files",
    "segmentation_metrics",
    "summarise",
]
