"""The stages of an adaptation: who teaches, what goes on, what is refused."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hospitals import (
    SETTINGS,
    WITHOUT_LABELS,
    checkpoint,
    queue_of,
    require_equal,
    require_same_training,
    whole,
    write_yaml,
)

from lesslabel.adaptation import pseudo_labels, stages
from lesslabel.adaptation.folder import begin_adaptation
from lesslabel.adaptation.pseudo_labels import NAME
from lesslabel.adaptation.stages import FINE_TUNE, PSEUDO_LABELS, SELF_TRAIN, adapt_with_labels, adapt_without_labels
from lesslabel.bundle import Bundle
from lesslabel.bundle.manifest import MethodConfig
from lesslabel.cli import main
from lesslabel.command_words import read_settings
from lesslabel.data.batch import Batch
from lesslabel.data.case import Kind
from lesslabel.data.loading.histogram_matching import match_histogram
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.loading.sampling import SampleSource
from lesslabel.data.queue import write_queue
from lesslabel.data.store import Store
from lesslabel.data.view import VisibleAnnotation
from lesslabel.errors import ConfigError, LesslabelError, RunError
from lesslabel.methods import Supervised
from lesslabel.runs.fitting import fit
from lesslabel.runs.folder import RunFolder
from lesslabel.runs.parsing import RunCLI, parse_run
from lesslabel.runs.reopening import load_run
from lesslabel.runs.settings import Settings
from lesslabel.runs.testing import predict
from lesslabel.runs.weights import describe_weights

LOSSES = Supervised.losses


@pytest.fixture(scope="session")
def units(target: SegmentationDataModule) -> list[tuple[str, int]]:
    """Two slices of one case, one of another, a third whole."""
    first, second, third = [record.uid for record in target.records("train")][:3]
    return [(first, 0), (first, 2), (second, 1), *whole(third)]


@pytest.fixture(scope="session")
def queue(units: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("queues") / "queue.csv"
    write_queue(path, queue_of(units))
    return path


@pytest.fixture(scope="session")
def batches() -> list[Batch]:
    """What `adapted` was trained on, in order."""
    return []


@pytest.fixture(scope="session")
def adapted(bundle: Bundle, store: Path, queue: Path, batches, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All three stages, which nothing interrupted."""
    out = tmp_path_factory.mktemp("east") / "adapted"

    def recorded(self: Supervised, batch: Batch) -> object:
        batches.append(batch)
        return LOSSES(self, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Supervised, "losses", recorded)
        run = adapt_with_labels(bundle, store, queue, "dense", out, overrides=read_settings(SETTINGS))
    assert run.path == out / SELF_TRAIN
    return out


@pytest.fixture
def trained_stages(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, dict, Path]]:
    """Instead of training, note which run would start from which weights."""
    noted = []

    def note(run: Path, config: dict, weights: Path, settings: Settings, training: object = fit) -> RunFolder:
        assert settings.words() == ["--seed", "1"]
        assert training is fit
        noted.append((run, config, weights))
        return RunFolder(run)

    monkeypatch.setattr(stages, "train_stage", note)
    monkeypatch.setattr(stages, "_label_the_rest", lambda *_: 3)
    return noted


def opened(run: Path) -> RunCLI:
    return parse_run(read_settings(["--config", str(run / "config.yaml")]))


def started_from(run: Path) -> str:
    return json.loads((run / "environment.json").read_text())["weights"]["sha256"]


def test_only_what_the_queue_holds_supervises_first(adapted: Path, batches: list[Batch], units) -> None:
    labelled = opened(adapted / FINE_TUNE).datamodule.streams().labelled
    supervised = {SampleSource(uid, index) for uid, at in units for index in (range(3) if at < 0 else [at])}
    assert len(labelled) == len(supervised)
    assert set(labelled) == supervised
    first = batches[:4]
    assert {kind for batch in first for kind in batch["kind"].tolist()} == {Kind.DENSE}
    assert {uid for batch in first for uid in batch["uid"]} == {uid for uid, _ in units}


def test_the_last_stage_learns_from_both(
    adapted: Path, batches: list[Batch], units, target: SegmentationDataModule
) -> None:
    run = opened(adapted / SELF_TRAIN)
    shown, (first, _), (_, _), (second, _), (third, _) = run.datamodule.shown(), *units
    assert shown[first] == (VisibleAnnotation("dense", (0, 2)), VisibleAnnotation(NAME, (1,)))
    assert shown[second] == (VisibleAnnotation("dense", (1,)), VisibleAnnotation(NAME, (0, 2)))
    assert shown[third] == (VisibleAnnotation("dense"),)
    others = {record.uid for record in target.records("train")} - {first, second, third}
    assert len(others) == 7
    assert all(shown[uid] == (VisibleAnnotation(NAME),) for uid in others)
    assert not run.datamodule.streams().unlabelled
    last = batches[4:]
    assert len(last) == 4
    assert {kind for batch in last for kind in batch["kind"].tolist()} == {Kind.DENSE, Kind.PSEUDO}


def test_dice_speaks_of_pseudo_labels_in_the_last_stage_alone(adapted: Path, batches: list[Batch]) -> None:
    batch = next(batch for batch in batches if Kind.PSEUDO in batch["kind"].tolist())
    only = {**batch, "kind": torch.full_like(batch["kind"], int(Kind.PSEUDO))}
    first, last = (load_run(adapted / stage).model for stage in (FINE_TUNE, SELF_TRAIN))
    dense = {**batch, "kind": torch.full_like(batch["kind"], int(Kind.DENSE))}
    with torch.no_grad():
        assert float(first.losses(only)["dice"]) == 0.0
        assert float(last.losses(only)["dice"]) == float(last.losses(dense)["dice"]) > 0.0


def test_every_stage_starts_where_the_one_before_ended(adapted: Path, bundle: Bundle) -> None:
    assert started_from(adapted / FINE_TUNE) == bundle.model_sha256
    handed_on = adapted / "weights.safetensors"
    assert started_from(adapted / SELF_TRAIN) == describe_weights(handed_on)["sha256"] != bundle.model_sha256
    provenance = json.loads((adapted / PSEUDO_LABELS / "provenance.json").read_text())
    assert provenance["model_sha256"] == started_from(adapted / SELF_TRAIN)
    require_equal(safetensors.torch.load_file(handed_on), load_run(adapted / FINE_TUNE).model.state_dict())


def test_killed_anywhere_it_goes_on_and_ends_the_same(
    adapted: Path, bundle: Bundle, store: Path, queue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "interrupted"

    def go_on() -> RunFolder:
        return adapt_with_labels(bundle, store, queue, "dense", out, overrides=read_settings(SETTINGS))

    def interrupt_training(stage: int, step: int) -> None:
        def interrupted(self: Supervised, batch: Batch) -> object:
            if (1 if self.dice_kinds == (Kind.DENSE,) else 3, self.global_step) == (stage, step):
                raise KeyboardInterrupt
            return LOSSES(self, batch)

        with monkeypatch.context() as patch:
            patch.setattr(Supervised, "losses", interrupted)
            with pytest.raises(KeyboardInterrupt):
                go_on()

    interrupt_training(1, 1)  # before the first epoch was saved
    assert not list((out / FINE_TUNE).glob("checkpoints/*"))
    interrupt_training(1, 3)
    assert checkpoint(out / FINE_TUNE)["global_step"] == 2
    with monkeypatch.context() as patch:
        patch.setattr(pseudo_labels, "write_annotation", interrupt_before_the_third(pseudo_labels.write_annotation))
        with pytest.raises(KeyboardInterrupt):
            go_on()
    assert (out / "weights.safetensors").is_file()
    assert not (out / PSEUDO_LABELS).exists()
    interrupt_training(3, 0)
    interrupt_training(3, 3)
    assert checkpoint(out / SELF_TRAIN)["global_step"] == 2
    assert go_on().path == out / SELF_TRAIN
    for stage in (FINE_TUNE, SELF_TRAIN):
        require_same_training(out / stage, adapted / stage)
    go_on()  # complete: nothing changes
    require_same_training(out / SELF_TRAIN, adapted / SELF_TRAIN)


KILL_IN_THE_LAST_STAGE = """
import os, signal, sys
from lesslabel.cli import main
from lesslabel.methods import Supervised

losses = Supervised.losses

def killed(self, batch):
    if len(self.dice_kinds) > 1 and self.global_step == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return losses(self, batch)

Supervised.losses = killed
main(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_process_that_was_killed_outright_goes_on_with_the_same_command(
    adapted: Path, bundle: Bundle, store: Path, queue: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    command = ["adapt", "--bundle", bundle.path, "--store", store, "--queue", queue, "--annotation", "dense"]
    command = [str(part) for part in (*command, "--out", out, *SETTINGS)]
    ended = subprocess.run([sys.executable, "-c", KILL_IN_THE_LAST_STAGE, *command], capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert checkpoint(out / SELF_TRAIN)["global_step"] == 2
    assert main(command) == 0
    for stage in (FINE_TUNE, SELF_TRAIN):
        require_same_training(out / stage, adapted / stage)


def interrupt_before_the_third(write: Callable[..., None]) -> Callable[..., None]:
    written: list[str] = []

    def interrupted(folder: Path, uid: str, *rest: object) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(uid)
        write(folder, uid, *rest)

    return interrupted


def test_another_adaptation_in_the_folder_is_refused(
    adapted: Path, bundle: Bundle, store: Path, queue: Path, tmp_path: Path
) -> None:
    write_queue(tmp_path / "other.csv", queue_of([("phantom002_ed", 0)]))
    other = replace(bundle, model_sha256="0" * 64)
    longer = [*SETTINGS, "--trainer.max_steps", "6"]
    for what, call in {
        "queue": lambda: adapt_with_labels(
            bundle, store, tmp_path / "other.csv", "dense", adapted, overrides=read_settings(SETTINGS)
        ),
        "annotation": lambda: adapt_with_labels(
            bundle, store, queue, "scribble", adapted, overrides=read_settings(SETTINGS)
        ),
        "model_sha256": lambda: adapt_with_labels(
            other, store, queue, "dense", adapted, overrides=read_settings(SETTINGS)
        ),
        "settings": lambda: adapt_with_labels(bundle, store, queue, "dense", adapted, overrides=read_settings(longer)),
        "confidence": lambda: adapt_with_labels(
            bundle, store, queue, "dense", adapted, confidence=0.5, overrides=read_settings(SETTINGS)
        ),
        "self_train": lambda: adapt_with_labels(
            bundle, store, queue, "dense", adapted, self_train=False, overrides=read_settings(SETTINGS)
        ),
        "without_labels": lambda: adapt_without_labels(
            bundle, store, "tent", adapted, overrides=read_settings(SETTINGS)
        ),
    }.items():
        with pytest.raises(RunError, match=f"{adapted}: holds an adaptation with another .*{what}"):
            call()
    with pytest.raises(RunError, match="exists already and is no adaptation"):
        adapt_with_labels(bundle, store, queue, "dense", tmp_path, overrides=read_settings(SETTINGS))


def test_a_mistake_before_any_training_does_not_spoil_the_folder(bundle: Bundle, store: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    begin_adaptation(out, bundle, store, {"annotation": "exprt1"}, Settings())
    begin_adaptation(out, bundle, store, {"annotation": "expert1"}, Settings())
    (out / FINE_TUNE).mkdir()
    begin_adaptation(out, bundle, store, {"annotation": "expert1"}, Settings())
    with pytest.raises(RunError, match="another annotation"):
        begin_adaptation(out, bundle, store, {"annotation": "exprt1"}, Settings())


@pytest.mark.parametrize("setting", ["--run", "--weights", "--ckpt_path"])
def test_what_the_stages_decide_is_refused(bundle: Bundle, store: Path, queue: Path, tmp_path, setting: str) -> None:
    for given in ([setting, "last"], [f"{setting}=last"]):
        with pytest.raises(ConfigError, match=f"{setting} is decided by lesslabel adapt"):
            adapt_with_labels(bundle, store, queue, "dense", tmp_path / "out", overrides=read_settings(given))
    assert not (tmp_path / "out").exists()


def test_a_second_process_does_not_touch_the_first(bundle: Bundle, store: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("lesslabel.adaptation.folder.is_main_process", lambda: False)
    with pytest.raises(RunError, match="an adaptation runs in one process"):
        adapt_without_labels(bundle, store, "none", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_bad_thresholds_and_networks_are_refused_before_training(
    bundle: Bundle, store: Path, queue: Path, tmp_path: Path, trained_stages
) -> None:
    with pytest.raises(ConfigError, match="confidence: 2 is no probability"):
        adapt_with_labels(bundle, store, queue, "dense", tmp_path / "out", confidence=2)
    settings = {key: value for key, value in bundle.manifest.method.settings.items() if key != "dice_on_pseudo_labels"}
    branches = replace(bundle, manifest=replace(bundle.manifest, method=MethodConfig("DMPLS", settings)))
    with pytest.raises(ConfigError, match="DMPLS has other networks than Supervised"):
        adapt_with_labels(branches, store, queue, "dense", tmp_path / "out")
    with pytest.raises(ConfigError, match="DMPLS has other networks than Tent"):
        adapt_without_labels(branches, store, "tent", tmp_path / "tent")
    assert not trained_stages


def test_which_weights_a_stage_starts_from(bundle: Bundle, store: Path, queue: Path, tmp_path, trained_stages) -> None:
    for restart in (False, True):
        out = tmp_path / f"restart-{restart}"
        run = adapt_with_labels(
            bundle, store, queue, "dense", out, restart_from_source=restart, overrides=read_settings(["--seed", "1"])
        )
        assert run.path == out / SELF_TRAIN
    assert [weights for *_, weights in trained_stages] == [
        bundle.weights,
        tmp_path / "restart-False" / "weights.safetensors",
        bundle.weights,
        bundle.weights,
    ]


def test_stages_by_name(bundle: Bundle, store: Path, queue: Path, tmp_path: Path, trained_stages) -> None:
    given = {"name": "STDR, 20 %", "overrides": {"seed": 1}}
    adapt_with_labels(bundle, store, queue, "dense", tmp_path / "three", **given)
    run = adapt_with_labels(bundle, store, queue, "dense", tmp_path / "one", self_train=False, **given)
    assert run.path == tmp_path / "one" / FINE_TUNE
    assert [config["name"] for _, config, _ in trained_stages] == ["STDR, 20 %", "STDR, 20 % + semi", "STDR, 20 %"]


def test_nothing_left_to_pseudo_label_ends_after_the_first_stage(
    bundle: Bundle, store: Path, queue: Path, tmp_path: Path, trained_stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "_label_the_rest", lambda *_: 0)
    run = adapt_with_labels(bundle, store, queue, "dense", tmp_path / "all", overrides=read_settings(["--seed", "1"]))
    assert run.path == tmp_path / "all" / FINE_TUNE
    assert len(trained_stages) == 1


def test_not_adapting_has_the_weights_of_the_bundle(bundle: Bundle, store: Path, tmp_path: Path) -> None:
    for _ in range(2):  # the second call finds it complete
        run = adapt_without_labels(bundle, store, "none", tmp_path / "out", overrides=read_settings(SETTINGS))
        require_equal(checkpoint(run.path)["state_dict"], safetensors.torch.load_file(bundle.weights))
        assert checkpoint(run.path)["global_step"] == 0
    assert not opened(run.path).datamodule.shown()


def test_a_target_without_any_label_can_adapt_and_predict(bundle: Bundle, unlabelled_store: Path, tmp_path) -> None:
    patients = sorted({record.patient for record in Store(unlabelled_store).records.values()})[:3]
    split = write_yaml(tmp_path / "split.yaml", {"folds": {0: {"train": patients}}})
    settings = [*WITHOUT_LABELS, "--data.split", str(split)]
    run = adapt_without_labels(bundle, unlabelled_store, "tent", tmp_path / "out", overrides=read_settings(settings))
    assert run.checkpoint("auto").stem == "last"
    assert len(predict(run.path, tmp_path / "labels", part="all")) == 32


def test_histograms_are_matched_to_the_quantiles_of_the_bundle(
    bundle: Bundle, store: Path, target: SegmentationDataModule, tmp_path: Path
) -> None:
    run = adapt_without_labels(bundle, store, "histogram", tmp_path / "out", overrides=read_settings(SETTINGS))
    require_equal(checkpoint(run.path)["state_dict"], safetensors.torch.load_file(bundle.weights))
    data = opened(run.path).datamodule
    case = target.store.read(target.records("test")[0].uid)
    matched = match_histogram(case.image, bundle.quantiles)
    expected = (matched - matched.mean()) / matched.std()
    np.testing.assert_allclose(data.loader().image(case), expected, atol=1e-5)
    assert not np.allclose(target.loader().image(case), expected, atol=0.05)


def test_adami_needs_the_class_shares(bundle: Bundle, store: Path, tmp_path: Path, trained_stages) -> None:
    adapt_without_labels(bundle, store, "adami", tmp_path / "with", overrides=read_settings(["--seed", "1"]))
    ((_, config, weights),) = trained_stages
    assert config["model"]["init_args"]["class_shares"] == list(bundle.manifest.class_shares)
    assert weights == bundle.weights
    without = replace(bundle, manifest=replace(bundle.manifest, class_shares=()))
    with pytest.raises(ConfigError, match="no class shares, which AdaMI needs"):
        adapt_without_labels(without, store, "adami", tmp_path / "without", overrides=read_settings(["--seed", "1"]))


def test_an_unknown_rival_is_refused(bundle: Bundle, store: Path, tmp_path: Path) -> None:
    with pytest.raises(LesslabelError, match="--without-labels: 'magic' is not one of none, histogram, tent, adami"):
        adapt_without_labels(bundle, store, "magic", tmp_path / "out")
