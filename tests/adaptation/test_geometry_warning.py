"""`select` and `adapt` warn of images that lie otherwise than those that the model was trained on."""

from dataclasses import replace
from pathlib import Path

import pytest

from lesslabel.adaptation.adapting import adapt
from lesslabel.adaptation.selecting import select
from lesslabel.bundle import Bundle
from lesslabel.bundle.manifest import SpacingRange, TrainedGeometry


def trained_otherwise(bundle: Bundle) -> Bundle:
    geometry = TrainedGeometry(("ASR",), SpacingRange((10.0, 19.0, 19.0), (10.0, 20.0, 20.0)))
    return replace(bundle, manifest=replace(bundle.manifest, geometry=geometry))


def test_adapting_to_other_images_is_warned_of(
    bundle: Bundle, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapt(trained_otherwise(bundle), store, tmp_path / "out", without_labels="none")
    warned = capsys.readouterr().err
    assert f"{store}: axes (z, y, x) run to" in warned
    assert "the training images to ASR (coronal)" in warned
    assert f"{store}: spacing along y is" in warned
    assert "19 to 20 mm in training" in warned


def test_alike_images_are_not(bundle: Bundle, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bundle.manifest.geometry is not None
    adapt(bundle, store, tmp_path / "out", without_labels="none")
    select(bundle.path, store, tmp_path / "queue.csv", budget="20%", strategy="random")
    assert "in training" not in capsys.readouterr().err


def test_selecting_among_other_images_is_warned_of(
    bundle: Bundle, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = trained_otherwise(bundle)
    monkeypatch.setattr("lesslabel.adaptation.feature_sources.load_bundle", lambda _: other)
    select(bundle.path, store, tmp_path / "queue.csv", budget="20%", strategy="random")
    assert "the training images to ASR (coronal)" in capsys.readouterr().err
