"""Fixtures that several rooms share."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from golden.record import Golden
from hypothesis import HealthCheck, settings
from phantom_stores import PhantomStores
from real_data import REAL_DATA

# a deadline fails a test because the machine was busy, not because the code is wrong, and so does "too slow"
settings.register_profile("lesslabel", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lesslabel")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what writes the golden values again, and what lets no test of the page be skipped."""
    parser.addoption("--regenerate-golden", action="store_true", help="write tests/golden/golden.json (with -n 0)")
    parser.addoption("--require-page", action="store_true", help="fail where the page is not built or has no browser")


@pytest.fixture(scope="session")
def golden(pytestconfig: pytest.Config) -> Golden:
    """The recorded values that no refactoring may change."""
    return Golden(regenerate=pytestconfig.getoption("--regenerate-golden"))


@pytest.fixture(scope="session")
def phantom_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PhantomStores]:
    """Makes stores of the phantom, or finds those made before; whoever changes one copies it first."""
    stores = PhantomStores(tmp_path_factory.mktemp)
    yield stores
    stores.require_unchanged()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums are added in the order of one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def real_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with two real cases each in ``acdc/`` (spacing beside them) and ``la/`` (list beside them), and all real
    ones in ``mscmr/`` and ``hippocampus/``.
    """
    script = REAL_DATA / "unpack.py"
    if not script.exists():
        pytest.skip(f"the real data are not at hand: no {script}")
    folder = tmp_path_factory.mktemp("real")
    subprocess.run([sys.executable, script, folder, "acdc", "la", "mscmr", "hippocampus", "--limit", "2"], check=True)
    shutil.copy(REAL_DATA / "acdc_spacing.json", folder / "acdc")
    shutil.copy(REAL_DATA / "la_train.list", folder / "la")
    return folder
