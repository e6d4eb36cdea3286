"""Histogram matching: map the intensities of the target to those of the source; the model does not change."""

from pathlib import Path
from typing import Any

import numpy as np

from lesslabel.adaptation.without_labels.base import Adaptation
from lesslabel.bundle import Bundle
from lesslabel.files import written_aside

_QUANTILES = "quantiles.npy"


class HistogramMatching(Adaptation):
    """Maps every image of the target to the intensities of the source, see `match_histogram`, without training."""

    name = "histogram"
    title = "Histogram matching"

    def configure_data(self, bundle: Bundle, store: Path, out: Path) -> dict[str, Any]:
        """Match intensities to the quantiles of the bundle; the folder of the run gets a copy."""
        data = super().configure_data(bundle, store, out)
        with written_aside(out / _QUANTILES) as aside, aside.open("wb") as file:
            np.save(file, bundle.quantiles)
        data["init_args"]["intensity"]["match"] = str(out / _QUANTILES)
        return data
