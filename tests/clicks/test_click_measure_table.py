"""The one table of click measures, and that what is computed, written and shown has its names."""

import pytest

from lesslabel.clicks.measure_table import CLICKS_FIRST, SECONDS_CORRECTION, SECONDS_FIRST, click_measures
from lesslabel.tables.click_results import CLICK_RESULT_COLUMNS, FURTHER_COLUMNS
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
    keys += ["iou_auc", "iou_first", "iou_5", "iou_10", "iou_20"]
    assert list(click_measures()) == keys
    boundary = ["biou_first", "biou_5", "biou_10", "biou_20"]
    assert list(click_measures(columns=["biou"])) == [*keys, *boundary]
    assert [key for key in click_measures(cap=100) if key not in keys] == [
        *("dice_100", "assd_mm_100", "iou_100"),
        *("noc_dice_85_cap_20", "noc_dice_90_cap_20", "noc_iou_85_cap_20", "noc_iou_90_cap_20"),
    ]
    assert list(click_measures(cap=7))[5:8] == ["dice_first", "dice_5", "dice_7"]
    columns = "set method seed annotator uid label slice patient dice_first assd_first_mm clicks_first seconds_first"
    columns += " dice_10 dice_20 assd_20_mm noc_85 failed_85 noc_90 failed_90 seconds_click commit"
    assert list(CLICK_RESULT_COLUMNS) == columns.split()
    further = "noc_iou_85 failed_iou_85 noc_iou_90 failed_iou_90 iou_first iou_5 iou_10 iou_20 iou_auc dice_auc"
    further += " biou_first biou_5 biou_20 assd_5_mm iou_thin_first iou_thin_20 f_thin_first f_thin_20"
    further += " iou_2 iou_3 seconds_encoder seconds_head seconds_paste noi_95 failed_noi_95"
    further += " dice_repairs_0 dice_repairs_1 dice_repairs_5 dice_repairs_10"
    further += " assd_repairs_0_mm assd_repairs_1_mm assd_repairs_5_mm assd_repairs_10_mm cap"
    assert list(FURTHER_COLUMNS) == further.split()
    assert MEASURES["assd_20_mm"] == "ASSD, 20 clicks (mm)"
    assert (MEASURES["iou_2"], MEASURES["assd_repairs_1_mm"]) == ("IoU, 2 clicks", "ASSD, 1 repair (mm)")


@pytest.mark.parametrize("cap", [1, 5, 8, 20, 30, 100])
def test_every_measure_is_described_once(cap):
    measures = [*click_measures(cap).values(), CLICKS_FIRST, SECONDS_FIRST, SECONDS_CORRECTION]
    for names in ([measure.key for measure in measures], [measure.title for measure in measures]):
        assert len(set(names)) == len(names)
    for measure in measures:
        assert measure.meaning.endswith(".")
        assert measure.digits in (1, 2, 3)
        arrow = measure.heading[-1] if measure.heading[-1] in "↑↓" else None
        assert arrow in (None, "↑" if measure.higher_is_better else "↓")
