"""From a run to the expected Dice of a store: by its bundle, by itself, and against the truth."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lesslabel.bundle import Bundle, BundleManifest, load_bundle, verify_bundle
from lesslabel.bundle.card import write_card
from lesslabel.bundle.manifest import SpacingRange, TrainedGeometry, to_json
from lesslabel.cli import main
from lesslabel.data.store import Store
from lesslabel.errors import DataError
from lesslabel.expectation.measuring import measure_cases
from lesslabel.runs.reopening import reopen_with_weights


def expect(*given: object) -> int:
    return main(["expect", *map(str, given)])


@pytest.fixture(scope="session")
def table(bundle: Bundle, store: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """What the bundle expects of all cases, and their real Dice."""
    path = tmp_path_factory.mktemp("expected") / "expected.csv"
    assert expect(store, "--bundle", bundle.path, "--out", path, "--compare") == 0
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def test_every_case_has_a_row_with_an_interval(table: pd.DataFrame, store: Path) -> None:
    assert sorted(table["case"]) == sorted(Store(store).records)
    known = table.dropna(subset=["expected_dice"])
    assert len(known) > 12
    assert ((known["low"] <= known["expected_dice"]) & (known["expected_dice"] <= known["high"])).all()
    assert known["low"].min() >= 0.0
    assert known["high"].max() <= 1.0
    lower = np.fmin(known["by_confidence"], known["by_agreement"])
    assert (known["expected_dice"] <= lower + 1e-3).all()
    mean = known[["expected_dice cavities", "expected_dice muscle"]].mean(axis=1)
    np.testing.assert_allclose(known["expected_dice"], mean, atol=2e-4)
    assert (table["trust"] == np.where(table["doubts"].isna(), "yes", "no")).all()
    assert list(table["trust"]) == sorted(table["trust"])


def test_images_that_lie_otherwise_are_named(
    bundle: Bundle, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    geometry = TrainedGeometry(("ASR",), SpacingRange((10.0, 1.0, 1.0), (10.0, 1.0, 1.0)))
    other = replace(bundle, manifest=replace(bundle.manifest, geometry=geometry))
    monkeypatch.setattr("lesslabel.adaptation.feature_sources.load_bundle", lambda _: other)
    assert expect(store, "--bundle", bundle.path, "--out", tmp_path / "expected.csv") == 0
    assert "the training images to ASR (coronal)" in capsys.readouterr().err


def test_the_real_dice_beside_it_is_that_of_validation(table: pd.DataFrame, run: Path) -> None:
    parsed = reopen_with_weights(run).parsed
    uids = [record.uid for record in parsed.datamodule.records("validation")]
    found = {case.uid: case.dice for case in measure_cases(parsed.model, parsed.datamodule, uids, with_reference=True)}
    real = table.set_index("case")["dice"]
    for uid, dice in found.items():
        assert dice is not None
        assert real[uid] == pytest.approx(np.nanmean(dice[1:]), abs=1e-4)


def test_the_calibration_of_the_bundle_is_that_of_the_run(
    bundle: Bundle, run: Path, store: Path, table: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = bundle.manifest.expectation
    assert found is not None
    assert (found.patients, found.passes, len(found.classes)) == (5, 5, 2)
    assert load_bundle(bundle.path).manifest.expectation == found
    assert f"- {found.cases} validation cases of 5 patients: mean Dice {found.dice:g}" in (
        bundle.path / "CARD.md"
    ).read_text(encoding="utf-8")
    path = tmp_path / "by_run.csv"
    capsys.readouterr()
    assert expect(store, "--run", run, "--out", path, "--part", "validation", "--compare") == 0
    printed = capsys.readouterr().out
    by_run = pd.read_csv(path).set_index("case").sort_index()
    by_bundle = table.set_index("case").loc[by_run.index]
    np.testing.assert_allclose(by_run["expected_dice"], by_bundle["expected_dice"], atol=1e-4)
    error = (by_run["expected_dice"] - by_run["dice"]).abs().mean()
    correlation = stats.spearmanr(by_run["expected_dice"], by_run["dice"])[0]
    assert f"mean absolute error {error:.3f}, rank correlation {correlation:.2f}" in printed
    assert f"{found.dice:.3f} at the source" in printed


def sealed(folder: Path, change: Callable[[dict[str, Any]], object]) -> str:
    """Why a bundle with another manifest, but fitting card and checksums, is refused."""
    content = json.loads((folder / "bundle.json").read_text())
    change(content["expectation"])
    (folder / "bundle.json").write_text(to_json(content))
    weights = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    try:
        manifest = BundleManifest.from_json((folder / "bundle.json").read_text())
        (folder / "CARD.md").write_text(write_card(manifest, weights))
    except DataError:
        pass  # no card fits a manifest that cannot be read
    names = ("CARD.md", "bundle.json", "quantiles.npy", "references.npy", "weights.safetensors")
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / "SHA256SUMS").write_text("".join(lines))
    with pytest.raises(DataError) as caught:
        verify_bundle(folder)
    return str(caught.value)


@pytest.mark.parametrize(
    ("said", "change"),
    [
        ("unknown key 'uids'", lambda e: e.update(uids=["jane_01"])),
        ("unknown key 'dice_of_cases'", lambda e: e["classes"][0].update(dice_of_cases=[0.9, 0.8])),
        ("manifest.expectation.dice: expected float", lambda e: e.update(dice=[0.9, 0.8])),
        ("5 patients at least", lambda e: e.update(patients=1)),
        ("one calibration for each class", lambda e: e["classes"].pop()),
        ("from 0 to 1", lambda e: e.update(error=7.0)),
    ],
)
def test_a_calibration_that_holds_more_is_refused(
    bundle: Bundle, tmp_path: Path, said: str, change: Callable[[dict[str, Any]], object]
) -> None:
    assert said in sealed(Path(shutil.copytree(bundle.path, tmp_path / "bundle")), change)


def test_what_cannot_be_expected_costs_a_line(
    bundle: Bundle, run: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "expected.csv"
    for given, said in (
        ((store, "--out", path), "--bundle and --run are missing"),
        ((store, "--bundle", bundle.path, "--run", run, "--out", path), "exclude each other"),
        ((store, "--bundle", bundle.path, "--out", bundle.path), "exists already"),
        ((store, "--run", tmp_path / "absent", "--out", path), "no run here"),
    ):
        assert expect(*given) == 1
        assert said in capsys.readouterr().err
        assert not path.exists()
