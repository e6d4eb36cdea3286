"""Every committed configuration runs through the real command line on a replica of its data set."""

import csv
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import replicas
import replicas_public
import torch
import yaml

from lesslabel.cli import main
from lesslabel.command_words import read_settings
from lesslabel.interaction import Click, InteractiveSession
from lesslabel.methods import InteractiveMethod
from lesslabel.runs.config_files import read_config, shared_files
from lesslabel.runs.parsing import parse_run

ROOT = Path(__file__).parents[1]
FILES = sorted(path.relative_to(ROOT) for path in (ROOT / "configs").rglob("*.yaml"))
SHARED = [path for path in FILES if path.parent.name == "_data"]
CONFIGS = [path for path in FILES if path not in SHARED]
TINY = {2: ROOT / "tests/overlays/tiny.yaml", 3: ROOT / "tests/overlays/tiny_3d.yaml"}
PREPARE = {
    # 16 patients, since the semi-supervised configs show the labels of seven of the training part
    "acdc": lambda raw: (replicas.acdc_h5(raw, patients=16), ["acdc", str(raw)]),
    "la": lambda raw: (replicas.la_h5(raw, cases=12), ["la", str(raw)]),
    "hippocampus": lambda raw: (replicas.msd(raw, cases=14), ["msd", str(raw)]),
    "npc": lambda raw: (replicas.npc(raw), ["npc", str(raw)]),
    # 12 labelled, two unlabelled and one for testing
    "pancreas": lambda raw: (replicas.pancreas_nifti(raw, cases=15), ["pancreas", str(raw)]),
    "mscmr": lambda raw: (replicas.mscmr(raw), ["mscmr", str(raw)]),
    "word": lambda raw: (replicas_public.word(raw), ["word", str(raw)]),
    "brats": lambda raw: (replicas_public.brats(raw), ["brats", str(raw)]),
    "kvasir": lambda raw: (
        replicas_public.kvasir(raw),
        ["folder", str(raw / "table.csv"), "--labels", "1=polyp"],
    ),
    "drive": lambda raw: (None, ["folder", str(replicas_public.vessels(raw)), "--labels", "1=vessel"]),
    "phantom": lambda _: (None, ["phantom", "-", "--cases", "12", "--size", "32", "--depth", "3"]),
    # three patients of each centre, the fewest of a split inside them
    "two_hospitals": lambda _: (
        None,
        ["phantom", "-", "--cases", "12", "--centres", "2", "--size", "32", "--depth", "3"],
    ),
}


@pytest.fixture(scope="session")
def replica_stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replicas")
    stores = {}
    for name, write in PREPARE.items():
        raw = folder / f"{name}_raw"
        raw.mkdir()
        _, (source, location, *options) = write(raw)
        stores[name] = folder / name
        assert main(["prepare", source, location, str(stores[name]), *options]) == 0
    for made in ("random_walker", "expanded"):  # the second stands for an overlay
        assert main(["spread", str(stores["acdc"]), "--name", made]) == 0
    return stores


def test_every_config_belongs_to_a_replica():
    assert CONFIGS
    assert {config.parts[1] for config in CONFIGS} == set(PREPARE)


@pytest.mark.parametrize("config", FILES, ids=str)
def test_the_config_is_read_alike_in_every_locale(config):
    """The parser opens it in the encoding of the system."""
    assert (ROOT / config).read_bytes().isascii()


def test_what_is_equal_is_shared_and_what_is_shared_is_used_twice():
    named = [ROOT / part for config in CONFIGS for part in map(os.path.normpath, shared_files(ROOT / config))]
    assert sorted(set(named)) == [ROOT / part for part in SHARED]
    assert min(named.count(ROOT / part) for part in SHARED) >= 2
    written = [yaml.safe_load((ROOT / config).read_text())["data"] for config in CONFIGS]
    alone = [json.dumps(data, sort_keys=True) for data in written if isinstance(data, dict)]
    alone += [json.dumps(yaml.safe_load((ROOT / part).read_text()), sort_keys=True) for part in SHARED]
    assert len(set(alone)) == len(alone)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_the_config_can_be_made_as_it_stands(config, replica_stores):
    """Without the overlay: every setting exists, and the network of the published size predicts a small image."""
    run = parse_run(
        read_settings(["--config", str(ROOT / config), "--data.store", str(replica_stores[config.parts[1]])])
    )
    side = (32,) * run.model.shape.dimensions
    image = torch.zeros(1, run.model.in_channels, *side)
    if isinstance(run.model, InteractiveMethod):
        session = InteractiveSession(run.model).set_image(image[0].numpy())
        assert session.add(Click((16.0,) * len(side))).probability.shape == side
    else:
        with torch.no_grad():
            probabilities = run.model.eval().probabilities(image)
        assert probabilities.shape == (1, run.model.num_classes, *side)
    run.model.require_data(run.datamodule.mapping.names, run.datamodule.in_channels, run.datamodule.dimensions)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.golden
@pytest.mark.usefixtures("one_thread")
def test_the_config_trains_three_steps_to_the_recorded_weights(config, replica_stores, tmp_path, golden):
    run = tmp_path / "run"
    store = str(replica_stores[config.parts[1]])
    content = read_config(ROOT / config)
    data = content["data"]["init_args"]
    small = _small_crop(content["model"])
    labelled = ["--data.batch_size", "0"] if data["batch_size"] == 0 else []  # the overlay asks for two
    arguments = [
        "--config",
        str(ROOT / config),
        "--config",
        str(TINY[data.get("dimensions", 2)]),
        "--data.store",
        store,
        *labelled,
        *small,
        "--run",
        str(run),
    ]
    assert main(["fit", *arguments]) == 0
    with (run / "logs/metrics.csv").open() as file:
        losses = [float(row["value"]) for row in csv.DictReader(file) if row["name"] == "train/loss"]
    assert len(losses) == 3
    assert all(math.isfinite(loss) for loss in losses)
    weights = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    golden.check(f"config/{config.parent.name}/{config.stem}", weights)
    if issubclass(type(parse_run(read_settings([*arguments[:-2]])).model), InteractiveMethod):
        part = "all" if config.parent.name == "acdc" else "test"  # the replica has no patient of the fold's test part
        golden.check(f"clicks/{config.parent.name}/{config.stem}", _clicked(run, tmp_path / "clicks", part))


def _small_crop(model: dict[str, Any]) -> list[str]:
    """The setting of an interactive method that makes its crop small; the overlays serve all methods.

    MMIIS stays as it is: its roundings grow, and what two processors found is recorded.
    """
    crop = model["init_args"].get("size_voxel")
    return [] if crop is None or "MMIIS" in model["class_path"] else ["--model.size_voxel", str([32] * len(crop))]


def _clicked(run: Path, out: Path, part: str) -> dict[str, np.ndarray]:
    """What a click protocol on a trained run comes to, but for the seconds."""
    assert main(["clicks", "--run", str(run), "--out", str(out), "--cap", "8", "--slices", "1", "--part", part]) == 0
    table = pd.read_csv(out / "clicks.csv")
    prompts = np.frombuffer((out / "prompts.jsonl").read_bytes(), np.uint8)
    return {"prompts": prompts, **{name: table[name].to_numpy() for name in ("turn", "clicks", "dice", "assd_mm")}}


PATCHED = sorted(path for path in (ROOT / "configs/la").glob("*.yaml") if path.stem != "mideepseg")


@pytest.mark.parametrize("config", PATCHED, ids=lambda path: path.stem)
def test_the_left_atrium_is_cut_as_published_in_our_axis_order(config: Path) -> None:
    settings = read_config(config)
    assert settings["data"]["init_args"]["patch_voxel"] == [80, 112, 112]
    inference = settings["model"]["init_args"]["inference"]
    assert inference["window_voxel"] == [80, 112, 112]
    assert inference["stride_voxel"] == [4, 18, 18]
