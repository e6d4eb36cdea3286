"""What tables of paired differences have in common."""

CORRECTED = "*p, corrected*: the Wilcoxon p after Holm, for the number of methods of this table, measure by measure."
"""The line below such a table."""
