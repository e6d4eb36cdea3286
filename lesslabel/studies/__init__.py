"""Studies: many runs that make one table, declared once and reproduced by one command."""

from lesslabel.studies.declaration import Budgets, Costs, Scoring, Study, StudyMethod, read_study

__all__ = ["Budgets", "Costs", "Scoring", "Study", "StudyMethod", "read_study"]
