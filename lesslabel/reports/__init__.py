"""One self-contained HTML page that shows what runs on the same test set gained, and at what label cost."""

from lesslabel.reports.runs.page import write_report

__all__ = ["write_report"]
