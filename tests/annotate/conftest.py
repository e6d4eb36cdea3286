from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the page needs the extra lesslabel[annotate]")

from desks import Page, make_desk, make_store

from lesslabel.annotate.desk import Desk
from lesslabel.data.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "store")


@pytest.fixture
def desk(store: Store) -> Desk:
    return make_desk(store)


@pytest.fixture
def page(desk: Desk) -> Page:
    return Page(desk)
