"""What every adaptation without labels promises. A new one adds one row."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
from hospitals import EAST, WITHOUT_LABELS, checkpoint, require_equal, write_yaml
from pytorch_lightning import Trainer

from lesslabel.adaptation.stages import adapt_without_labels
from lesslabel.adaptation.without_labels import ADAPTATIONS
from lesslabel.bundle import Bundle
from lesslabel.bundle.manifest import MethodConfig
from lesslabel.cli import main
from lesslabel.command_words import read_settings
from lesslabel.data.store import Store
from lesslabel.errors import ConfigError
from lesslabel.runs.folder import RunFolder
from lesslabel.studies.step_inputs import StepInputs

SETTINGS = (*WITHOUT_LABELS, *EAST)


def of_two_networks(bundle: Bundle) -> Bundle:
    """A bundle whose method has a network more than adapting goes on with."""
    settings = {key: value for key, value in bundle.manifest.method.settings.items() if key != "dice_on_pseudo_labels"}
    return replace(bundle, manifest=replace(bundle.manifest, method=MethodConfig("DMPLS", settings)))


def without_shares(bundle: Bundle) -> Bundle:
    """A bundle of a run that saw too few dense labels."""
    return replace(bundle, manifest=replace(bundle.manifest, class_shares=()))


@dataclass(frozen=True)
class Row:
    """An adaptation, and bundles that lack what it needs, with a part of what is then said."""

    name: str
    refused: tuple[tuple[Callable[[Bundle], Bundle], str], ...] = ()


ROWS = [
    Row("none"),
    Row("histogram"),
    Row("tent", ((of_two_networks, "DMPLS has other networks than Tent"),)),
    Row(
        "adami",
        (
            (of_two_networks, "DMPLS has other networks than AdaMI"),
            (without_shares, "no class shares, which AdaMI needs"),
        ),
    ),
    Row("batch-statistics"),
    Row(
        "shot",
        (
            (of_two_networks, "DMPLS has other networks than SHOT"),
            (without_shares, "no class shares, which SHOT needs"),
        ),
    ),
    Row("dpl", ((of_two_networks, "DMPLS has other networks than DPL"),)),
    Row("cbmt", ((of_two_networks, "DMPLS has other networks than CBMT"),)),
    Row("cpr", ((of_two_networks, "DMPLS has other networks than CPR"),)),
    Row("uncertain-da", ((of_two_networks, "DMPLS has other networks than UncertainDA"),)),
    Row("prosfda", ((of_two_networks, "DMPLS has other networks than ProSFDA"),)),
    Row("fsm", ((of_two_networks, "DMPLS has other networks than FSM"),)),
]

every_adaptation = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


@pytest.fixture(scope="session")
def uninterrupted(bundle: Bundle, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], RunFolder]:
    """The adaptation of a name, made once and interrupted by nothing."""
    made: dict[str, RunFolder] = {}

    def make(name: str) -> RunFolder:
        if name not in made:
            out = tmp_path_factory.mktemp(name) / "out"
            made[name] = adapt_without_labels(bundle, store, name, out, overrides=read_settings(SETTINGS))
        return made[name]

    return make


@every_adaptation
def test_it_is_an_ordinary_run_that_sees_no_label_and_is_tested(row: Row, uninterrupted, bundle: Bundle) -> None:
    run, adaptation = uninterrupted(row.name), ADAPTATIONS[row.name]()
    assert run.path.name == row.name
    assert json.loads(run.data.read_text())["labelled"] == {}
    assert main(["test", "--run", str(run.path)]) == 0
    assert json.loads((run.test / "summary.json").read_text())["method"] == adaptation.title
    weights, given = checkpoint(run.path)["state_dict"], safetensors.torch.load_file(bundle.weights)
    assert checkpoint(run.path)["global_step"] == (4 if adaptation.trains else 0)
    moved = {name for name in given if not weights[name].equal(given[name])}
    if adaptation.trains:
        assert moved
    elif row.name == "batch-statistics":
        statistics = {name for name in given if name.endswith(("running_mean", "running_var", "num_batches_tracked"))}
        assert moved
        assert moved <= statistics
    else:
        require_equal(weights, given)


@every_adaptation
def test_the_same_seed_gives_the_same_weights(row: Row, uninterrupted, bundle: Bundle, store: Path, tmp_path) -> None:
    again = adapt_without_labels(bundle, store, row.name, tmp_path / "out", overrides=read_settings(SETTINGS))
    require_equal(checkpoint(again.path)["state_dict"], checkpoint(uninterrupted(row.name).path)["state_dict"])


@every_adaptation
def test_a_target_that_has_no_label_gives_the_same_weights(
    row: Row, bundle: Bundle, store: Path, unlabelled_store: Path, tmp_path: Path
) -> None:
    patients = sorted({record.patient for record in Store(store).records.values()})[:3]
    split = write_yaml(tmp_path / "split.yaml", {"folds": {0: {"train": patients}}})
    settings = [*WITHOUT_LABELS, "--data.split", str(split)]
    runs = [
        adapt_without_labels(bundle, target, row.name, tmp_path / target.name, overrides=read_settings(settings))
        for target in (store, unlabelled_store)
    ]
    require_equal(*(checkpoint(run.path)["state_dict"] for run in runs))


@every_adaptation
def test_interrupted_it_goes_on_and_ends_the_same(
    row: Row, uninterrupted, bundle: Bundle, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Trainer.save_checkpoint

    def adapt(saves: int) -> RunFolder:
        """Interrupt when a checkpoint more than so many is about to be written."""
        saved: list[object] = []

        def interrupting(self: Trainer, path: object, *given: Any, **named: Any) -> None:
            if len(saved) == saves:
                raise KeyboardInterrupt
            saved.append(path)
            save(self, path, *given, **named)

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "save_checkpoint", interrupting)
            return adapt_without_labels(bundle, store, row.name, tmp_path / "out", overrides=read_settings(SETTINGS))

    with pytest.raises(KeyboardInterrupt):
        adapt(0)
    assert not list((tmp_path / "out").rglob("*.ckpt"))
    if ADAPTATIONS[row.name]().trains:
        with pytest.raises(KeyboardInterrupt):
            adapt(1)
        assert list((tmp_path / "out").rglob("*.ckpt"))
    run = adapt(100)
    for _ in range(2):  # complete: nothing changes
        require_equal(checkpoint(run.path)["state_dict"], checkpoint(uninterrupted(row.name).path)["state_dict"])
        assert adapt(0).path == run.path


@pytest.mark.parametrize(
    ("name", "spoil", "said"),
    [(row.name, *refused) for row in ROWS for refused in row.refused],
)
def test_a_bundle_that_lacks_something_costs_a_line(
    name: str, spoil: Callable[[Bundle], Bundle], said: str, bundle: Bundle, store: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=said) as refusal:
        adapt_without_labels(spoil(bundle), store, name, tmp_path / "out", overrides=read_settings(SETTINGS))
    assert str(bundle.path) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "out" / name).exists()


@every_adaptation
def test_a_bundle_of_two_networks_is_refused_or_not_trained(
    row: Row, bundle: Bundle, store: Path, tmp_path: Path
) -> None:
    adaptation = ADAPTATIONS[row.name]()
    (tmp_path / "out").mkdir()
    assert adaptation.trains == any(spoil is of_two_networks for spoil, _ in row.refused)
    if not adaptation.trains:
        config = adaptation.configure(of_two_networks(bundle), store, tmp_path / "out")
        assert config["model"]["class_path"] == "lesslabel.methods.DMPLS"


@every_adaptation
def test_a_study_resolves_it_before_there_is_a_bundle(row: Row, bundle: Bundle, store: Path) -> None:
    adaptation = ADAPTATIONS[row.name]()
    assert adaptation.own_settings.keys() == adaptation.settings(bundle).keys()
    step = ("adapt", "--bundle", "{source}/bundle", "--store", str(store), "--without-labels", row.name)
    inputs = StepInputs("last").describe((*step, "--out", "{job}/adapted", *SETTINGS))
    expected = adaptation.method or "Supervised"
    assert dict(inputs.config)["model.class_path"] == f"lesslabel.methods.{expected}"


def test_every_adaptation_has_a_row() -> None:
    assert [row.name for row in ROWS] == list(ADAPTATIONS)
    titles: Sequence[str] = [adaptation.title for adaptation in ADAPTATIONS.values()]
    assert len(set(titles)) == len(titles)


def test_histograms_are_matched_by_a_copy_beside_the_run(uninterrupted, bundle: Bundle) -> None:
    run = uninterrupted("histogram")
    np.testing.assert_array_equal(np.load(run.path.parent / "quantiles.npy"), bundle.quantiles)
