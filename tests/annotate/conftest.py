from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the page needs the extra lesslabel[annotate]")

from browser import Wanted
from desks import Page, make_desk, make_store

from lesslabel.annotating.desk import Desk
from lesslabel.data.store import Store


def pytest_configure(config: pytest.Config) -> None:
    """Let the tests of the page fail where they cannot run, if that was asked for."""
    Wanted.always = config.getoption("--require-page")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "store")


@pytest.fixture
def desk(store: Store) -> Desk:
    return make_desk(store)


@pytest.fixture
def page(desk: Desk) -> Page:
    return Page(desk)
