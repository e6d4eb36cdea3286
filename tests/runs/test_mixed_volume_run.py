"""Volumes with three dense slices and scribbles on the others, from the command line to the loss."""

import csv
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from running import fit, write_config

from lesslabel.cli import main
from lesslabel.command_words import read_settings
from lesslabel.data.case import IGNORE, Kind
from lesslabel.data.queue import Queue, QueueRow, write_queue
from lesslabel.data.store import Store
from lesslabel.runs.parsing import parse_run

DEPTH, DENSE = 6, (1, 2, 4)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of volumes; an expert has drawn three slices of each, which a queue asked for."""
    folder = tmp_path_factory.mktemp("mixed")
    path, queue, drawn = folder / "store", folder / "queue.csv", folder / "drawn"
    size = ["--cases", "16", "--size", "32", "--depth", str(DEPTH)]
    assert main(["prepare", "phantom", "-", str(path), *size]) == 0
    write_queue(queue, Queue(tuple(QueueRow(uid, z) for uid in Store(path).records for z in DENSE)))
    assert main(["export", str(path), "--to", "itksnap", "--out", str(drawn), "--annotation", "dense"]) == 0
    taken = ["--queue", str(queue), "--from", str(drawn / "segmentations"), "--annotation", "expert"]
    assert main(["import", str(path), *taken, "--author", "expert 1", "--allow-empty"]) == 0
    return path


def write_mixed(path: Path, store: Path, **model: Any) -> Path:
    """A configuration that trains on whole volumes, on the expert's slices and on scribbles."""

    def change(content: dict[str, Any]) -> None:
        network = content["model"]["init_args"]["network"] | {"dimensions": 3}
        content["model"]["class_path"] = model.pop("class_path")
        content["model"]["init_args"] |= {"network": network, **model}
        content["data"]["init_args"] |= {
            "dimensions": 3,
            "view": {"supervision": [{"annotation": "expert"}, {"annotation": "scribble"}]},
            "batch_size": 2,
        }

    return write_config(path, store, change)


def terms_of(run: Path) -> dict[str, list[float]]:
    with (run / "logs/metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = {row["name"] for row in rows}
    return {name: [float(row["value"]) for row in rows if row["name"] == name] for name in names}


def test_a_batch_holds_what_the_expert_and_the_scribbles_say_of_each_slice(store: Path, tmp_path: Path) -> None:
    config = write_mixed(tmp_path / "mixed.yaml", store, class_path="lesslabel.methods.Supervised")
    batch = next(iter(parse_run(read_settings(["--config", str(config)])).datamodule.train_dataloader()))
    kinds = [Kind.DENSE if z in DENSE else Kind.SCRIBBLE for z in range(DEPTH)]
    assert batch["kind"].tolist() == [kinds, kinds]
    assert batch["annotated_labels"].shape == (2, 4, DEPTH)
    known = batch["target"] != IGNORE
    assert known.sum() < known.numel()
    for z, kind in enumerate(kinds):
        in_slice = known[:, z].flatten(1)
        # what a small rotation brings in from outside is unknown in dense slices too
        assert (in_slice.float().mean(dim=1) > 0.7).all() if kind is Kind.DENSE else not in_slice.all(dim=1).any()


@pytest.mark.parametrize(
    ("method", "settings", "terms"),
    [
        ("Supervised", {}, ("cross_entropy", "dice")),
        ("DMPLS", {}, ("partial_cross_entropy", "mixed")),
        ("DTC", {"level_set": "volume"}, ("dice", "level_set", "consistency")),
        ("DTC", {"level_set": "patch"}, ("dice", "level_set", "consistency")),
        ("BidirectionalCopyPaste", {"pretrain_iterations": 2}, ("cross_entropy", "dice")),
        ("MeanTeacher", {}, ("cross_entropy", "dice")),
    ],
    ids=["supervised", "dmpls", "dtc volume", "dtc patch", "bcp", "mean teacher"],
)
def test_fit_learns_from_dense_slices_and_scribbles_of_one_volume(
    method: str, settings: dict[str, Any], terms: tuple[str, ...], store: Path, tmp_path: Path
) -> None:
    config = write_mixed(tmp_path / "mixed.yaml", store, class_path=f"lesslabel.methods.{method}", **settings)
    run = tmp_path / "run"
    assert fit(config, run, "--trainer.max_steps", "4") == 0
    logged = terms_of(run)
    assert {name.removeprefix("train/") for name in logged} >= set(terms)
    for name in terms:
        assert len(logged[f"train/{name}"]) == 4
        assert all(0.0 < value < float("inf") for value in logged[f"train/{name}"]), name


def test_dense_slices_of_scribbled_volumes_teach(store: Path, tmp_path: Path) -> None:
    """Without them Dice is silent, and the weights become others."""
    weights = {}
    for name in ("expert", "scribble"):
        config = write_mixed(tmp_path / f"{name}.yaml", store, class_path="lesslabel.methods.Supervised")
        content = yaml.safe_load(config.read_text())
        if name == "scribble":
            content["data"]["init_args"]["view"]["supervision"] = [{"annotation": "scribble"}]
        config.write_text(yaml.safe_dump(content))
        assert fit(config, tmp_path / name, "--trainer.max_steps", "4") == 0
        weights[name] = torch.load(tmp_path / name / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        assert any(terms_of(tmp_path / name)["train/dice"]) == (name == "expert")
    assert any(not torch.equal(weights["expert"][name], weights["scribble"][name]) for name in weights["expert"])
    described = yaml.safe_load((tmp_path / "expert/data.json").read_text())
    assert set(described["labelled"].values()) == {"expert + scribble"}
    assert main(["test", "--run", str(tmp_path / "expert")]) == 0
    assert pd.read_csv(tmp_path / "expert/test/metrics.csv")["dice"].notna().any()
