"""Choosing without any model, with the model of a run, and by minutes."""

from pathlib import Path

import numpy as np
import pytest
from hospitals import source_config, units_of, write_yaml
from scipy.stats import entropy

from lesslabel.adaptation.choosing import MinuteBudget, rank_queue
from lesslabel.adaptation.cold_start import describe_images
from lesslabel.adaptation.selecting import QueueSummary, select
from lesslabel.cli import main
from lesslabel.command_words import read_settings
from lesslabel.data.loading.datasets import EvaluationSet
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.queue import read_queue
from lesslabel.data.store import Store
from lesslabel.disagreement import FurtherColumns, disagreement_maps, entropy_of_classes, last_layer_gradients
from lesslabel.errors import ConfigError, RunError
from lesslabel.features import extract_features
from lesslabel.runs.fitting import fit
from lesslabel.runs.reopening import reopen_run
from lesslabel.selection import STRATEGIES, CoreSet
from lesslabel.selection.cost import AnnotationCost

WITHOUT_MODEL = [name for name, strategy in STRATEGIES.items() if not strategy.needs]
WITH_MODEL = [name for name, strategy in STRATEGIES.items() if strategy.needs and name != "stdr"]


@pytest.fixture(scope="module")
def run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of our own, with dropout."""
    folder = tmp_path_factory.mktemp("own")
    config = source_config(store)
    config["data"]["init_args"] |= {"centres": None, "split": "random", "steps_per_epoch": 10}
    config["trainer"]["max_steps"] = 10
    fit(read_settings(["--config", str(write_yaml(folder / "config.yaml", config)), "--run", str(folder / "run")]))
    return folder / "run"


@pytest.mark.parametrize("unit", ["slice", "case"])
@pytest.mark.parametrize("strategy", WITHOUT_MODEL)
def test_images_alone_are_enough(unlabelled_store: Path, tmp_path: Path, strategy: str, unit: str) -> None:
    seen: list[QueueSummary] = []
    queue = select(
        None, unlabelled_store, tmp_path / "queue.csv", budget=4, strategy=strategy, unit=unit, describe=seen.append
    )
    assert len(set(units_of(queue))) == 4
    assert {(row.strategy, row.model_sha256, row.round) for row in queue.rows} == {(strategy, "", 1)}
    training = SegmentationDataModule(str(unlabelled_store)).records("train")
    assert set(queue.slices) <= {record.uid for record in training}
    assert seen[0].images == 3 * len(training)


@pytest.mark.parametrize("strategy", [*WITH_MODEL, "stdr-specific"])
def test_a_strategy_that_needs_a_model_says_so(store: Path, tmp_path: Path, strategy: str, capsys) -> None:
    given = ["--store", str(store), "--out", str(tmp_path / "q.csv"), "--budget", "2", "--strategy", strategy]
    assert main(["select", *given]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "pass --bundle" in line
    assert not (tmp_path / "q.csv").exists()


def test_descriptions_do_not_depend_on_labels_or_scale(store: Path, unlabelled_store: Path) -> None:
    uids = sorted(Store(store).records)[:3]
    labelled, unlabelled = (describe_images(Store(path), uids) for path in (store, unlabelled_store))
    np.testing.assert_array_equal(labelled.features, unlabelled.features)
    assert labelled.uid.tolist() == [uid for uid in uids for _ in range(3)]
    assert labelled.slice.tolist() == [0, 1, 2] * 3
    assert labelled.entropy is None
    assert labelled.foreground_voxel.min() > 0


@pytest.mark.parametrize("strategy", ["bald", "badge", "clasp-pe"])
def test_the_model_of_a_run_chooses_round_by_round(run: Path, store: Path, tmp_path: Path, strategy: str) -> None:
    first, second = tmp_path / "1.csv", tmp_path / "2.csv"
    select(None, store, first, budget=3, run=run, strategy=strategy)
    queue = select(None, store, second, budget=3, run=run, strategy=strategy, previous=first)
    assert [row.round for row in queue.rows] == [1, 1, 1, 2, 2, 2]
    assert len(set(units_of(queue))) == 6
    assert len({row.model_sha256 for row in queue.rows}) == 1
    assert queue.rows[0].model_sha256


def test_a_cold_start_is_continued_by_a_model(run: Path, store: Path, tmp_path: Path, capsys) -> None:
    given = ["--store", str(store), "--budget", "2"]
    assert main(["select", *given, "--strategy", "typiclust", "--out", str(tmp_path / "1.csv")]) == 0
    more = ["--run", str(run), "--previous", str(tmp_path / "1.csv"), "--strategy", "clasp-pe"]
    folder = tmp_path / "images"
    assert main(["select", *given, *more, "--out", str(tmp_path / "2.csv"), "--images", str(folder)]) == 0
    queue = read_queue(tmp_path / "2.csv", Store(store))
    assert [row.strategy for row in queue.rows] == ["typiclust"] * 2 + ["clasp-pe"] * 2
    assert all(row.prelabel for row in read_queue(folder / "queue.csv").rows)
    assert "this round costs 8 minutes" in capsys.readouterr().out


def test_a_run_and_a_bundle_exclude_each_other(run: Path, bundle, store: Path, tmp_path) -> None:
    with pytest.raises(ConfigError, match="--bundle and --run exclude each other"):
        select(bundle.path, store, tmp_path / "q.csv", budget=2, run=run)
    with pytest.raises(ConfigError, match="compares with the references of a source; pass --bundle"):
        select(None, store, tmp_path / "q.csv", budget=2, run=run, strategy="stdr")


@pytest.fixture(scope="module")
def second_run(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same training from another random seed."""
    folder = tmp_path_factory.mktemp("second") / "run"
    fit(read_settings(["--config", str(run / "config.yaml"), "--seed", "1", "--run", str(folder)]))
    return folder


@pytest.mark.parametrize("strategy", ["bald", "mean-deviation"])
def test_an_ensemble_takes_the_place_of_dropout(run, second_run, store: Path, tmp_path: Path, strategy: str) -> None:
    given = ["--store", str(store), "--budget", "6", "--strategy", strategy, "--run", str(run)]
    assert main(["select", *given, "--ensemble", str(second_run), "--out", str(tmp_path / "both.csv")]) == 0
    assert main(["select", *given, "--ensemble", str(run), "--out", str(tmp_path / "twice.csv")]) == 0
    both, twice = (read_queue(tmp_path / f"{name}.csv", Store(store)) for name in ("both", "twice"))
    assert min(row.score for row in both.rows) > 0.0
    assert max(row.score for row in twice.rows) == pytest.approx(0.0, abs=1e-3)  # a model agrees with itself
    assert len({row.model_sha256 for row in both.rows + twice.rows}) == 2
    if strategy == "bald":
        models = [reopen_run(folder) for folder in (run, second_run)]
        for model in models:
            model.load_weights()
        best, data = both.rows[0], models[0].parsed.datamodule
        image = EvaluationSet(data.loader(), (best.uid,), reference=None)[0]["image"][0, :, best.slice]
        given = [model.parsed.model.probabilities(image[None]).detach().double().numpy()[0] for model in models]
        own = sum(entropy(probabilities, axis=0) for probabilities in given) / 2
        assert best.score == pytest.approx((entropy(sum(given) / 2, axis=0) - own).mean(), rel=1e-4)


def test_an_ensemble_needs_a_run_and_a_strategy_that_compares(run, second_run, store: Path, tmp_path: Path) -> None:
    queue = tmp_path / "q.csv"
    with pytest.raises(ConfigError, match="--ensemble goes with --run RUN"):
        select(None, store, queue, budget=2, ensemble=[second_run])
    with pytest.raises(ConfigError, match="strategy 'entropy' uses one model; choose bald"):
        select(None, store, queue, budget=2, run=run, ensemble=[second_run], strategy="entropy")
    with pytest.raises(RunError, match="no run here"):
        select(None, store, queue, budget=2, run=run, ensemble=[tmp_path / "absent"], strategy="bald")
    assert not queue.exists()


def test_an_ensemble_shares_its_view_of_the_images(run, second_run, store: Path, tmp_path: Path) -> None:
    config = second_run / "config.yaml"
    settings = ["--config", str(config), "--data.intensity.name", "none", "--trainer.max_steps", "1"]
    fit(read_settings([*settings, "--run", str(tmp_path / "other")]))
    with pytest.raises(ConfigError, match=r"other: its data\.intensity differs from that of --run"):
        select(None, store, tmp_path / "q.csv", budget=2, run=run, ensemble=[tmp_path / "other"], strategy="bald")


def test_several_processes_describe_the_same(store: Path) -> None:
    uids = [record.uid for record in SegmentationDataModule(str(store)).records("train")]
    alone, shared = (describe_images(Store(store), uids, workers=workers) for workers in (0, 2))
    np.testing.assert_array_equal(alone.features, shared.features)
    assert alone.uid.tolist() == shared.uid.tolist()
    assert alone.foreground_voxel.tolist() == shared.foreground_voxel.tolist()


def test_core_set_of_a_later_round_starts_at_the_earlier_units(store: Path) -> None:
    data = SegmentationDataModule(str(store))
    features = describe_images(data.store, [record.uid for record in data.records("train")])
    first = rank_queue(features, data, CoreSet(), 3)
    both = rank_queue(features, data, CoreSet(), 2, previous=first)
    assert units_of(both) == units_of(rank_queue(features, data, CoreSet(), 5))


def test_minutes_buy_more_slices_of_known_patients(store: Path, tmp_path: Path) -> None:
    cost, seen = AnnotationCost(first_minutes=6.0, further_minutes=1.0), []
    queue = select(None, store, tmp_path / "q.csv", budget="20 min", strategy="random", cost=cost, describe=seen.append)
    patients = [Store(store).records[row.uid].patient for row in queue.rows]
    assert sum(cost.minutes(patients)) == pytest.approx(seen[0].minutes)
    assert seen[0].minutes <= 20.0
    assert len(set(patients)) == 3 < len(patients)
    assert seen[0].minutes > 19.0
    features = describe_images(Store(store), [row.uid for row in queue.rows])
    data = SegmentationDataModule(str(store))
    more = rank_queue(features, data, STRATEGIES["random"](0), MinuteBudget(3.0, cost), previous=queue)
    assert len(more.rows) == len(queue.rows) + 3  # all of these patients are known


def test_disagreement_by_hand() -> None:
    import torch

    maps = disagreement_maps([torch.tensor([[[[1.0]], [[0.0]]]]), torch.tensor([[[[0.0]], [[1.0]]]])])
    assert maps[0, :, 0, 0].tolist() == pytest.approx([np.log(2), 0.5])
    same = disagreement_maps([torch.full((1, 2, 1, 1), 0.5)] * 3)
    assert same.flatten().tolist() == pytest.approx([0.0, 0.0], abs=1e-3)


def test_entropy_of_classes_and_gradients_by_autograd() -> None:
    import torch

    torch.manual_seed(0)
    features = torch.randn(2, 5, 4, 3)
    layer = torch.nn.Conv2d(5, 3, 1)
    probabilities = layer(features).softmax(dim=1)
    found = last_layer_gradients(probabilities.detach(), features)
    for index in range(2):
        logits = layer(features[index : index + 1])
        loss = torch.nn.functional.cross_entropy(logits, logits.argmax(dim=1))
        (expected,) = torch.autograd.grad(loss, [layer.weight])
        torch.testing.assert_close(found[index], expected.flatten())
    of_pixels = -(probabilities * probabilities.log()).sum(dim=1)
    by_class = entropy_of_classes(probabilities.detach())
    torch.testing.assert_close(by_class.sum(dim=1), of_pixels.mean(dim=(1, 2)).detach())
    label = probabilities.argmax(dim=1)
    torch.testing.assert_close(by_class[1, 2], (of_pixels[1][label[1] == 2].sum() / 12).detach())


def test_several_predictions_are_the_same_again_and_need_dropout(bundle, target) -> None:
    uids = [record.uid for record in target.records("train")][:1]
    further = FurtherColumns(passes=3, gradients=True)
    first, again = (extract_features(bundle.build_method(), target, uids, further=further) for _ in range(2))
    np.testing.assert_array_equal(first.mutual_information, again.mutual_information)
    assert first.mutual_information.max() > 0.0
    assert first.gradients.shape == (3, 3 * 4)
    method = bundle.build_method()
    for part in method.modules():
        if hasattr(part, "p"):
            part.p = 0.0
    with pytest.raises(ConfigError, match="the model has no dropout"):
        extract_features(method, target, uids, further=further)
