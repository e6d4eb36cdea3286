import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesslabel.errors import ConfigError
from lesslabel.losses import gaussian_ramp, poly


def test_ramp_by_hand() -> None:
    assert gaussian_ramp(0, 40) == pytest.approx(math.exp(-5))
    assert gaussian_ramp(20, 40) == pytest.approx(math.exp(-1.25))
    assert gaussian_ramp(40, 40) == 1
    assert gaussian_ramp(41, 40) == 1
    assert gaussian_ramp(0, 0) == 1


def test_poly_by_hand() -> None:
    assert poly(0, 30_000) == 1
    assert poly(15_000, 30_000) == pytest.approx(0.5**0.9)
    assert poly(15_000, 30_000, power=2) == pytest.approx(0.25)
    assert poly(30_000, 30_000) == 0
    assert poly(30_001, 30_000) == 0


@given(first=st.floats(0, 200), second=st.floats(0, 200), length=st.floats(0.1, 100))
def test_ramp_never_falls_and_poly_never_rises(first: float, second: float, length: float) -> None:
    early, late = sorted((first, second))
    assert gaussian_ramp(early, length) <= gaussian_ramp(late, length) <= 1
    assert 1 >= poly(early, length) >= poly(late, length) >= 0


def test_steps_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="must not be negative"):
        gaussian_ramp(-1, 10)
    with pytest.raises(ConfigError, match="must not be negative"):
        gaussian_ramp(1, -10)
    for step, max_steps, power in ((-1, 10, 0.9), (1, 0, 0.9), (1, 10, 0)):
        with pytest.raises(ConfigError, match="poly"):
            poly(step, max_steps, power)
