"""Medical image segmentation from few labels: select, annotate, train, adapt, report."""

from typing import TYPE_CHECKING

from lesslabel.lazy import lazy_names
from lesslabel.moved import find_moved_modules

if TYPE_CHECKING:
    from lesslabel.adaptation.adapting import adapt
    from lesslabel.adaptation.expecting import expect
    from lesslabel.adaptation.selecting import select
    from lesslabel.annotating.start import annotate
    from lesslabel.bundle.bundle import load_bundle
    from lesslabel.data.case import Case
    from lesslabel.data.preparing import prepare
    from lesslabel.data.store.store import Store
    from lesslabel.data.verify.store_check import verify_store as verify
    from lesslabel.evaluation.files import evaluate_files as evaluate
    from lesslabel.evaluation.metrics import segmentation_metrics
    from lesslabel.general.loading import load_model
    from lesslabel.interaction.session import InteractiveSession
    from lesslabel.reports.reporting import report
    from lesslabel.runs.fitting import fit
    from lesslabel.runs.testing import predict, test

__all__ = [
    "Case",
    "InteractiveSession",
    "Store",
    "adapt",
    "annotate",
    "evaluate",
    "expect",
    "fit",
    "load_bundle",
    "load_model",
    "predict",
    "prepare",
    "report",
    "segmentation_metrics",
    "select",
    "test",
    "verify",
]
__version__ = "0.1.0"

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Case": "lesslabel.data.case",
        "InteractiveSession": "lesslabel.interaction.session",
        "Store": "lesslabel.data.store.store",
        "adapt": "lesslabel.adaptation.adapting",
        "annotate": "lesslabel.annotating.start",
        "evaluate": "lesslabel.evaluation.files:evaluate_files",
        "expect": "lesslabel.adaptation.expecting",
        "fit": "lesslabel.runs.fitting",
        "load_bundle": "lesslabel.bundle.bundle",
        "load_model": "lesslabel.general.loading",
        "predict": "lesslabel.runs.testing",
        "prepare": "lesslabel.data.preparing",
        "report": "lesslabel.reports.reporting",
        "segmentation_metrics": "lesslabel.evaluation.metrics",
        "select": "lesslabel.adaptation.selecting",
        "test": "lesslabel.runs.testing",
        "verify": "lesslabel.data.verify.store_check:verify_store",
    },
)

find_moved_modules()
