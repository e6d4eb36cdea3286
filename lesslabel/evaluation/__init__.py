"""Overlap and surface metrics, their statistics and the experiment folder they are kept in."""

from lesslabel.evaluation.experiment import add_results, add_run, read_cases, read_results
from lesslabel.evaluation.experiment_protocol import read_protocol, read_published
from lesslabel.evaluation.experiment_table import read_scores, write_table
from lesslabel.evaluation.files import evaluate_files
from lesslabel.evaluation.metrics import METRICS, EmptyPolicy, HD95Convention, segmentation_metrics
from lesslabel.evaluation.statistics import MEAN_OVER_LABELS, bootstrap_interval, compare, summarise

__all__ = [
    "MEAN_OVER_LABELS",
    "METRICS",
    "EmptyPolicy",
    "HD95Convention",
    "add_results",
    "add_run",
    "bootstrap_interval",
    "compare",
    "evaluate_files",
    "read_cases",
    "read_protocol",
    "read_published",
    "read_results",
    "read_scores",
    "segmentation_metrics",
    "summarise",
    "write_table",
]
