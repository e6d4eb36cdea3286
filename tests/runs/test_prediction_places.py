"""A prediction lies where its image lies, by both forms of a NIfTI header that states two places."""

from pathlib import Path

import nibabel as nib
import numpy as np
import torch

from lesslabel.data.batch import EvaluationBatch
from lesslabel.methods import Prediction
from lesslabel.runs.recorder import prediction_path, write_prediction

MOVED, SCANNER = np.diag([2.0, 2.0, 2.0, 1.0]), np.diag([2.0, 2.0, 2.0, 1.0])
MOVED[0, 3] = 4.0


def written(folder: Path, batch: EvaluationBatch) -> nib.Nifti1Header:
    labels = torch.ones((3, 4, 5), dtype=torch.uint8)
    write_prediction(folder, Prediction("a", labels, torch.zeros((2, 3, 4, 5)), batch))
    return nib.load(prediction_path(folder, "a")).header


def batch() -> EvaluationBatch:
    return EvaluationBatch(
        image=torch.zeros((1, 1, 3, 4, 5)), uid="a", patient="p", native_shape=(3, 4, 5), spacing_mm=(2.0, 2.0, 2.0)
    )


def test_both_forms_leave_with_their_codes(tmp_path: Path) -> None:
    two = batch() | {"affine": torch.from_numpy(MOVED), "qform": torch.from_numpy(SCANNER), "form_codes": (2, 1)}
    header = written(tmp_path, two)
    assert (int(header["sform_code"]), int(header["qform_code"])) == (2, 1)
    np.testing.assert_allclose(header.get_sform(), MOVED)
    np.testing.assert_allclose(header.get_qform(), SCANNER)


def test_one_place_leaves_as_both(tmp_path: Path) -> None:
    header = written(tmp_path, batch() | {"affine": torch.from_numpy(MOVED)})
    np.testing.assert_allclose(header.get_sform(), MOVED)
    np.testing.assert_allclose(header.get_qform(), MOVED)
