"""Histogram matching: the model stays, the target's images get the intensities of the source."""

from pathlib import Path
from typing import Any

import numpy as np

from lesslabel.adaptation.without_labels.base import Adaptation
from lesslabel.bundle import Bundle
from lesslabel.files import written_aside

_QUANTILES = "quantiles.npy"


class HistogramMatching(Adaptation):
    """Every image of the target gets the intensities of the source, see `match_histogram`; the model stays."""

    name = "histogram"
    title = "Histogram matching"

    def configure_data(self, bundle: Bundle, store: Path, out: Path) -> dict[str, Any]:
        """Match intensities to the bundle's quantiles, of which a copy lies beside the run."""
        data = super().configure_data(bundle, store, out)
        with written_aside(out / _QUANTILES) as aside, aside.open("wb") as file:
            np.save(file, bundle.quantiles)
        data["init_args"]["intensity"]["match"] = str(out / _QUANTILES)
        return data
