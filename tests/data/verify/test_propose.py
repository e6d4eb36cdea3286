"""Configurations proposed for a new set: by hand, and run as they stand."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from handmade_store import Handmade, make_case, make_store

from lesslabel.cli import main
from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.store import Store
from lesslabel.data.store.prepare import prepare
from lesslabel.data.verify.propose import propose_config
from lesslabel.errors import ConfigError

SHORT = ["--trainer.max_steps", "2", "--data.steps_per_epoch", "1", "--trainer.accelerator", "cpu"]


def volume(number: int, shape: Sequence[int], spacing_mm: tuple[float, float, float], **changes: Any) -> Case:
    """A box of label 1 at 100 in an image of 0; every case is a patient."""
    labels = np.zeros(shape, np.uint8)
    labels[tuple(slice(side // 4, side // 2) for side in shape)] = 1
    image = (100.0 * labels)[None].astype(np.float32)
    image += np.random.default_rng(number).normal(size=image.shape).astype(np.float32)
    case = Case(
        f"case{number}", f"patient{number}", image, spacing_mm, annotations={"dense": Annotation(labels, Kind.DENSE)}
    )
    return replace(case, **changes)


def propose(store: Store, path: Path) -> dict[str, Any]:
    propose_config(store, path / "proposed.yaml")
    content: dict[str, Any] = yaml.safe_load((path / "proposed.yaml").read_text())
    return content


def test_thick_slices_are_learnt_one_by_one(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [make_case(2 * number) for number in range(10)])
    config = propose(store, tmp_path)
    model, data = config["model"]["init_args"], config["data"]["init_args"]
    assert config["model"]["class_path"] == "lesslabel.methods.Supervised"
    assert (model["num_classes"], model["in_channels"]) == (4, 1)
    # 12 × 10 pixels to multiples of 32; 32 halved three times leaves 4
    assert (data["dimensions"], data["size_voxel"]) == (2, [32, 32])
    assert model["network"]["init_args"]["channels"] == [16, 32, 64, 128]
    assert data["view"] == {"supervision": [{"annotation": "dense"}]}
    assert (data["split"], data["batch_size"]) == ("random", 24)
    assert data["intensity"] == {"name": "zscore"}
    assert "patch_voxel" not in data


def test_large_slices_are_shrunk_in_proportion(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [volume(n, (2, 1024, 768), (5.0, 0.5, 0.5)) for n in range(4)])
    data = propose(store, tmp_path)["data"]["init_args"]
    assert data["size_voxel"] == [512, 384]
    assert data["batch_size"] == 8  # 24 × 256² pixels at most


def test_volumes_get_a_patch_in_their_proportions(tmp_path: Path) -> None:
    cases = [volume(n, (40, 160, 160), (2.0, 1.0 + 0.2 * (n % 2), 1.0), modality="CT") for n in range(4)]
    config = propose(make_store(tmp_path / "store", cases), tmp_path)
    model, data = config["model"]["init_args"], config["data"]["init_args"]
    patch = data["patch_voxel"]
    assert data["dimensions"] == 3
    assert np.prod(patch) <= 96**3
    assert np.prod(patch) > 0.5 * 96**3
    assert patch[0] < patch[1]
    steps = 2 ** (len(model["network"]["init_args"]["channels"]) - 1)
    assert all(side % steps == 0 and side // steps >= 4 for side in patch)
    assert model["inference"]["window_voxel"] == patch
    assert data["spacing_mm"][0] == 2.0
    assert "size_voxel" not in data


def test_equal_spacings_are_not_resampled(tmp_path: Path) -> None:
    cases = [volume(n, (24, 32, 32), (1.0, 1.0, 1.0)) for n in range(4)]
    assert "spacing_mm" not in propose(make_store(tmp_path / "store", cases), tmp_path)["data"]["init_args"]


@pytest.mark.parametrize("recognised", ["by modality", "by air"])
def test_a_ct_gets_the_window_of_its_labelled_voxels(tmp_path: Path, recognised: str) -> None:
    cases = []
    for number in range(4):
        case = volume(number, (20, 24, 24), (1.0, 1.0, 1.0), modality="CT" if recognised == "by modality" else "")
        image = np.where(case.annotations["dense"].labels == 1, case.image, case.image - 1000.0)
        cases.append(replace(case, image=image.astype(np.float32)))
    data = propose(make_store(tmp_path / "store", cases), tmp_path)["data"]["init_args"]
    # N(100, 1): 0.5 and 99.5 % lie at 97.4 and 102.6
    assert data["intensity"] == {"name": "window", "window": [90, 110]}


def test_scribbles_alone_are_learnt_by_partial_cross_entropy(tmp_path: Path) -> None:
    cases = []
    for number in range(4):
        case = make_case(2 * number)
        name = "scribble" if number < 2 else "dense"
        cases.append(
            replace(case, group=("train", "train", "val", "test")[number], annotations={name: case.annotations[name]})
        )
    config = propose(make_store(tmp_path / "store", cases), tmp_path)
    assert config["model"]["class_path"] == "lesslabel.methods.PartialCrossEntropy"
    assert config["data"]["init_args"]["view"] == {"supervision": [{"annotation": "scribble"}]}
    assert config["data"]["init_args"]["split"] == "groups"


def test_centres_are_split_inside(tmp_path: Path) -> None:
    cases = [replace(make_case(2 * n), centre="AB"[n % 2], group="") for n in range(20)]
    assert propose(make_store(tmp_path / "store", cases), tmp_path)["data"]["init_args"]["split"] == "random_by_centre"


@pytest.mark.parametrize(("second", "flips"), [("Right kidney", False), ("liver", True)])
def test_labels_that_a_flip_would_swap_are_not_flipped(tmp_path: Path, second: str, flips: bool) -> None:
    class Sided(Handmade):
        labels = {1: "Left kidney", 2: second, 3: "left atrium"}  # noqa: RUF012

    store, _ = prepare(Sided([make_case(2 * number) for number in range(10)]), tmp_path / "store")
    augmentation = propose(store, tmp_path)["data"]["init_args"].get("augmentation")
    assert augmentation == (None if flips else {"turn_flip_probability": 0.0})


def drawn(number: int, known: slice, patients: int = 99) -> Case:
    """A volume of thin slices of which some were annotated in the page, in the first patients."""
    case = volume(number, (20, 24, 24), (1.0, 1.0, 1.0))
    labels = np.full(case.annotations["dense"].labels.shape, IGNORE, np.uint8)
    labels[known] = case.annotations["dense"].labels[known]
    return replace(case, annotations={"mine": Annotation(labels, Kind.DENSE)} if number < patients else {})


def test_few_drawn_slices_all_train_a_2d_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = make_store(tmp_path / "store", [drawn(n, slice(5, 8), patients=3) for n in range(6)])
    with pytest.raises(ConfigError, match="--annotation NAME learns from what there is"):
        propose_config(store, tmp_path / "none.yaml")
    config = str(tmp_path / "config.yaml")
    assert main(["verify", str(store.path), "--propose", config, "--annotation", "mine"]) == 0
    data = yaml.safe_load(Path(config).read_text())["data"]["init_args"]
    assert (data["split"], data["dimensions"]) == ("all", 2)
    assert (data["batch_size"], data["steps_per_epoch"]) == (8, 50)
    assert data["view"] == {"supervision": [{"annotation": "mine"}]}
    assert "all   # 3 patients have 'mine'" in Path(config).read_text()
    assert main(["fit", "--config", config, "--run", str(tmp_path / "run"), *SHORT]) == 0
    assert f"next: lesslabel predict --run {tmp_path / 'run'} --part all" in capsys.readouterr().out


def test_many_drawn_volumes_are_scored_against_themselves(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [drawn(n, slice(None)) for n in range(20)])
    propose_config(store, tmp_path / "config.yaml", "mine")
    data = yaml.safe_load((tmp_path / "config.yaml").read_text())["data"]["init_args"]
    assert (data["split"], data["dimensions"]) == ("random", 3)
    assert data["view"] == {"supervision": [{"annotation": "mine"}], "reference": "mine"}


def test_a_small_centre_is_no_obstacle(tmp_path: Path) -> None:
    cases = [replace(drawn(n, slice(None)), centre="A" if n < 23 else "B") for n in range(25)]
    propose_config(make_store(tmp_path / "store", cases), tmp_path / "config.yaml", "mine")
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["data"]["init_args"]["split"] == "random"


def test_what_could_not_be_scored_is_not_spared(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [drawn(n, slice(None), patients=20) for n in range(60)])
    propose_config(store, tmp_path / "config.yaml", "mine")
    text = (tmp_path / "config.yaml").read_text()
    assert "split: all   # 20 patients have 'mine'" in text
    assert "max_steps: 10000" in text


def test_the_parts_of_the_source_are_kept_where_they_can_be_scored(tmp_path: Path) -> None:
    parts = ("train", "train", "train", "val", "test")
    cases = [replace(drawn(n, slice(None)), group=parts[n % 5]) for n in range(25)]
    propose_config(make_store(tmp_path / "store", cases), tmp_path / "config.yaml", "mine")
    data = yaml.safe_load((tmp_path / "config.yaml").read_text())["data"]["init_args"]
    assert (data["split"], data["view"]["reference"]) == ("groups", "mine")


def test_an_annotation_that_no_case_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = make_store(tmp_path / "store", [drawn(n, slice(None)) for n in range(3)])
    with pytest.raises(ConfigError, match="no case has an annotation 'yours'; there are mine"):
        propose_config(store, tmp_path / "config.yaml", "yours")
    assert main(["verify", str(store.path), "--annotation", "mine"]) == 1
    assert "--annotation NAME is for --propose FILE" in capsys.readouterr().err


def test_what_cannot_be_proposed(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", [make_case(2 * number) for number in range(10)])
    (tmp_path / "taken.yaml").touch()
    with pytest.raises(ConfigError, match="exists already"):
        propose_config(store, tmp_path / "taken.yaml")
    scribbles = [
        replace(case, annotations={"scribble": case.annotations["scribble"]})
        for case in (make_case(2 * number) for number in range(10))
    ]
    with pytest.raises(ConfigError, match="no validation or test case has an annotation 'dense' to score against"):
        propose_config(make_store(tmp_path / "scribbles", scribbles), tmp_path / "new.yaml")
    unknown = [volume(n, (20, 24, 24), (1.0, 1.0, 1.0), modality="CT") for n in range(4)]
    for case in unknown:
        case.annotations["dense"].labels[:] = np.where(case.annotations["dense"].labels, np.uint8(IGNORE), np.uint8(0))
    with pytest.raises(ConfigError, match="the window of a CT cannot be proposed"):
        propose_config(make_store(tmp_path / "unknown", unknown), tmp_path / "new.yaml")
    assert not (tmp_path / "new.yaml").exists()


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_proposal_runs_as_it_stands(tmp_path: Path, dimensions: int, capsys: pytest.CaptureFixture[str]) -> None:
    if dimensions == 2:
        cases = [make_case(2 * number) for number in range(10)]
    else:
        cases = [volume(n, (16, 16 + 4 * (n % 2), 16), (1.0, 1.0, 1.0 + 0.1 * (n % 2))) for n in range(10)]
    store = make_store(tmp_path / "store", cases)
    config = str(tmp_path / "config.yaml")
    assert main(["verify", str(store.path), "--propose", config]) == 0
    printed = capsys.readouterr().out
    assert Path(config).read_text() in printed
    assert f"next: edit {config}" in printed
    assert main(["fit", "--config", config, "--run", str(tmp_path / "run"), *SHORT]) == 0
