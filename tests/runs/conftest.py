"""A tiny store, its configuration and a trained run."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from phantom_stores import PhantomStores
from running import fit, write_config


@pytest.fixture(scope="session")
def store(phantom_store: PhantomStores) -> Path:
    """Sixteen phantom cases of 3×32×32: five patients train, one validates, two test."""
    return phantom_store(cases=16, size=32, depth=3)


@pytest.fixture(scope="session")
def config(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small configuration: DMPLS on scribbles, twelve iterations in three epochs."""
    return write_config(tmp_path_factory.mktemp("configs") / "tiny.yaml", store)


@pytest.fixture(scope="session")
def plain_run(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the small configuration that nothing interrupted."""
    path = tmp_path_factory.mktemp("runs") / "plain"
    assert fit(config, path) == 0
    return path


@pytest.fixture(scope="session")
def trained_run(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is long enough to find a heart."""
    path = tmp_path_factory.mktemp("runs") / "trained"
    assert fit(config, path, "--trainer.max_steps", "60", "--data.steps_per_epoch", "20") == 0
    return path


@pytest.fixture(autouse=True)
def _keep_signal_handlers() -> Iterator[None]:
    """Lightning ignores Ctrl-C after the first one."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)
