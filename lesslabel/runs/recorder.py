"""Results of a test: metrics per case, predictions and how they were made."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as pl
from numpy.typing import NDArray
from pytorch_lightning.callbacks import Callback

from lesslabel.data.case import Qform
from lesslabel.data.formats.nifti import write_label_map, write_probabilities
from lesslabel.data.store.records import case_path
from lesslabel.errors import DataError
from lesslabel.evaluation import METRICS, segmentation_metrics
from lesslabel.methods import Prediction


def prediction_path(folder: Path, uid: str) -> Path:
    """The path of the prediction of a case; no uid can lead out of the folder."""
    return folder / case_path(folder, uid).with_suffix(".nii.gz").name


def write_prediction(folder: Path, prediction: Prediction) -> None:
    """Write a label map with the geometry of its image."""
    write_label_map(
        prediction_path(folder, prediction.uid),
        prediction.labels.cpu().numpy(),
        prediction.batch["spacing_mm"],
        *_places(prediction),
    )


def _places(prediction: Prediction) -> tuple[NDArray[np.float64] | None, Qform | None]:
    """The geometry in the header of the image."""
    batch = prediction.batch
    affine, qform = batch.get("affine"), batch.get("qform")
    return (
        None if affine is None else affine.cpu().numpy(),
        None if qform is None else Qform(qform.cpu().numpy(), batch["form_codes"]),
    )


class TestRecorder(Callback):
    """Scores and writes every tested case.

    Args:
        folder: where predictions go.
        label_names: class names, background first.
        unit: ``mm`` or ``voxel``, of the distances.
        metrics: settings of `segmentation_metrics`: ``hd95``, ``empty`` and ``nsd_tolerance``.
    """

    __test__ = False  # pytest would collect a class of this name

    def __init__(self, folder: Path, label_names: Sequence[str], unit: str, metrics: dict[str, Any]) -> None:
        self.folder = folder
        self.names = dict(enumerate(label_names))
        self.unit = unit
        self.metrics = metrics
        self.frames: list[pd.DataFrame] = []

    def on_test_batch_end(  # type: ignore[override]  # narrower than Lightning's outputs
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Prediction,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Score and write one case.

        Raises:
            DataError: if the case has no reference to score against.
        """
        if "reference" not in outputs.batch:
            raise DataError(
                f"case {outputs.uid}: no reference annotation to test against; set view.reference or use predict"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        write_prediction(self.folder, outputs)
        self.frames.append(self._score(outputs))

    def result(self) -> pd.DataFrame:
        """Rows of all cases, in a fixed order."""
        return pd.concat(self.frames).sort_values("uid", kind="stable").reset_index(drop=True)

    def _score(self, prediction: Prediction) -> pd.DataFrame:
        labels: NDArray[np.uint8] = prediction.labels.cpu().numpy()
        reference: NDArray[np.uint8] = prediction.batch["reference"].cpu().numpy()
        spacing: tuple[float, ...] = prediction.batch["spacing_mm"]
        frame = segmentation_metrics(
            labels,
            reference,
            spacing=spacing if self.unit == "mm" else None,
            labels={code: name for code, name in self.names.items() if code},
            **self.metrics,
        )
        annotated = prediction.batch["annotated_labels"].tolist()
        unspoken = [name for code, name in self.names.items() if not annotated[code]]
        frame.loc[frame["label"].isin(unspoken), list(METRICS)] = np.nan  # the reference does not cover these
        frame.insert(0, "uid", prediction.uid)
        frame.insert(1, "patient", prediction.batch["patient"])
        return frame


class PredictionWriter(Callback):
    """Writes the label map, and if asked the probabilities, of every predicted case.

    Args:
        folder: where they go.
        probabilities: also write ``<uid>_probabilities.nii.gz``, (x, y, z, class).
    """

    def __init__(self, folder: Path, *, probabilities: bool = False) -> None:
        self.folder = folder
        self.probabilities = probabilities

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Prediction,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write one case."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_prediction(self.folder, outputs)
        if self.probabilities:
            path = prediction_path(self.folder, outputs.uid)
            write_probabilities(
                path.with_name(path.name.replace(".nii.gz", "_probabilities.nii.gz")),
                outputs.probabilities.float().cpu().numpy(),
                outputs.batch["spacing_mm"],
                *_places(outputs),
            )
