"""The report of click protocols."""
