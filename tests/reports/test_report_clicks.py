"""The page of click protocols, from folders with known numbers."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lesslabel.clicks.folder import ClickFolder, WorstObject, prompts_line, write_worst
from lesslabel.clicks.measures import CLICK_COLUMNS
from lesslabel.errors import DataError, RunError
from lesslabel.interaction import CentreEdgePoints, Click, InteriorMarginPoints, Scribble, Side
from lesslabel.reports.clicks.page import write_clicks_report

TURNS = (
    (InteriorMarginPoints(((12.0, 20.0), (30.0, 20.0))),),
    (Click((21.0, 10.0)),),
    (Click((5.0, 20.0), Side.BACKGROUND),),
)
OBJECTS = {("p1", 3, "LV"): "Jane Roe", ("p1", 4, "LV"): "Jane Roe", ("p2", 3, "LV"): "Max Doe"}
MakeFolder = Callable[..., Path]


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Write a folder whose objects have given Dice values after 2, 3 and 4 clicks."""

    def make(
        name: str,
        dice: dict[tuple[str, int, str], tuple[float, ...]],
        *,
        method: str = "MIDeepSeg",
        turns: Any = TURNS,
        protocol: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
    ) -> Path:
        folder = tmp_path / "secret" / name
        folder.mkdir(parents=True)
        rows = [
            (uid, OBJECTS[uid, place, label], place, label, turn, clicks, value, 10 * (1 - value), seconds)
            for (uid, place, label), values in dice.items()
            for turn, (clicks, value, seconds) in enumerate(
                [(0, 0.0, math.nan), *zip((2, 3, 4), values, (0.5, 0.25, 0.25), strict=False)]
            )
        ]
        pd.DataFrame(rows, columns=list(CLICK_COLUMNS)).to_csv(folder / "clicks.csv", index=False)
        (folder / "prompts.jsonl").write_text("".join(prompts_line(key, turns) for key in dice))
        y, x = np.mgrid[:40, :40]
        truth = np.hypot(y - 21, x - 20) < 10
        image = truth.astype(np.float32)
        key = min(dice, key=lambda key: dice[key][-1])
        write_worst(folder / "worst.h5", [WorstObject(key, 3, (1.0, 2.0), image, truth, y < 20, truth & (y < 25))])
        settings = {"first": "robot", "robot": "error-centre", "cap": 4, "turns": None, "jitter_voxel": None, "seed": 0}
        summary = {
            "format": 1,
            "method": method,
            "run": name,
            "checkpoint": "best",
            "first_robot": "interior-margin-points",
            "protocol": settings | {"min_voxels": 20} | (protocol or {}),
            "data": {"source": "hearts", "data_hash": "abc", "split": "random", "fold": 0, "part": "test"}
            | {"reference": "dense", "labels": ["LV"], "dimensions": 2, "size_voxel": None, "spacing_mm": None}
            | (data or {}),
            "unseen_store": False,
            "objects": len(dice),
            "without_prompts": 0,
            "device": "cpu",
        }
        (folder / "summary.json").write_text(json.dumps(summary))
        return folder

    return make


GOOD = dict(zip(OBJECTS, ((0.8, 0.86, 0.96), (0.5, 0.6, 0.7), (0.88, 0.92, 0.92)), strict=True))


def test_the_tables_hold_the_numbers(make_folder, tmp_path, read_page):
    page = read_page(write_clicks_report([make_folder("a", GOOD)], tmp_path / "page.html"))
    needed, quality, facts = page.tables
    # patient 1: slices of 3 and 4 (failed) clicks, patient 2: 2; then 4 and 4 (failed), 3
    assert needed[1][:5] == ["MIDeepSeg", "2.8 [2.0, 3.5]", "1 of 3", "3.5 [3.0, 4.0]", "1 of 3"]
    # by IoU 0.85, a Dice of 0.919: 4, 4 (failed), 3; by IoU 0.9, 0.947: 4, 4 (failed), 4 (failed)
    assert needed[1][5:] == ["3.5 [3.0, 4.0]", "1 of 3", "4.0 [4.0, 4.0]", "2 of 3"]
    assert quality[1][1] == "0.765 [0.650, 0.880]"
    assert quality[1][-2:] == ["0.500", "0.250"]
    assert len(quality[0]) == len(quality[1]) == 8  # at 4 clicks alone, which is the cap
    assert (
        "MIDeepSeg needs for a Dice of 0.90: 3.5 clicks [3.0, 4.0] on 3 objects of 2 patients; 1 did not" in page.text
    )
    assert page.fact("Objects") == "3, by slices, of at least 20 voxels"
    assert page.fact("Corrections") == "error-centre, seed 0"
    assert facts


def test_the_page_stands_alone_and_keeps_secrets(make_folder, tmp_path, read_page):
    page = read_page(write_clicks_report([make_folder("a", GOOD)], tmp_path / "page.html"))
    assert "secret" not in page.html
    assert not any(patient in page.html for patient in OBJECTS.values())
    links = page.attributes("href") + page.attributes("src")
    assert all(link.startswith(("#", "data:image/png")) for link in links)


def test_curves_begin_with_the_first_prompts_and_have_a_band(make_folder, tmp_path, read_page):
    page = read_page(write_clicks_report([make_folder("a", GOOD)], tmp_path / "page.html"))
    dots = re.findall(r"<title>MIDeepSeg, (\d) clicks: ([\d.]+)</title>", page.html)
    assert dots[:3] == [("2", "0.765"), ("3", "0.825"), ("4", "0.875")]
    assert dots[3:6] == [("2", "2.350"), ("3", "1.750"), ("4", "1.250")]  # ASSD
    assert [count for count, _ in dots[6:]] == ["2", "3", "4"]  # IoU
    assert page.html.count('class="band"') == 3


@pytest.mark.parametrize(
    ("first", "marks"),
    [
        (InteriorMarginPoints(((12.0, 20.0), (30.0, 20.0))), {"click-mark": 2, "stroke-mark": 0}),
        (CentreEdgePoints(((21.0, 20.0),), ((8.0, 20.0), (34.0, 20.0))), {"click-mark": 3, "stroke-mark": 0}),
        (Scribble((((20.0, 15.0), (20.0, 25.0)), ((23.0, 20.0),))), {"click-mark": 1, "stroke-mark": 1}),
        (InteriorMarginPoints(((3.0, 12.0, 20.0), (4.0, 30.0, 20.0))), {"click-mark": 1, "stroke-mark": 0}),
    ],
)
def test_prompts_are_drawn_into_the_worst_pictures(make_folder, tmp_path, read_page, first, marks):
    page = read_page(write_clicks_report([make_folder("a", GOOD, turns=((first,),))], tmp_path / "page.html"))
    for css, count in marks.items():
        assert page.html.count(f'class="{css}"') == 2 * count  # before and after
    assert "p1, slice 4" not in page.text  # the kept slice is 3
    assert "first prompts, Dice 0.50" in page.text
    assert "4 clicks, Dice 0.70" in page.text


def test_a_click_lies_at_the_centre_of_its_pixel(make_folder, tmp_path):
    folder = make_folder("a", GOOD, turns=((Click((21.0, 10.0)),),))
    html = write_clicks_report([folder], tmp_path / "page.html").read_text()
    # the whole slice is shown; pixels are twice as wide as high
    found = re.search(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="[\d.]+" class="click-mark"', html)
    assert (float(found[1]), float(found[2])) == ((10 + 0.5) * 2, 21 + 0.5)


def test_only_common_objects_are_compared(make_folder, tmp_path, read_page):
    people = dict.fromkeys(list(OBJECTS)[1:], (0.9, 0.9, 0.9))
    folders = [
        make_folder("robot", GOOD),
        make_folder("people", people, protocol={"first": "annotation:scribble1"}),
    ]
    page = read_page(write_clicks_report(folders, tmp_path / "page.html"))
    robot, person = page.tables[0][1:]
    assert (robot[2], person[2]) == ("1 of 2", "0 of 2")
    assert "1 object that not all folders have is left out" in page.text
    assert robot[0] == "MIDeepSeg, interior-margin-points then error-centre, robot"  # same words: told by the folder


def test_what_cannot_be_compared_is_refused(make_folder, tmp_path):
    first = make_folder("a", GOOD)
    output = tmp_path / "page.html"
    others = {
        "cap 9, that of": make_folder("cap", GOOD, protocol={"cap": 9}),
        "data_hash xyz": make_folder("hash", GOOD, data={"data_hash": "xyz"}),
        "reference expert": make_folder("reference", GOOD, data={"reference": "expert"}),
        "given twice": first,
    }
    for message, other in others.items():
        with pytest.raises(RunError, match=message):
            write_clicks_report([first, other], output)
    half = make_folder("half", {("p2", 3, "LV"): (0.5, 0.5, 0.5)})
    rest = make_folder("rest", {("p1", 3, "LV"): (0.5, 0.5, 0.5)})
    with pytest.raises(RunError, match="shares no object"):
        write_clicks_report([half, rest], output)
    assert not output.exists()


def test_a_damaged_folder_is_named(make_folder, tmp_path):
    for number, (name, content) in enumerate(
        (("summary.json", "{}"), ("clicks.csv", "uid\n1\n"), ("prompts.jsonl", "{"), ("worst.h5", "no HDF5"))
    ):
        folder = make_folder(f"f{number}", GOOD)
        (folder / name).write_text(content)
        with pytest.raises(DataError, match=re.escape(str(folder / name))):
            write_clicks_report([folder], tmp_path / "page.html")
    with pytest.raises(DataError, match="no such file"):
        ClickFolder(tmp_path)
