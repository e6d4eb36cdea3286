"""A bundle wherever a model is named: in Python, behind the page, and in click protocols."""

from pathlib import Path

import numpy as np
import pytest
import torch

import lesslabel
from lesslabel.annotating.models import open_model
from lesslabel.annotating.turns import Plane
from lesslabel.bundle import Bundle
from lesslabel.cli import main
from lesslabel.data.loading.resize import resize_probabilities
from lesslabel.data.store import Store
from lesslabel.files import hash_file, read_json
from lesslabel.interaction import Click, History


def test_load_model_gives_the_method_with_the_weights(bundle: Bundle) -> None:
    model, wanted = lesslabel.load_model(bundle.path), bundle.build_method()
    assert not model.training
    for name, values in wanted.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], values, rtol=0, atol=0)


def test_behind_the_page_it_answers_with_its_own_segmentation(bundle: Bundle, store: Path) -> None:
    opened, method, data = Store(store), bundle.build_method(), bundle.data_module(store)
    model = open_model(str(bundle.path), opened)
    assert model.described == {"name": "Supervised", "bundle": "bundle", "weights": bundle.model_sha256}
    assert bundle.label_names[1:] == ("heart", "RV")
    assert model.classes == {1: 2, 2: 1, 3: 1}, "the heart is the labels 2 and 3"
    case = opened.read(next(iter(opened.records)))
    with torch.inference_mode():
        on_grid = method.probabilities(data.loader().image(case).transpose(0, 1)).transpose(0, 1)
    labels = resize_probabilities(on_grid, case.shape).argmax(dim=0).numpy()
    z, y, x = np.argwhere(labels == 1)[0]
    looked = model.prepare_image(model.image_of(case)[:, z], case.spacing_mm[1:], Plane(0, z))
    answer = looked.begin().answer(History(((Click((float(y), float(x))),),)))
    assert np.mean(answer.mask == (labels[z] == 1)) > 0.99


def test_clicks_correct_it(bundle: Bundle, store: Path, tmp_path: Path) -> None:
    out = tmp_path / "clicks"
    words = ["clicks", "--model", str(bundle.path), "--store", str(store), "--out", str(out), "--cap", "3"]
    assert main([*words, "--slices", "1", "--labels", "heart"]) == 0
    summary = read_json(out / "summary.json", "summary")
    assert summary["method"] == "Supervised"
    assert summary["checkpoint"] == hash_file(bundle.weights)[:12]
    assert summary["data"]["labels"] == ["heart"]


def test_a_run_is_named_with_its_own_option(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["clicks", "--model", "nowhere", "--store", str(store), "--out", str(tmp_path / "clicks")]
    assert main(words) == 1
    assert "--model nowhere: no bundle" in capsys.readouterr().err
