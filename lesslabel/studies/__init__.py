"""Studies: many runs that make one table, declared once and reproduced by one command."""

from lesslabel.studies.declaration import Budgets, Scoring, Study, StudyMethod, read_study
from lesslabel.tables.label_costs import Costs

__all__ = ["Budgets", "Costs", "Scoring", "Study", "StudyMethod", "read_study"]
