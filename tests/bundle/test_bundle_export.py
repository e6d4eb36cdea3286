"""What a bundle holds is what the run and its training part give, and nothing that names anybody."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import lesslabel.methods
from lesslabel.adaptation.choosing import features_of_training_part
from lesslabel.bundle import Bundle, BundleManifest, export_bundle
from lesslabel.bundle.export import require_anonymous
from lesslabel.bundle.statistics import average_quantiles, measure_class_shares
from lesslabel.cli import main
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.store import CaseRecord, Store
from lesslabel.data.view import Supervision, View
from lesslabel.errors import ConfigError, DataError, LesslabelError, RunError
from lesslabel.features import extract_features
from lesslabel.methods import SegmentationMethod, Supervised
from lesslabel.runs.reopening import FinishedRun, reopen_with_weights
from lesslabel.runs.settings import Overrides

NAMES = ["CARD.md", "SHA256SUMS", "bundle.json", "quantiles.npy", "references.npy", "weights.safetensors"]


def training_part(run: Path) -> list[str]:
    parts: dict[str, list[str]] = json.loads((run / "data.json").read_text())["parts"]
    return sorted(parts["train"])


def changed(run: Path, folder: Path, change: Callable[[dict], None]) -> Path:
    """A copy of a run with another configuration."""
    copy = Path(shutil.copytree(run, folder / "run"))
    content = yaml.safe_load((copy / "config.yaml").read_text())
    change(content)
    (copy / "config.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return copy


def test_the_method_comes_back_with_the_weights_that_test_takes(bundle: Bundle, run: Path) -> None:
    saved = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    method = bundle.build_method()
    assert type(method).__name__ == "Supervised"
    assert not method.training
    assert method.state_dict().keys() == saved["state_dict"].keys()
    assert all(torch.equal(method.state_dict()[name], tensor) for name, tensor in saved["state_dict"].items())
    training = bundle.manifest.training
    assert (training.checkpoint, training.iteration) == ("best", saved["global_step"])
    assert bundle.label_names == ("background", "heart", "RV")


def test_the_published_references_are_the_means_of_the_nearest_training_images(
    run: Path, store: Path, tmp_path: Path
) -> None:
    bundle = export_bundle(run, tmp_path / "bundle", store, n_references=4, seed=3, min_patients=1)
    data, uids = bundle.data_module(store), training_part(run)
    images = extract_features(bundle.build_method(), data, uids)
    training = bundle.manifest.training
    assert (training.cases, training.patients, training.images) == (10, 5, 30)
    assert training.images_with_feature == images.has_feature.sum() > 8
    features, owners = images.features[images.has_feature], images.uid[images.has_feature]
    distances = ((features[:, None] - bundle.references[None]) ** 2).sum(axis=2)
    nearest = distances.argmin(axis=1)
    for index, (reference, patients) in enumerate(
        zip(bundle.references, bundle.manifest.references.patients, strict=True)
    ):
        np.testing.assert_allclose(features[nearest == index].mean(axis=0), reference, rtol=1e-4, atol=1e-7)
        assert len({uid.partition("_")[0] for uid in owners[nearest == index]}) == patients
    assert min(bundle.manifest.references.patients) == 1


def test_no_reference_is_of_a_single_patient_unless_asked_for(bundle: Bundle) -> None:
    assert 1 <= len(bundle.references) == len(bundle.manifest.references.patients) < 4
    assert min(bundle.manifest.references.patients) >= 2


def test_the_quantiles_are_means_over_the_raw_training_images(bundle: Bundle, run: Path, store: Path) -> None:
    tables = [
        np.percentile(Store(store).read(uid).image.astype(np.float64), np.arange(256) / 2.55)
        for uid in training_part(run)
    ]
    assert bundle.quantiles.shape == (1, 256)
    np.testing.assert_allclose(bundle.quantiles[0], np.mean(tables, axis=0), rtol=1e-5, atol=1e-5)


def test_quantiles_of_two_channels_by_hand() -> None:
    ramp = np.arange(256, dtype=np.float32).reshape(1, 16, 16)
    first, second = np.stack([ramp, 2 * ramp]), np.stack([ramp[:, ::-1] + 10, np.zeros_like(ramp)])
    found = average_quantiles(iter([first, second]))
    np.testing.assert_allclose(found, np.stack([np.arange(256) + 5, np.arange(256)]), rtol=1e-6)


def test_class_shares_count_the_dense_labels_of_the_training_part(store: Path) -> None:
    data = SegmentationDataModule(str(store))
    labels = np.stack([data.store.read(record.uid).annotations["dense"].labels for record in data.records("train")])
    expected = [(labels == code).mean() for code in range(4)]
    np.testing.assert_allclose(measure_class_shares(data, 5), expected, rtol=1e-12)
    assert measure_class_shares(data, 6) == ()


def test_scribbles_have_no_class_shares(store: Path) -> None:
    data = SegmentationDataModule(str(store), view=View([Supervision("scribble")]))
    assert measure_class_shares(data, 1) == ()


def test_no_file_names_a_case_a_patient_or_a_place(bundle: Bundle, store: Path, run: Path) -> None:
    assert sorted(path.name for path in bundle.path.iterdir()) == NAMES
    content = b"".join(path.read_bytes() for path in bundle.path.iterdir())
    for record in Store(store).records.values():
        assert record.uid.encode() not in content
        assert record.patient.encode() not in content
    for place in (store, run, bundle.path, Path.home()):
        assert str(place).encode() not in content
    assert (bundle.path / "weights.safetensors").stat().st_mode & 0o777 == (
        bundle.path / "bundle.json"
    ).stat().st_mode & 0o777


def test_exporting_again_from_a_store_elsewhere_gives_the_same_bytes(
    bundle: Bundle, run: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved, out = shutil.copytree(store, tmp_path / "moved"), tmp_path / "bundle"
    export = ["bundle", "export", run, out, "--store", moved, "--references", 4, "--seed", 3]
    assert main([str(argument) for argument in export]) == 0
    expected = f"{out}: {len(bundle.references)} references, 0 of them from a single patient each"
    assert expected in capsys.readouterr().out
    for name in NAMES:
        assert (out / name).read_bytes() == (bundle.path / name).read_bytes(), name


def test_the_other_mask_is_recorded_and_used(bundle: Bundle, run: Path, store: Path, tmp_path: Path) -> None:
    other = export_bundle(run, tmp_path / "bundle", store, n_references=2, mask="background-softmax")
    assert other.manifest.features.mask == "background-softmax"
    assert other.manifest.training.images_with_feature == 30
    assert other.model_sha256 == bundle.model_sha256
    # every image counts, and each once
    images = extract_features(
        other.build_method(), other.data_module(store), training_part(run), mask="background-softmax"
    )
    nearest = ((images.features[:, None] - other.references[None]) ** 2).sum(axis=2).argmin(axis=1)
    weights = np.bincount(nearest, minlength=2)
    np.testing.assert_allclose(weights @ other.references / 30, images.features.mean(axis=0), rtol=1e-3, atol=1e-6)


def test_the_other_scale_is_recorded_and_used(bundle: Bundle, run: Path, store: Path, tmp_path: Path) -> None:
    other = export_bundle(run, tmp_path / "bundle", store, n_references=2, scale="unit-length")
    assert other.manifest.features.scale == "unit-length"
    assert "predicted mask, 16×16 cells, unit-length\n" in (other.path / "CARD.md").read_text(encoding="utf-8")
    assert "unit-length" not in (bundle.path / "CARD.md").read_text(encoding="utf-8")
    images = features_of_training_part(other, other.data_module(store))
    np.testing.assert_allclose(np.linalg.norm(images.features[images.has_feature], axis=1), 1.0, rtol=1e-5)
    distance = ((images.features[images.has_feature][:, None] - other.references[None]) ** 2).sum(axis=2)
    assert distance.min(axis=1).mean() < 1.0


def test_a_manifest_without_a_scale_has_the_published_one(bundle: Bundle) -> None:
    text = bundle.manifest.to_json()
    without = re.sub(r',\n *"scale": "published"', "", text)
    assert without != text
    assert BundleManifest.from_json(without) == bundle.manifest


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_an_existing_target_is_left_alone(run: Path, store: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    {"folder": out.mkdir, "file": out.touch, "dangling link": lambda: out.symlink_to(tmp_path / "nowhere")}[kind]()
    with pytest.raises(DataError, match="exists already"):
        export_bundle(run, out, store)
    assert out.is_symlink() or out.exists()


def test_too_many_references_are_refused(run: Path, store: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\d+ training images have a predicted foreground, 31 references were asked"):
        export_bundle(run, tmp_path / "out", store, n_references=31)
    with pytest.raises(DataError, match="6 behind each reference were asked for"):
        export_bundle(run, tmp_path / "out", store, n_references=2, min_patients=6)
    with pytest.raises(ConfigError, match=r"n_clusters: 0"):
        export_bundle(run, tmp_path / "out", store, n_references=0)
    assert not list(tmp_path.iterdir())


def test_too_few_patients_are_refused(run: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lesslabel.bundle.export.SMALLEST_NUMBER_OF_PATIENTS", 6)
    with pytest.raises(DataError, match="5 training patients; a bundle needs 6"):
        export_bundle(run, tmp_path / "out", store)


def test_another_store_or_no_run_is_refused(run: Path, store: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(store, tmp_path / "other"))
    fingerprint = json.loads((other / "fingerprint.json").read_text())
    (other / "fingerprint.json").write_text(json.dumps({**fingerprint, "data_hash": "0"}))
    with pytest.raises(RunError, match="the content of the store changed"):
        export_bundle(run, tmp_path / "out", other)
    with pytest.raises(LesslabelError, match="no run here"):
        export_bundle(tmp_path / "nothing", tmp_path / "out", store)


def test_a_run_that_matches_histograms_is_refused(run: Path, store: Path, bundle: Bundle, tmp_path: Path) -> None:
    def match(content: dict) -> None:
        content["data"]["init_args"]["intensity"]["match"] = str(bundle.path / "quantiles.npy")

    with pytest.raises(DataError, match=r"data\.intensity\.match: "):
        export_bundle(changed(run, tmp_path, match), tmp_path / "out", store, n_references=2)


@pytest.mark.parametrize(
    ("word", "uid", "patient", "reason"),
    [
        ("heart", "a1", "Heart", "names a case or patient"),
        ("T1 of hearts", "HEARTS", "p1", "names a case or patient"),
        ("T1 of hearts", "heart", "p1", None),
        ("RV", "rv", "p1", None),  # two letters identify nobody
        ("/data/heart", "a1", "p1", "use at most 64 letters"),
        ("x" * 65, "a1", "p1", "use at most 64 letters"),
    ],
)
def test_a_word_that_may_not_leave_is_refused(
    store: Path, word: str, uid: str, patient: str, reason: str | None
) -> None:
    record = replace(next(iter(Store(store).records.values())), uid=uid, patient=patient)
    if reason is None:
        require_anonymous(["LV", word], [record])
    else:
        with pytest.raises(DataError, match=reason):
            require_anonymous(["LV", word], [record])


def test_a_label_that_names_a_case_stops_the_export(
    run: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = Store(store).records
    tested = records[json.loads((run / "data.json").read_text())["parts"]["test"][0]]
    records = {**records, "Heart": replace(tested, uid="Heart")}
    monkeypatch.setattr("lesslabel.bundle.export.reopen_with_weights", with_records(records))
    with pytest.raises(DataError, match="'heart' is the name of a label"):
        export_bundle(run, tmp_path / "out", store, n_references=2)
    assert not list(tmp_path.iterdir())


def with_records(records: dict[str, CaseRecord]) -> Callable[..., FinishedRun]:
    """`reopen_with_weights` that shows other rows of the table of cases."""

    def reopen(run: Path, overrides: Overrides) -> FinishedRun:
        finished = reopen_with_weights(run, overrides)
        finished.parsed.datamodule.store.records = records
        return finished

    return reopen


def test_a_method_from_elsewhere_is_refused(
    run: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lesslabel.methods, "Elsewhere", type("Elsewhere", (Supervised,), {}), raising=False)
    monkeypatch.setattr(SegmentationMethod, "on_load_checkpoint", lambda *_: None)

    def use_it(content: dict) -> None:
        content["model"]["class_path"] = "lesslabel.methods.Elsewhere"

    with pytest.raises(ConfigError, match=r"Elsewhere: only the methods of lesslabel\.methods can be bundled"):
        export_bundle(changed(run, tmp_path, use_it), tmp_path / "out", store, n_references=2)


def test_a_full_disk_leaves_nothing_behind(
    run: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object, **__: object) -> int:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(DataError, match="No space left on device"):
        export_bundle(run, tmp_path / "out", store, n_references=2)
    assert not list(tmp_path.iterdir())
