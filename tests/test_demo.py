"""What the demo says at its end can be typed as it is printed."""

import shutil
import sys
from pathlib import Path

import pytest

from lesslabel import demo

DRAW = "lesslabel annotate demo/store --annotation mine --author me --kind scribble"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source checkout after `make demo`: an environment that is not activated, without the extra and the page."""
    (tmp_path / "lesslabel").mkdir()
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    monkeypatch.setattr(demo, "__file__", str(tmp_path / "lesslabel" / "demo.py"))
    monkeypatch.setattr(demo, "find_spec", lambda _name: None)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    return tmp_path


def test_after_make_demo_the_page_and_the_extra_come_first(checkout: Path) -> None:
    assert checkout.is_dir()
    assert demo.how_to_draw(Path("demo/store")) == [
        "make page",
        ".venv/bin/pip install -e '.[annotate]'",
        f".venv/bin/{DRAW}",
    ]


def test_where_all_is_there_one_command_is_enough(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    static = checkout / "lesslabel" / "annotating" / "static"
    static.mkdir(parents=True)
    (static / "page.js").touch()
    monkeypatch.setattr(demo, "find_spec", lambda name: name)
    assert demo.how_to_draw(Path("demo/store")) == [f".venv/bin/{DRAW}"]
    monkeypatch.setattr(shutil, "which", lambda name: str(checkout / ".venv" / "bin" / name))
    assert demo.how_to_draw(Path("demo/store")) == [DRAW]


def test_of_an_installed_wheel_the_extra_is_not_that_of_a_checkout(checkout: Path) -> None:
    (checkout / "pyproject.toml").unlink()
    assert ".venv/bin/pip install 'lesslabel[annotate]'" in demo.how_to_draw(Path("demo/store"))
