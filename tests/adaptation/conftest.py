"""A store of two hospitals, the bundle of the one, and how it sees the other."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hospitals import REFERENCES, Unlabelled, source_config, write_yaml
from phantom_stores import PhantomStores

from lesslabel.adaptation.choosing import features_of_training_part
from lesslabel.bundle import Bundle, export_bundle
from lesslabel.command_words import read_settings
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.store.prepare import prepare
from lesslabel.disagreement import FurtherColumns
from lesslabel.features import ImageFeatures
from lesslabel.runs.fitting import fit


@pytest.fixture(scope="session")
def store(phantom_store: PhantomStores) -> Path:
    """Eight patients of each hospital, two cases of 3×32×32 each: five train, one validates, two test."""
    return phantom_store(cases=32, size=32, depth=3, centres=2)


@pytest.fixture(scope="session")
def unlabelled_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images without any annotation."""
    path = tmp_path_factory.mktemp("stores") / "unlabelled"
    prepare(Unlabelled(cases=32, size=32, depth=3, centres=2), path)
    return path


@pytest.fixture(scope="session")
def bundle(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """What the north hands over; do not write to it."""
    folder = tmp_path_factory.mktemp("north")
    config = write_yaml(folder / "config.yaml", source_config(store))
    fit(read_settings(["--config", str(config), "--run", str(folder / "run")]))
    return export_bundle(folder / "run", folder / "bundle", store, n_references=REFERENCES)


@pytest.fixture(scope="session")
def target(bundle: Bundle, store: Path) -> SegmentationDataModule:
    """The east as the model of the north sees it."""
    return bundle.data_module(store, split="random_by_centre", centres=["east"])


@pytest.fixture(scope="session")
def features(bundle: Bundle, target: SegmentationDataModule) -> ImageFeatures:
    """What the model of the north sees in the training part of the east."""
    return features_of_training_part(bundle, target, further=FurtherColumns(passes=2, gradients=True))


@pytest.fixture(autouse=True)
def _keep_signal_handlers() -> Iterator[None]:
    """Lightning ignores Ctrl-C after the first one."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)
