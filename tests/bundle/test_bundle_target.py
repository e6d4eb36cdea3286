"""Another hospital's store under the bundle's preprocessing: labels and channels by name."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from lesslabel.bundle import Bundle
from lesslabel.command_words import read_settings
from lesslabel.data.store import Store
from lesslabel.errors import ConfigError
from lesslabel.files import read_json, write_json
from lesslabel.runs.parsing import parse_run


def target(store: Path, folder: Path, labels: dict[str, str], channels: list[str]) -> Path:
    """The store of a hospital that has other codes, names and channels."""
    copy = Path(shutil.copytree(store, folder / "target"))
    content = read_json(copy / "fingerprint.json", "")
    write_json(copy / "fingerprint.json", {**content, "labels": labels, "channels": channels, "source": "folder"})
    return copy


def test_the_source_itself_is_seen_as_the_run_saw_it(bundle: Bundle, run: Path, store: Path) -> None:
    theirs = parse_run(read_settings(["--config", str(run / "config.yaml")])).datamodule
    ours = bundle.data_module(store)
    assert ours.mapping.names == theirs.mapping.names == bundle.label_names
    assert ours.mapping.codes == theirs.mapping.codes
    assert (ours.grid, ours.intensity, ours.dimensions) == (theirs.grid, theirs.intensity, theirs.dimensions)
    uid = next(iter(Store(store).records))
    case = Store(store).read(uid)
    np.testing.assert_array_equal(ours.loader().image(case), theirs.loader().image(case))


@pytest.mark.parametrize(
    ("labels", "codes"),
    [
        ({"5": "RV", "7": "LV", "9": "Myo"}, ((), (9, 7), (5,))),
        ({"1": "heart", "2": "RV", "3": "liver"}, ((), (1,), (2,))),
    ],
    ids=["other-codes", "merged-before"],
)
def test_labels_are_found_by_name(
    bundle: Bundle, store: Path, tmp_path: Path, labels: dict[str, str], codes: tuple[tuple[int, ...], ...]
) -> None:
    data = bundle.data_module(target(store, tmp_path, labels, ["LGE"]))
    assert data.mapping.names == bundle.label_names
    assert data.mapping.codes == codes
    assert data.in_channels == 1


def test_a_store_without_the_labels_or_channels_is_refused(bundle: Bundle, store: Path, tmp_path: Path) -> None:
    for number, (labels, channels, reason) in enumerate(
        [
            ({"1": "RV", "2": "Myo"}, ["image"], "no label 'heart' of the bundle's classes, it has 1 RV, 2 Myo"),
            ({}, ["image"], "it has none"),
            ({"1": "RV", "2": "heart"}, ["T1", "T2"], "no channel 'image' of the bundle, it has T1, T2"),
        ]
    ):
        with pytest.raises(ConfigError, match=reason):
            bundle.data_module(target(store, tmp_path / str(number), labels, channels))


def test_the_settings_make_the_same_run_configuration(bundle: Bundle, store: Path, tmp_path: Path) -> None:
    config = {
        "model": bundle.model_settings(),
        "data": {
            "class_path": "lesslabel.data.SegmentationDataModule",
            "init_args": bundle.data_settings(store) | {"split": "groups", "workers": 1},
        },
        "trainer": {"max_steps": 1},
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    run = parse_run(read_settings(["--config", str(path)]))
    method, ours = bundle.build_method(), bundle.data_module(store, split="groups", workers=1)
    assert (run.model.shape, run.model.optimiser, run.model.inference) == (
        method.shape,
        method.optimiser,
        method.inference,
    )
    for name in ("grid", "intensity", "view", "split", "workers", "patch_voxel", "dimensions"):
        assert getattr(run.datamodule, name) == getattr(ours, name), name
