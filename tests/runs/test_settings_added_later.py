"""A run made before a setting existed goes on, as long as the setting stays at its default."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from running import fit, write_config

from lesslabel.command_words import read_settings
from lesslabel.errors import RunError
from lesslabel.runs.folder import RunFolder, read_data
from lesslabel.runs.parsing import parse_run

ADDED_LATER = (
    "model.init_args.alpha",
    "model.init_args.network",
    "model.init_args.network.init_args.upsampling",
    "model.init_args.network.init_args.encoder_dropout",
    "model.init_args.optimiser.momentum",
    "model.init_args.optimiser",
    "model.init_args.inference",
    "data.init_args.dimensions",
    "data.init_args.view.overlays",
    "data.init_args.view.supervision.0.queue",
    "data.init_args.intensity.upper_percentile",
    "data.init_args.augmentation",
    "trainer.detect_anomaly",
)
"""Settings in every place that a class of ours, or Lightning's trainer, takes one."""


def at_defaults(content: dict[str, Any]) -> None:
    """The small configuration with the default optimiser and the default network."""
    arguments = content["model"]["init_args"]
    del arguments["optimiser"], arguments["network"]


@pytest.fixture(scope="module")
def resolved(store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The configuration as a run of today records it."""
    path = write_config(tmp_path_factory.mktemp("later") / "tiny.yaml", store, at_defaults)
    return parse_run(read_settings(["--config", str(path)])).plain_config()


def parent_of(config: Any, setting: str) -> tuple[Any, str]:
    *above, last = setting.split(".")
    for key in above:
        config = config[int(key) if key.isdigit() else key]
    return config, last


def without(config: dict[str, Any], *settings: str) -> dict[str, Any]:
    """A copy of the configuration in which some settings are absent."""
    copy: dict[str, Any] = yaml.safe_load(yaml.safe_dump(config))
    for setting in settings:
        parent, last = parent_of(copy, setting)
        del parent[last]
    return copy


def with_value(config: dict[str, Any], setting: str, value: object) -> dict[str, Any]:
    copy = without(config)
    parent, last = parent_of(copy, setting)
    parent[last] = value
    return copy


def resume(path: Path, recorded: dict[str, Any], config: dict[str, Any]) -> None:
    """Resume a run that recorded the one configuration with another, on the same data."""
    folder = RunFolder(path)
    if not path.exists():
        folder.start(recorded, {}, 0)
    folder.resume(config, {})


@pytest.mark.parametrize("setting", ADDED_LATER)
def test_a_setting_that_was_not_recorded_may_be_at_its_default(
    setting: str, resolved: dict[str, Any], tmp_path: Path
) -> None:
    resume(tmp_path / "run", without(resolved, setting), resolved)


@pytest.mark.parametrize(
    ("setting", "value", "named"),
    [
        ("model.init_args.alpha", 0.5, "model.init_args.alpha: None → 0.5"),
        (
            "model.init_args.network.init_args.upsampling",
            "linear",
            "model.init_args.network.init_args.upsampling: transposed → linear",
        ),
        ("model.init_args.optimiser.momentum", 0.5, "model.init_args.optimiser.momentum: 0.9 → 0.5"),
        ("data.init_args.view.supervision.0.queue", "queue.csv", "data.init_args.view.supervision"),
        ("data.init_args.augmentation.noise", 0.1, "data.init_args.augmentation.noise: 0.0 → 0.1"),
        ("trainer.gradient_clip_val", 1.0, "trainer.gradient_clip_val: None → 1.0"),
    ],
)
def test_a_setting_that_was_not_recorded_may_have_no_other_value(
    setting: str, value: object, named: str, resolved: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="resume with the same, or start another run") as caught:
        resume(tmp_path / "run", without(resolved, setting), with_value(resolved, setting, value))
    assert named in str(caught.value)


def test_a_setting_without_default_or_without_place_today_is_a_change(resolved: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"model\.init_args\.num_classes: None → 4"):
        resume(tmp_path / "run", without(resolved, "model.init_args.num_classes"), resolved)
    removed = with_value(resolved, "model.init_args.forgotten", 3)
    with pytest.raises(RunError, match=r"model\.init_args\.forgotten: 3 → None"):
        resume(tmp_path / "removed", removed, resolved)


def test_a_run_of_an_earlier_version_goes_on(config: Path, plain_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(plain_run, tmp_path / "run"))
    recorded = yaml.safe_load((run / "config.yaml").read_text())
    settings = ("model.init_args.dropout_at", "data.init_args.view.overlays", "model.init_args.optimiser.keep")
    (run / "config.yaml").write_text(yaml.safe_dump(without(recorded, *settings)))
    assert read_data(RunFolder(run))
    assert fit(config, run, "--ckpt_path", "last") == 0
