"""The robot that gives prompts of any kind."""

from collections import Counter

import numpy as np
import pytest

from lesslabel.errors import ConfigError
from lesslabel.interaction.prompts import Side, rasterise
from lesslabel.interaction.robots.any_prompt import AnyPromptRobot

TRUTH = np.zeros((40, 50), np.bool_)
TRUTH[10:30, 12:36] = True


def given(robot: AnyPromptRobot, seed: int, prediction: np.ndarray | None = None):
    return robot.annotate(TRUTH, np.random.default_rng(seed), prediction=prediction)


def test_every_kind_comes_and_every_mark_is_right() -> None:
    kinds = Counter()
    for seed in range(60):
        prompts = given(AnyPromptRobot(), seed)
        kinds["+".join(prompt.name for prompt in prompts)] += 1
        seeds = rasterise(prompts, TRUTH.shape)
        assert not (seeds.foreground & ~TRUTH).any()
        assert not (seeds.background & TRUTH).any()
    assert set(kinds) == {"click", "scribble", "scribble+scribble", "box"}


def test_it_is_a_function_of_the_generator() -> None:
    assert [given(AnyPromptRobot(), seed) for seed in range(8)] == [given(AnyPromptRobot(), seed) for seed in range(8)]


def test_a_correction_lies_in_an_error_and_is_no_box() -> None:
    prediction = TRUTH.copy()
    prediction[10:18] = False
    prediction[32:38, 5:12] = True
    for seed in range(30):
        (prompt,) = given(AnyPromptRobot(), seed, prediction)
        seeds = rasterise([prompt], TRUTH.shape)
        assert prompt.name in ("click", "scribble")
        assert (seeds.foreground & TRUTH & ~prediction).sum() + (seeds.background & prediction & ~TRUTH).sum() > 0


def test_the_background_scribble_says_so() -> None:
    inside, around = given(AnyPromptRobot({"both_scribbles": 1.0}), 0)
    assert (inside.side, around.side) == (Side.FOREGROUND, Side.BACKGROUND)


@pytest.mark.parametrize("shares", [{"tap": 1.0}, {"box": -1.0}, {"box": 0.0}])
def test_shares_are_checked(shares: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="shares"):
        AnyPromptRobot(shares)
