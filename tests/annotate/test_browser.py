"""The tests of the page are skipped where they cannot run, and fail where they must."""

import shutil
from pathlib import Path

import browser
import pytest


@pytest.mark.parametrize("missing", ["page", "chromium"])
@pytest.mark.parametrize(("wanted", "outcome"), [(False, pytest.skip.Exception), (True, pytest.fail.Exception)])
def test_what_is_missing_is_named(
    missing: str, wanted: bool, outcome: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "page.js").touch()
    (tmp_path / "page" / "node_modules" / "playwright-core").mkdir(parents=True)
    monkeypatch.setattr(browser, "ROOT", tmp_path)
    monkeypatch.setattr(browser, "STATIC", tmp_path / "nowhere" if missing == "page" else tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/node" if name == "node" else None)
    monkeypatch.setattr(browser.Wanted, "always", wanted)
    with pytest.raises(outcome, match=rf"{missing}.*make page"):
        browser.require_browser()


def test_the_switch_reaches_the_tests(pytestconfig: pytest.Config) -> None:
    assert browser.Wanted.always == pytestconfig.getoption("--require-page")
