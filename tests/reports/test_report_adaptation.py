"""The page of an adaptation: what was chosen, why, and what it left to revise."""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from lesslabel.adaptation.choosing import choose_queue
from lesslabel.adaptation.strategies import make_strategy
from lesslabel.bundle import Bundle, BundleManifest, load_bundle
from lesslabel.bundle.contents import write_contents
from lesslabel.bundle.manifest import (
    FeatureSettings,
    LabelClass,
    MethodConfig,
    Preprocessing,
    ReferenceSettings,
    Training,
    Versions,
)
from lesslabel.bundle.statistics import average_quantiles
from lesslabel.cli import main
from lesslabel.data.case import Annotation, Kind
from lesslabel.data.loading.intensity import Intensity
from lesslabel.data.queue import WHOLE_CASE, Queue, QueueRow, write_queue
from lesslabel.data.sources.phantom import Phantom
from lesslabel.data.store import Store
from lesslabel.data.store.prepare import prepare
from lesslabel.errors import DataError, RunError
from lesslabel.features import FEATURE_GRIDS, ImageFeatures, extract_features
from lesslabel.reports.adaptation.choice_map import draw_choice, units_of
from lesslabel.reports.adaptation.page import read_adaptation, write_adaptation_report

TRAINING = [f"phantom{patient:03d}_{frame}" for patient in (1, 2, 3) for frame in ("ed", "es")]
CLASSES = {"heart": (("Myo", "LV"), (2, 3)), "RV": (("RV",), (1,))}

Adapted = Callable[..., Path]


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight cases of 3×32×32 from two centres."""
    path = tmp_path_factory.mktemp("stores") / "secret"
    prepare(Phantom(cases=8, size=32, depth=3, centres=2), path)
    return path


@pytest.fixture(scope="module")
def bundle(hospital: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A network that was never trained, and references and quantiles of the hospital's last patient."""
    network = {"name": "unet", "dimensions": 2, "channels": [4, 8], "encoder_dropout": [0.0, 0.0]}
    manifest = BundleManifest(
        format=1,
        method=MethodConfig("Supervised", {"num_classes": 3, "in_channels": 1, "network": network}),
        preprocessing=Preprocessing(2, (32, 32), None, None, "linear", Intensity("zscore")),
        classes=tuple(LabelClass(name, labels, codes) for name, (labels, codes) in CLASSES.items()),
        class_shares=(),
        channels=("image",),
        features=FeatureSettings("predicted", FEATURE_GRIDS[2]),
        references=ReferenceSettings(0, (1, 1)),
        training=Training("elsewhere", 7, 14, 42, 42, "best", 10),
        versions=Versions(*["1.0"] * 6),
    )
    store = Store(hospital)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = manifest.build_method().state_dict()
    references = np.random.default_rng(0).random((2, 256), dtype=np.float32) / 100
    quantiles = average_quantiles(store.read(uid).image for uid in ("phantom004_ed", "phantom004_es"))
    folder = tmp_path_factory.mktemp("bundles") / "bundle"
    write_contents(folder, manifest, weights, references, quantiles)
    return load_bundle(folder)


@pytest.fixture(scope="module")
def images(bundle: Bundle, hospital: Path) -> ImageFeatures:
    return extract_features(bundle.build_method(), bundle.data_module(hospital), TRAINING)


@pytest.fixture(scope="module")
def chosen(bundle: Bundle, hospital: Path, images: ImageFeatures) -> Queue:
    """STDR's choice of six of the eighteen slices."""
    return choose_queue(bundle, bundle.data_module(hospital), make_strategy("stdr", bundle, 0), 6, features=images)


@pytest.fixture(scope="module")
def adapted(bundle: Bundle, hospital: Path, chosen: Queue, tmp_path_factory: pytest.TempPathFactory) -> Adapted:
    """Make the folder of an adaptation whose stages are not tested."""

    def make(queue: Queue = chosen, changed: Mapping[str, object] | None = None) -> Path:
        folder = tmp_path_factory.mktemp("adaptations") / "secret" / "out"
        description = {"model_sha256": bundle.model_sha256, "data_hash": Store(hospital).data_hash}
        description |= {"queue": queue.sha256, "annotation": "dense", "self_train": True, "settings": []}
        first = folder / "fine-tune"
        first.mkdir(parents=True)
        (folder / "adapt.json").write_text(json.dumps(description | dict(changed or {})))
        (first / "data.json").write_text(json.dumps({"parts": {"train": TRAINING}}))
        (first / "config.yaml").write_text(yaml.safe_dump({"data": {"init_args": {"store": str(hospital)}}}))
        write_queue(folder / "queue.csv", queue)
        return folder

    return make


@pytest.fixture(scope="module")
def page(adapted: Adapted, bundle: Bundle, read_page, tmp_path_factory: pytest.TempPathFactory):
    """The page of STDR's choice."""
    return read_page(write_adaptation_report(adapted(), bundle, tmp_path_factory.mktemp("pages") / "page.html"))


def figures(html: str) -> list[str]:
    return re.findall(r"<figure>.*?</figure>", html.split('id="chosen"')[1].split("</section>")[0], re.DOTALL)


def test_the_page_shows_map_intensities_choice_and_revision(page):
    sections = [tag["id"] for name, tag in page.tags if name == "section"]
    assert sections == ["map", "intensities", "chosen", "revision", "protocol"]
    assert "6 of 18 slices of the training part were chosen by stdr, in" in page.text
    assert "source, 2 references" in page.text
    assert page.html.count('class="reference"') == 2
    assert page.html.count('class="unchosen"') == 12
    assert page.fact("Source") == "elsewhere, 7 patients, 42 images"
    assert page.fact("Strategy") == "stdr, round 1, seed 0"
    assert "No stage was tested yet" in page.text


def test_both_centres_stand_beside_the_source(page):
    assert "source, 14 cases east, 2 cases north, 4 cases" in page.text
    charts = [page.html.split(f'aria-label="{name} of image"')[1] for name in ("Intensities", "Normalised intensities")]
    assert [chart.split("</svg>")[0].count("<polyline") for chart in charts] == [3, 3]


def outlined(figure: str) -> set[str]:
    """Names of the classes that a picture outlines."""
    return set(re.findall(r"<title>(\w+)</title></path>", figure))


def test_the_gallery_gives_rank_score_and_reason_with_the_labels(page, hospital, chosen):
    shown = figures(page.html)
    assert len(shown) == 6
    for figure, row in zip(shown, chosen.rows, strict=True):
        assert f">{row.rank}. {row.uid}, slice {row.slice + 1}<" in figure
        assert row.reason in figure
        assert "data:image/png;base64," in figure
        labels = Store(hospital).read(row.uid).annotations["dense"].labels[row.slice]
        assert outlined(figure) == {name for name, (_, codes) in CLASSES.items() if np.isin(labels, codes).any()}
        assert ("annotated: nothing to outline" in figure) == (not labels.any())


def test_a_slice_that_nobody_annotated_is_shown_without_outlines(read_page, adapted, bundle, hospital, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(hospital, store)
    truth = Store(store).read(TRAINING[0]).annotations["dense"].labels
    Store(store).add_annotation(TRAINING[0], "ours", Annotation(truth, Kind.DENSE, covered_slices=(1,)))
    queue = Queue(tuple(QueueRow(uid, 0 if uid != TRAINING[0] else 1, rank=1) for uid in TRAINING[:2]))
    queue = Queue((*queue.rows, QueueRow(TRAINING[0], 2, rank=3)))
    folder = adapted(queue, {"annotation": "ours"})
    page = read_page(write_adaptation_report(folder, bundle, tmp_path / "page.html", store=store))
    with_labels, other_case, other_slice = figures(page.html)
    assert outlined(with_labels)
    for figure in (other_case, other_slice):
        assert not outlined(figure)
        assert "no labels in the store" in figure
    assert "The store has changed since the adaptation" in page.text


def test_a_queue_of_cases_is_mapped_by_case(read_page, adapted, bundle, hospital, images, tmp_path):
    queue = Queue(
        tuple(QueueRow(uid, WHOLE_CASE, rank=rank, strategy="random") for rank, uid in enumerate(TRAINING, 1))
    )
    units = units_of(images, queue)
    assert units.names == tuple((uid, WHOLE_CASE) for uid in sorted(TRAINING))
    own = images.features[images.uid == TRAINING[0]]
    np.testing.assert_allclose(units.features[0], np.nanmean(own, axis=0), rtol=1e-5)
    page = read_page(write_adaptation_report(adapted(queue), bundle, tmp_path / "page.html"))
    assert "6 of 6 cases of the training part were chosen by random." in page.text
    truth = Store(hospital).read(TRAINING[0]).annotations["dense"].labels
    fullest = int((truth > 0).sum(axis=(1, 2)).argmax())
    assert f"whole case, slice {fullest + 1} of 3 is shown" in figures(page.html)[0]


def test_a_whole_case_among_slices_marks_all_of_them(bundle, images):
    queue = Queue((QueueRow(TRAINING[0], WHOLE_CASE, rank=1), QueueRow(TRAINING[1], 2, rank=2)))
    drawn = draw_choice(units_of(images, queue), queue, bundle.references)
    assert drawn.chart.count('class="case"') == 4
    assert drawn.chart.count('class="unchosen"') == 14


def test_only_the_first_ranks_are_pictured(read_page, adapted, bundle, tmp_path, monkeypatch):
    monkeypatch.setattr("lesslabel.reports.adaptation.chosen.PICTURED", 2)
    page = read_page(write_adaptation_report(adapted(), bundle, tmp_path / "page.html"))
    assert len(figures(page.html)) == 2
    assert "The first 2 of 6 are shown." in page.text


def test_the_map_tells_the_ends_apart_and_places_what_was_chosen(bundle, images, chosen):
    units = units_of(images, chosen)
    drawn = draw_choice(units, chosen, bundle.references)
    assert [kind for _, kind in drawn.legend] == ["chosen near the source", "chosen far from it"]
    signs = re.findall(r'<g style="--ink: var\(--method-(\d)\)[^>]*><title>(\d)\. [^:]*: (near|far)', drawn.chart)
    assert sorted(signs, key=lambda sign: sign[1]) == [
        (str((rank + 1) % 2), str(rank), ("far", "near")[rank % 2]) for rank in range(1, 7)
    ]


def test_an_image_without_feature_is_counted_and_not_mapped(bundle, images, chosen):
    features = images.features.copy()
    row = chosen.rows[0]
    features[(images.uid == row.uid) & (images.slice == row.slice)] = np.nan
    drawn = draw_choice(units_of(replace(images, features=features), chosen), chosen, bundle.references)
    assert drawn.featureless == 1
    assert drawn.chart.count('class="case"') == 5
    assert drawn.chart.count('class="unchosen"') == 12
    empty = replace(images, features=np.full_like(features, np.nan))
    drawn = draw_choice(units_of(empty, chosen), chosen, bundle.references)
    assert (drawn.chart, drawn.featureless) == ("", 18)


def test_tested_stages_and_an_experiment_join_the_page(read_page, adapted, bundle, make_run, tmp_path):
    folder = adapted()
    tested = make_run("tested", method="Fine-tuned")
    shutil.copytree(tested / "test", folder / "fine-tune" / "test")
    shutil.copytree(tested, folder / "self-train")
    experiment = tmp_path / "experiment"
    experiment.mkdir()
    rows = [f"{name},a,LV,0,0,dice,{dice},x" for name, dice in (('"stdr, 10%"', 0.7), ('"stdr, 20%"', 0.8))]
    (experiment / "results.csv").write_text("\n".join(["method,case,label,fold,seed,metric,value,commit", *rows]))
    (experiment / "cases.csv").write_text("case,patient\na,Jane Roe\n")
    before = {path.name: path.read_bytes() for path in experiment.iterdir()}
    page = read_page(write_adaptation_report(folder, bundle, tmp_path / "page.html", experiment=experiment))
    (table,) = [table for table in page.tables if "mean revision ↓" in table[0]]
    assert [row[1] for row in table[1:]] == ["30.0 % [10.0, 50.0]"] * 2
    assert "stdr, 20 %: 0.800" in page.html
    assert "Roe" not in page.html
    assert {path.name: path.read_bytes() for path in experiment.iterdir()} == before


def test_the_page_loads_nothing_and_tells_no_path(page, hospital):
    assert not re.search(r"https?://|@import|url\(", page.html)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object", "embed", "img"})
    assert all(link.startswith("data:image/png;base64,") for link in page.attributes("href"))
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    for private in ("secret", str(hospital.parent)):
        assert private not in page.html


def test_hostile_reasons_stay_text(read_page, adapted, bundle, tmp_path):
    queue = Queue((QueueRow(TRAINING[0], 1, rank=1, reason="<script>alert(1)</script>", strategy="<b>x"),))
    page = read_page(write_adaptation_report(adapted(queue), bundle, tmp_path / "page.html"))
    assert "script" not in {tag for tag, _ in page.tags}
    assert "were chosen by <b>x" in page.text


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model_sha256": "0" * 64}, "begun with another model than that of"),
        ({"without_labels": "tent"}, "adapted without labels, nothing was chosen"),
        ({"queue": "0" * 64}, r"queue\.csv: not the queue of this adaptation"),
    ],
)
def test_what_does_not_belong_together_is_refused(adapted, bundle, tmp_path, changed, message):
    with pytest.raises(RunError, match=message):
        write_adaptation_report(adapted(changed=changed), bundle, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("missing", "error", "message"),
    [
        ("adapt.json", RunError, "no adaptation here"),
        ("queue.csv", DataError, r"queue\.csv: no such queue"),
        ("fine-tune/data.json", RunError, "records no training part or store"),
        ("fine-tune/config.yaml", RunError, "records no training part or store"),
    ],
)
def test_a_missing_file_is_named(adapted, bundle, missing, error, message):
    folder = adapted()
    (folder / missing).unlink()
    with pytest.raises(error, match=message):
        read_adaptation(folder, bundle)


def test_another_store_is_refused(adapted, bundle, phantom_store):
    with pytest.raises(DataError, match="the store has no case"):
        read_adaptation(adapted(), bundle, phantom_store(cases=2, size=32, depth=3))


def test_the_command_line_writes_the_same_page_again(page, adapted, bundle, capsys):
    folder = adapted()
    assert main(["report", str(folder), "--bundle", str(bundle.path)]) == 0
    assert (folder / "report.html").read_text(encoding="utf-8") == page.html
    assert main(["report", str(folder), str(folder), "--bundle", str(bundle.path)]) != 0
    assert "--bundle: goes with one adaptation" in capsys.readouterr().err


def test_an_adaptation_is_no_run(adapted, report, tmp_path):
    with pytest.raises(RunError, match="an adaptation, no run; name its bundle with --bundle"):
        report([adapted()], tmp_path / "page.html")
