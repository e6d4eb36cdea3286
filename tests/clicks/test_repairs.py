"""Measures by the number of repairs, beside figures worked out by hand."""

import pytest

from lesslabel.clicks.measure_table import REPAIR_MEASURES
from lesslabel.clicks.repairs import after_repairs, measure_repairs, repairs_needed
from lesslabel.errors import ConfigError
from tests.clicks.test_clicks import frame_of

POLYGON = [(9, 0.6), (10, 0.7), (11, 0.95), (12, 0.94)]  # a polygon of nine vertices, and three repairs
ENOUGH = [(2, 0.96)]
NEVER = [(2, 0.1), (3, 0.2), (4, 0.3)]
FRAME = frame_of({("a", "a1", 0, "LV"): POLYGON, ("a", "a2", 0, "LV"): ENOUGH, ("b", "b1", 0, "LV"): NEVER})


def test_the_first_prompts_are_no_repair_whatever_their_clicks() -> None:
    assert after_repairs(FRAME, 0).tolist() == [0.6, 0.96, 0.1]
    assert after_repairs(FRAME, 2).tolist() == [0.95, 0.96, 0.3]
    assert after_repairs(FRAME, 5).tolist() == [0.94, 0.96, 0.3]  # what needs no more keeps its last value
    assert after_repairs(FRAME, 1, "assd_mm").tolist() == pytest.approx([3.0, 0.4, 8.0])


def test_a_mask_to_start_from_is_the_initial_result() -> None:
    assert after_repairs(FRAME, 0, started=True).tolist() == [0.0, 0.0, 0.0]
    assert after_repairs(FRAME, 1, started=True).tolist() == [0.6, 0.96, 0.1]
    assert repairs_needed(FRAME, started=True)["repairs"].tolist() == [3, 1, 20]


def test_repairs_are_counted_until_the_dice_is_first_reached() -> None:
    needed = repairs_needed(FRAME)
    assert needed["repairs"].tolist() == [2, 0, 20]
    assert needed["failed"].tolist() == [False, False, True]
    assert repairs_needed(FRAME, cap=1)["repairs"].tolist() == [1, 0, 1]
    assert repairs_needed(FRAME, cap=1)["failed"].tolist() == [True, False, True]
    assert repairs_needed(FRAME, 0.1)["failed"].sum() == 0


def test_every_repair_measure_is_taken() -> None:
    measured = measure_repairs(FRAME)
    assert list(measured) == list(REPAIR_MEASURES)
    assert measured["noi_dice_95"].values.tolist() == [2, 0, 20]
    assert measured["dice_repairs_5"].values.tolist() == [0.94, 0.96, 0.3]


def test_arguments_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="repairs: -1; pass 0"):
        after_repairs(FRAME, -1)
    with pytest.raises(ConfigError, match="cap: 0; pass"):
        repairs_needed(FRAME, cap=0)
    with pytest.raises(ConfigError, match="threshold: 0"):
        repairs_needed(FRAME, 0.0)
