"""What was written before the modules got their rooms is read, resumed and tested by the code of today.

`before_rooms/` was made by commit e5dcef5: a run of `tiny.yaml` that Ctrl-C stopped in its third epoch, the curves of
the same run without a stop, and a store of two cases.
"""

import importlib
import shutil
import sys
import warnings
from pathlib import Path

import pandas as pd
import pytest
from running import fit

from lesslabel.cli import main
from lesslabel.data import Store
from lesslabel.moved import _MOVED, new_name
from lesslabel.runs.reading import RunFiles

BEFORE = Path(__file__).parent / "before_rooms"


@pytest.mark.usefixtures("one_thread")
@pytest.mark.filterwarnings("ignore:lesslabel.data.modules is now:FutureWarning")
def test_a_stopped_run_goes_on_to_the_same_curves_and_is_tested(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(BEFORE / "run", tmp_path / "run")
    shutil.copytree(store, tmp_path / "store")
    monkeypatch.chdir(tmp_path)
    config = BEFORE / "tiny.yaml"
    assert RunFiles(Path("run")).config["data"]["class_path"] == "lesslabel.data.modules.PhantomDataModule"
    assert fit(config, Path("run"), "--ckpt_path", "last") == 0
    ours, theirs = (pd.read_csv(path) for path in (Path("run/logs/metrics.csv"), BEFORE / "curves.csv"))
    assert ours[["step", "name"]].equals(theirs[["step", "name"]])
    assert ours["value"].to_numpy() == pytest.approx(theirs["value"].to_numpy(), rel=1e-3, abs=1e-4)
    assert main(["test", "--run", "run"]) == 0
    assert not RunFiles(Path("run")).metrics.empty


def test_a_store_is_read_and_is_the_one_that_is_prepared_today(store: Path) -> None:
    old, new = Store(BEFORE / "store_of_two"), Store(store)
    assert list(old.records) == ["phantom001_ed", "phantom001_es"]
    assert {uid: record.sha256 for uid, record in old.records.items()} == {
        uid: new.records[uid].sha256 for uid in old.records
    }
    assert RunFiles(BEFORE / "run").data["data_hash"] == new.data_hash


@pytest.mark.parametrize("old", sorted(_MOVED))
def test_every_module_is_found_under_its_old_name(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"lesslabel.{old}"
    monkeypatch.delitem(sys.modules, name, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # that of a package above it
        importlib.import_module(name.rpartition(".")[0])
    with pytest.warns(FutureWarning, match=f"{name} is now {new_name(name)}; the old name will go"):
        found = importlib.import_module(name)
    today = importlib.import_module(new_name(name))
    public = [entry for entry in vars(today) if not entry.startswith("_")]
    assert public
    assert all(getattr(found, entry) is getattr(today, entry) for entry in public)
