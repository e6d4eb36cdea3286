"""The one table of click measures, and that what is computed, written and shown has its names."""

import pytest

from lesslabel.clicks.measure_table import CLICKS_FIRST, SECONDS_CORRECTION, SECONDS_FIRST, click_measures
from lesslabel.tables.click_results import CLICK_RESULT_COLUMNS
from lesslabel.tables.click_table import MEASURES


def test_keys_and_columns_are_those_of_files_written_before():
    keys = [
        "noc_dice_85",
        "noc_dice_90",
        "noc_iou_85",
        "noc_iou_90",
        "dice_auc",
        "dice_first",
        "dice_5",
        "dice_10",
        "dice_20",
    ]
    keys += ["assd_mm_first", "assd_mm_5", "assd_mm_10", "assd_mm_20"]
    assert list(click_measures()) == keys
    assert list(click_measures(cap=7))[5:8] == ["dice_first", "dice_5", "dice_7"]
    columns = "set method seed annotator uid label slice patient dice_first assd_first_mm clicks_first seconds_first"
    columns += " dice_10 dice_20 assd_20_mm noc_85 failed_85 noc_90 failed_90 seconds_click commit"
    assert list(CLICK_RESULT_COLUMNS) == columns.split()
    assert MEASURES["assd_20_mm"] == "ASSD, 20 clicks (mm)"


@pytest.mark.parametrize("cap", [1, 5, 8, 20, 30])
def test_every_measure_is_described_once(cap):
    measures = [*click_measures(cap).values(), CLICKS_FIRST, SECONDS_FIRST, SECONDS_CORRECTION]
    for names in ([measure.key for measure in measures], [measure.title for measure in measures]):
        assert len(set(names)) == len(names)
    for measure in measures:
        assert measure.meaning.endswith(".")
        assert measure.digits in (1, 2, 3)
        arrow = measure.heading[-1] if measure.heading[-1] in "↑↓" else None
        assert arrow in (None, "↑" if measure.higher_is_better else "↓")
