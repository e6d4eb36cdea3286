"""One self-contained HTML page that compares runs on the same test set, with their label cost."""

from lesslabel.reports.runs.page import write_report

__all__ = ["write_report"]
