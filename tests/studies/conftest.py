"""A tiny store and its configuration."""

from pathlib import Path

import pytest
import yaml
from phantom_stores import PhantomStores
from studying import SETTINGS


@pytest.fixture(scope="session")
def store(phantom_store: PhantomStores) -> Path:
    """Sixteen phantom cases of 3×32×32: five patients train, one validates, two test."""
    return phantom_store(cases=16, size=32, depth=3)


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
