"""No number of an adaptation without labels changes unseen: weights and what they predict, against recorded values."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hospitals import EAST, WITHOUT_LABELS

from lesslabel.adaptation.pseudo_labels import predict_codes
from lesslabel.adaptation.stages import adapt_without_labels
from lesslabel.adaptation.without_labels import ADAPTATIONS
from lesslabel.bundle import Bundle
from lesslabel.bundle.contents import WEIGHTS
from lesslabel.command_words import read_settings
from lesslabel.files import hash_file
from lesslabel.runs.reopening import load_run
from lesslabel.runs.weights import save_weights


@pytest.fixture
def fresh(bundle: Bundle, tmp_path: Path) -> Bundle:
    """The bundle with weights that nothing trained, so that they are the same on every processor."""
    torch.manual_seed(0)
    weights = tmp_path / "fresh" / WEIGHTS
    weights.parent.mkdir()
    save_weights(bundle.recipe.build_method().state_dict(), weights)
    return replace(bundle, path=weights.parent, model_sha256=hash_file(weights))


@pytest.mark.golden
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", list(ADAPTATIONS))
def test_weights_and_predictions(name: str, fresh: Bundle, store: Path, tmp_path: Path, golden) -> None:
    run = adapt_without_labels(fresh, store, name, tmp_path / "out", overrides=read_settings([*WITHOUT_LABELS, *EAST]))
    adapted = load_run(run.path)
    arrays = dict(adapted.model.state_dict())
    uids = [record.uid for record in adapted.datamodule.records("test")]
    for uid, codes, confidence in predict_codes(adapted.model, adapted.datamodule, uids):
        arrays |= {f"{uid} codes": codes, f"{uid} confidence": confidence}
    golden.check(f"adaptation/{name}", arrays)
