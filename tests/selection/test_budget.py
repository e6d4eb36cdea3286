"""Budgets: what is typed, and how many units it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesslabel.errors import ConfigError
from lesslabel.selection import parse_budget
from lesslabel.selection.budget import count_units


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("20%", 0.2), ("20 %", 0.2), ("0.2", 0.2), (".2", 0.2), ("12", 12), (" 12 ", 12), ("0", 0), ("0%", 0.0),
        ("1", 1), ("1.0", 1.0), ("1.", 1.0), ("100%", 1.0), ("2.5%", 0.025),
    ],
)  # fmt: skip
def test_a_budget_as_typed(text: str, budget: float) -> None:
    parsed = parse_budget(text)
    assert parsed == budget
    assert type(parsed) is type(budget)


@pytest.mark.parametrize("text", ["", "%", "-1", "-0.2", "1.5", "101%", "nan", "inf", "1e-1", "1_0", "twelve", "٣"])
def test_what_is_no_budget(text: str) -> None:
    with pytest.raises(ConfigError, match="budget"):
        parse_budget(text)


@pytest.mark.parametrize(
    ("budget", "available", "count"),
    [
        (0.2, 240, 48), (0.2, 12, 2), (0.2, 13, 3), (0.25, 10, 3), (0.35, 10, 4), (0.001, 10, 1), (0.0, 10, 0),
        (1.0, 10, 10), (1, 10, 1), (0, 10, 0), (99, 10, 10), (0.5, 0, 0), (np.int64(3), 10, 3),
        (np.float32(0.2), 240, 48),
    ],
)  # fmt: skip
def test_how_many_units(budget: float, available: int, count: int) -> None:
    assert count_units(budget, available) == count


@given(share=st.floats(0, 1), available=st.integers(0, 10_000))
def test_a_share_is_rounded_to_the_nearest_count(share: float, available: int) -> None:
    count = count_units(share, available)
    assert 0 <= count <= available
    assert abs(count - share * available) <= 0.5 or (count == 1 and 0 < share * available < 0.5)
