"""Settings keep the order and the text in which they were given, from words and from Python."""

from pathlib import Path

import pytest

from lesslabel.command_words import read_settings
from lesslabel.runs.settings import Setting, Settings, settings_of


@pytest.mark.parametrize(
    "words",
    [
        ["--config", "a.yaml", "--config=b.yaml", "--trainer.max_steps", "4"],
        ["--model.x", "-1", "--model.y=-1", "--data.view.supervision", '[{"annotation": "scribble"}]'],
        ["--print_config", "--seed", "1"],
        ["--trainer.callbacks+=x", "--flag"],
        ["stray", "--seed", "1", "more"],
        ["--seed=", "--name", ""],
        [],
    ],
)
def test_no_word_is_lost(words: list[str]) -> None:
    assert read_settings(words).words() == words


def test_the_short_flag_of_a_configuration() -> None:
    assert read_settings(["-c", "a.yaml", "-c=b.yaml"]).values_of("config") == ["a.yaml", "b.yaml"]


def test_a_configuration_and_what_overrides_it() -> None:
    settings = settings_of(Path("a.yaml"), {"trainer.max_steps": 4, "data.size_voxel": (32, 32), "wandb": None})
    assert settings.words() == [
        *("--config", "a.yaml", "--trainer.max_steps", "4", "--data.size_voxel", "[32, 32]", "--wandb", "null")
    ]
    assert settings_of(["a.yaml", Path("b.yaml")]).values_of("config") == ["a.yaml", "b.yaml"]
    assert settings_of(settings, {"seed": 2}).last_of("seed") == "2"
    assert settings_of(settings) == settings


def test_a_mapping_stands_for_a_file() -> None:
    (setting,) = settings_of({"seed": 3, "run": Path("runs/a")}).given
    assert setting.content() == {"seed": 3, "run": "runs/a"}
    assert Setting("config", "a.yaml").content() is None


def test_the_last_value_counts() -> None:
    settings = read_settings(["--run", "a", "--run=b", "--run"])
    assert settings.last_of("run") == "b"
    assert settings.without("run").words() == ["--run"]
    assert Settings().last_of("run") is None
    assert settings.with_value("seed", 1).words()[-2:] == ["--seed", "1"]
