"""The prepared store on disk: its table, its case files, and how it is made and changed."""

from lesslabel.data.store.records import CaseRecord
from lesslabel.data.store.store import Store

__all__ = ["CaseRecord", "Store"]
