"""The whole loop on the command line, as two hospitals would run it, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hospitals import EAST, REFERENCES, SETTINGS, WITHOUT_LABELS, source_config, write_yaml

from lesslabel.adaptation.without_labels import ADAPTATIONS
from lesslabel.cli import main
from lesslabel.data.formats.nifti import read_image, read_label_map, write_label_map
from lesslabel.data.queue import WHOLE_CASE, read_queue
from lesslabel.data.store import Store

SPLIT = ["--split", "random_by_centre", "--centres", "east"]


def annotate(store: Store, exported: Path, folder: Path) -> None:
    """A person draws what the worklist asks for, by the names that it gives; elsewhere are scrawls."""
    queue = read_queue(exported / "queue.csv", store)
    image_of = {row.uid: row.image for row in queue.rows}
    folder.mkdir()
    for uid, slices in queue.slices.items():
        volume = read_image(exported / image_of[uid])
        dense = store.read(uid).annotations["dense"].labels
        labels = dense.copy() if slices is None else np.full_like(dense, 3)
        if slices is not None:
            labels[list(slices)] = dense[list(slices)]
        write_label_map(folder / image_of[uid], labels, volume.spacing_mm, volume.affine)


def scores_of(run: Path) -> pd.DataFrame:
    """`lesslabel test`, on the two test patients of the east and on nobody else."""
    assert main(["test", "--run", str(run)]) == 0
    frame = pd.read_csv(run / "test" / "metrics.csv")
    parts = json.loads((run / "data.json").read_text())["parts"]
    assert sorted(frame["uid"].unique()) == sorted(parts["test"])
    assert len(parts["test"]) == 4
    return frame


def method_of(run: Path) -> str:
    return json.loads((run / "test" / "summary.json").read_text())["method"]


@pytest.mark.slow
def test_two_hospitals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, bundle, out = tmp_path / "store", tmp_path / "bundle", tmp_path / "adapted"
    size = ["--cases", "32", "--size", "32", "--depth", "3", "--centres", "2"]
    assert main(["prepare", "phantom", "-", str(path), *size]) == 0

    # the north trains, and hands a bundle over
    config = write_yaml(tmp_path / "north.yaml", source_config(path))
    assert main(["fit", "--config", str(config), "--run", str(tmp_path / "north")]) == 0
    export = ["bundle", "export", str(tmp_path / "north"), str(bundle), "--store", str(path)]
    assert main([*export, "--references", str(REFERENCES)]) == 0
    assert main(["bundle", "verify", str(bundle)]) == 0

    # the east chooses slices, and for a second reader whole cases
    given = ["--bundle", str(bundle), "--store", str(path)]
    for unit, budget in (("slice", "20%"), ("case", "2")):
        options = ["--budget", budget, "--unit", unit, "--out", str(tmp_path / f"{unit}.csv")]
        assert main(["select", *given, *SPLIT, *options, "--images", str(tmp_path / unit)]) == 0
    printed = capsys.readouterr().out
    assert f"{tmp_path / 'slice.csv'}: 6 slices of " in printed
    assert "cases, chosen by stdr\n30 slices ranked, " in printed
    assert (
        f"lesslabel import {path} --queue {tmp_path / 'case.csv'} --from FOLDER --annotation NAME --author WHO"
        in printed
    )
    store = Store(path)
    queue, cases = (read_queue(tmp_path / f"{unit}.csv", store) for unit in ("slice", "case"))
    assert read_queue(tmp_path / "slice" / "queue.csv") == queue
    assert {store.records[row.uid].centre for row in queue.rows} == {"east"}
    assert [row.slice for row in cases.rows] == [WHOLE_CASE] * 2
    prelabels = [read_label_map(tmp_path / "slice" / row.prelabel).array for row in queue.rows]
    assert set(np.unique(prelabels).tolist()) == {0, 1, 2}  # codes of the store

    # somebody draws, and the drawings come back
    for unit, reader in (("slice", "expert1"), ("case", "expert2")):
        annotate(store, tmp_path / unit, tmp_path / f"{unit}-drawn")
        drawn = ["--queue", str(tmp_path / f"{unit}.csv"), "--from", str(tmp_path / f"{unit}-drawn")]
        assert main(["import", str(path), *drawn, "--annotation", reader, "--author", "a reader", "--allow-empty"]) == 0
    store = Store(path)
    for uid, slices in queue.slices.items():
        assert store.covered_slices(uid, "expert1") == slices

    # three stages on slices, one on cases, and every rival without labels
    labels = ["--queue", str(tmp_path / "slice.csv"), "--annotation", "expert1"]
    assert main(["adapt", *given, *labels, "--out", str(out), *SETTINGS]) == 0
    scores_of(out / "self-train")
    assert method_of(out / "self-train") == "Fine-tuned + semi"
    labels = ["--queue", str(tmp_path / "case.csv"), "--annotation", "expert2", "--stages", "1", "--name", "Two cases"]
    assert main(["adapt", *given, *labels, "--out", str(tmp_path / "cases"), *SETTINGS]) == 0
    scores_of(tmp_path / "cases" / "fine-tune")
    assert method_of(tmp_path / "cases" / "fine-tune") == "Two cases"
    dice = {}
    for rival in ADAPTATIONS:
        folder = tmp_path / rival
        at_once = ["--model.context_share", "0"] if rival == "cpr" else []  # or the best checkpoint may be the source
        options = ["--without-labels", rival, "--out", str(folder), *WITHOUT_LABELS, *EAST, *at_once]
        assert main(["adapt", *given, *options]) == 0
        dice[rival] = scores_of(folder / rival)["dice"].tolist()
        assert json.loads((folder / rival / "data.json").read_text())["labelled"] == {}
    assert [method_of(tmp_path / rival / rival) for rival in ADAPTATIONS] == [
        "Not adapted",
        "Histogram matching",
        "Tent",
        "AdaMI",
        "Batch statistics",
        "SHOT",
        "DPL",
        "CBMT",
        "CPR",
        "UncertainDA",
        "ProSFDA",
        "FSM",
    ]
    assert [rival for rival, scores in dice.items() if scores == dice["none"]] == ["none"]


@pytest.mark.parametrize(
    ("command", "options", "reason"),
    [
        ("select", ["--budget", "1", "--out", "taken.csv"], "taken.csv: exists already"),
        ("select", ["--budget", "1", "--out", "queue.txt"], "queue.txt: a queue is a CSV file; name it queue.csv"),
        ("select", ["--budget", "1", "--out", "new.csv", "--images", "taken"], "taken: exists already"),
        ("select", ["--budget", "150%", "--out", "new.csv"], "budget: 150% is no share"),
        ("select", ["--budget", "1", "--out", "new.csv", "--strategy", "best"], "strategy: 'best' is not one of stdr"),
        ("adapt", ["--out", "new"], "--queue and --annotation are missing"),
        ("adapt", ["--out", "new", "--queue", "taken.csv"], "--queue and --annotation are missing"),
        ("adapt", ["--out", "new", "--queue", "taken.csv", "--without-labels", "tent"], "exclude each other"),
        ("adapt", ["--out", "taken", "--without-labels", "tent"], "taken: exists already and is no adaptation"),
        ("adapt", ["--out", "new", "--without-labels", "magic"], "--without-labels: 'magic' is not one of none, "),
        ("adapt", ["--out", "new", "--without-labels", "tent", "--run", "x"], "--run is decided by lesslabel adapt"),
    ],
)
def test_mistakes_cost_a_line(
    bundle, store: Path, tmp_path: Path, monkeypatch, capsys, command: str, options: list[str], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("taken").mkdir()
    Path("taken.csv").touch()
    assert main([command, "--bundle", str(bundle.path), "--store", str(store), *options]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"lesslabel {command}: ")
    assert reason in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["taken", "taken.csv"]


def test_an_interruption_says_how_to_go_on(bundle, store: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt("and --ckpt_path last")

    monkeypatch.setattr("lesslabel.methods.Tent.losses", interrupted)
    options = ["--bundle", str(bundle.path), "--store", str(store), "--out", str(tmp_path / "out")]
    assert main(["adapt", *options, "--without-labels", "tent", *WITHOUT_LABELS, *EAST]) == 130
    assert capsys.readouterr().err.strip().splitlines()[-1] == (
        f"lesslabel adapt: interrupted; the same command goes on with {tmp_path / 'out'}"
    )
