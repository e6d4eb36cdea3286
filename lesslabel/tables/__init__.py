"""Experiment folders: results, protocol, costs and the tables made of them."""

from lesslabel.tables.experiment_protocol import read_protocol, read_published
from lesslabel.tables.results import add_results, add_run, read_cases, read_results
from lesslabel.tables.table import read_scores, write_table

__all__ = [
    "add_results",
    "add_run",
    "read_cases",
    "read_protocol",
    "read_published",
    "read_results",
    "read_scores",
    "write_table",
]
