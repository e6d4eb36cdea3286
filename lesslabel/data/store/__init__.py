"""The prepared store on disk: its table and case files, and the code that writes and changes them."""

from lesslabel.data.store.records import CaseRecord
from lesslabel.data.store.store import Store

__all__ = ["CaseRecord", "Store"]
