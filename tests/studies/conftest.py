"""A tiny store and its configuration."""

from pathlib import Path

import pytest
import yaml
from studying import SETTINGS

from lesslabel.data.sources.phantom import Phantom
from lesslabel.data.store.prepare import prepare


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen phantom cases of 3×32×32: five patients train, one validates, two test."""
    path = tmp_path_factory.mktemp("stores") / "phantom"
    prepare(Phantom(cases=16, size=32, depth=3), path)
    return path


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mean Teacher with two labelled and three unlabelled samples a step."""
    path = tmp_path_factory.mktemp("configs") / "tiny.yaml"
    path.write_text(yaml.safe_dump(SETTINGS))
    return path


@pytest.fixture(scope="session")
def order(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The eight patients in turn."""
    path = tmp_path_factory.mktemp("orders") / "order.txt"
    path.write_text("".join(f"phantom{patient:03d}\n" for patient in range(1, 9)))
    return path
