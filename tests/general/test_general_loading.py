"""The models that need no run: the weights in the package are those that the card names, and they answer."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import lesslabel
from lesslabel.errors import ConfigError, DataError, RunError
from lesslabel.files import hash_file
from lesslabel.general.loading import WEIGHTS, load_general
from lesslabel.interaction import Box, Click, InteractiveSession, Scribble, Side

ROOT = Path(__file__).parents[2]
Y, X = np.mgrid[:110, :140]
DISK = (Y - 45) ** 2 + (X - 60) ** 2 < 20**2
NAMES = pytest.mark.parametrize("name", ["general", "training-free"])


def picture(channels: int = 1) -> np.ndarray:
    image = np.where(DISK, 120.0, 40.0) + np.random.default_rng(0).normal(0, 8, DISK.shape)
    return np.stack([image] * channels)


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def test_the_weights_are_small_hold_no_code_and_are_those_of_the_card() -> None:
    content = WEIGHTS.read_bytes()
    assert len(content) <= 4_000_000
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert {entry["dtype"] for name, entry in header.items() if name != "__metadata__"} == {"F16"}
    card = json.loads(WEIGHTS.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["sha256"] == hash_file(WEIGHTS)
    assert card["sha256"] in (ROOT / "zoo" / "general" / "CARD.md").read_text(encoding="utf-8")


def test_other_weights_are_refused(tmp_path: Path) -> None:
    for suffix in (".safetensors", ".json"):
        shutil.copy(WEIGHTS.with_suffix(suffix), tmp_path)
    with (tmp_path / WEIGHTS.name).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    with pytest.raises(RunError, match=r"not the weights of general\.json"):
        load_general(tmp_path / WEIGHTS.name)


@NAMES
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_click_finds_the_object_around_it(name: str, channels: int) -> None:
    session = InteractiveSession(lesslabel.load_model(name)).set_image(picture(channels))
    mask = session.add(Click((45, 60))).mask
    assert dice(mask, DISK) > 0.8
    mask = session.add(Click((45, 70), Side.BACKGROUND)).mask
    assert mask[45, 60]
    assert not mask[45, 70]


@NAMES
def test_prompts_come_in_any_order(name: str) -> None:
    session = InteractiveSession(lesslabel.load_model(name)).set_image(picture()[0])
    assert dice(session.add(Box((22.0, 36.0), (68.0, 84.0))).mask, DISK) > 0.7
    session.add(Scribble((((40.0, 50.0), (50.0, 66.0)),)))
    session.add(Click((30, 60)), object="second")
    session.start_from(DISK, object="third")
    assert dice(session.add(Click((45, 60)), object="third").mask, DISK) > 0.7


def test_a_grey_image_is_three_equal_channels() -> None:
    model = lesslabel.load_model("general")
    answers = [
        InteractiveSession(model).set_image(picture(channels)).add(Click((45, 60))).probability for channels in (1, 3)
    ]
    np.testing.assert_array_equal(answers[0], answers[1])


def test_what_it_does_not_take_is_said() -> None:
    with pytest.raises(DataError, match="takes one to three"):
        InteractiveSession(lesslabel.load_model("general")).set_image(picture(4))
    with pytest.raises(ConfigError, match="takes slices"):
        lesslabel.load_model("general", dimensions=3)
    with pytest.raises(RunError, match="no run here"):
        lesslabel.load_model("generally")


def test_loading_leaves_the_random_numbers_alone() -> None:
    import torch

    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    lesslabel.load_model("general")
    torch.testing.assert_close(torch.rand(1), wanted, rtol=0, atol=0)
