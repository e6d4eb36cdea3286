"""Results and tables of click protocols."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from lesslabel.clicks.measures import CLICK_COLUMNS
from lesslabel.errors import DataError
from lesslabel.tables.click_results import (
    CLICK_RESULT_COLUMNS,
    FURTHER_COLUMNS,
    PlayedProtocol,
    add_clicks,
    read_click_results,
)
from lesslabel.tables.click_table import write_click_table

COMMITTED = Path(__file__).parents[2] / "experiments" / "interactive"
PROTOCOL = "name data split subset seeds iterations checkpoint_rule metrics hardware commands"


def play(folder: Path, dice: dict[str, list[float]], seed: int = 0, *, started: bool = False, first: int = 4) -> Path:
    """A protocol: so many clicks first, then one more each turn; 1 − Dice is the ASSD."""
    folder.mkdir(parents=True)
    rows = []
    for patient, values in dice.items():
        for turn, value in enumerate([0.0, *values]):
            clicks = 0 if turn == 0 else first - 1 + turn
            rows.append(
                [f"{patient}_es", patient, 2, "LV", turn, clicks, value, 1.0 - value, "" if turn == 0 else 0.25]
            )
    pd.DataFrame(rows, columns=list(CLICK_COLUMNS)).to_csv(folder / "clicks.csv", index=False)
    (folder / "summary.json").write_text(
        json.dumps({"protocol": {"seed": seed}, **({"without_start": 0} if started else {})})
    )
    return folder


def played(folder: Path, method: str = "GP", name: str = "LV", annotator: str = "") -> PlayedProtocol:
    return PlayedProtocol(folder, name, method, annotator, "abc")


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    folder = tmp_path / "experiment"
    folder.mkdir()
    lines = [*(f"{key}: x" for key in PROTOCOL.split()), 'baseline: {MIDeepSeg: ["*"]}']
    (folder / "protocol.yaml").write_text("\n".join(lines))
    (folder / "published.csv").write_text("method,setting,metric,value,source\nGP,spleen,dice,0.97,a paper\n")
    return folder


def test_an_object_is_one_row(experiment: Path, tmp_path: Path) -> None:
    add_clicks(
        experiment, [played(play(tmp_path / "a", {"p2": [0.5, 0.8712345, 0.91], "p1": [0.86, 0.9, 0.95]}, seed=3))]
    )
    results = read_click_results(experiment)
    assert list(results.columns) == [*CLICK_RESULT_COLUMNS, *FURTHER_COLUMNS]
    assert results["uid"].tolist() == ["p1_es", "p2_es"]
    first, second = results.iloc[0], results.iloc[1]
    assert (first["seed"], first["slice"], first["commit"], first["clicks_first"]) == (3, 2, "abc", 4)
    assert (first["dice_first"], second["dice_10"], second["dice_20"]) == (0.86, 0.91, 0.91)
    assert second["assd_20_mm"] == pytest.approx(0.09)
    assert (first["noc_85"], second["noc_85"], second["noc_90"]) == (4, 5, 6)
    assert (first["failed_90"], second["seconds_click"]) == (0, 0.25)


def test_new_rows_replace_their_own_and_leave_all_others(experiment: Path, tmp_path: Path) -> None:
    old = play(tmp_path / "old", {"p1": [0.123456789]})
    other = [played(old, "MIDeepSeg"), played(old, name="LV, people", annotator="1")]
    add_clicks(experiment, [played(old), *other])
    before = (experiment / "results.csv").read_text().splitlines()
    assert "0.1235" in before[1]
    add_clicks(experiment, [played(play(tmp_path / "new", {"p1": [0.5]}))])
    after = (experiment / "results.csv").read_text().splitlines()
    assert len(after) == len(before) == 4
    assert [line for line in after if line not in before] == [
        before[1].replace("0.1235", "0.5").replace("0.8765", "0.5").replace("0.06579", "0.3333")  # 0.5 / (2 - 0.5)
    ]
    add_clicks(experiment, other)
    assert (experiment / "results.csv").read_text().splitlines() == after


def test_the_first_clicks_and_the_first_repair_are_read_by_themselves(experiment: Path, tmp_path: Path) -> None:
    add_clicks(experiment, [played(play(tmp_path / "a", {"p1": [0.2, 0.4, 0.6, 0.8]}, first=1))])
    (row,) = read_click_results(experiment).to_dict("records")
    assert [row["iou_2"], row["iou_3"]] == pytest.approx([0.4 / 1.6, 0.6 / 1.4], abs=1e-4)
    assert [row[f"dice_repairs_{repairs}"] for repairs in (0, 1, 5)] == [0.2, 0.4, 0.8]
    assert row["assd_repairs_1_mm"] == pytest.approx(0.6)


def test_a_protocol_without_corrections_leaves_their_values_empty(experiment: Path, tmp_path: Path) -> None:
    add_clicks(experiment, [played(play(tmp_path / "a", {"p1": [0.5]}))])
    results = read_click_results(experiment)
    assert results[["dice_10", "noc_85", "seconds_click"]].isna().all(axis=None)
    write_click_table(experiment)


def test_of_a_start_mask_the_first_turn_is_a_correction(experiment: Path, tmp_path: Path) -> None:
    add_clicks(experiment, [played(play(tmp_path / "a", {"p1": [0.5]}, started=True))])
    (row,) = read_click_results(experiment).to_dict("records")
    assert (row["dice_20"], row["dice_repairs_0"], row["dice_repairs_5"], row["failed_90"]) == (0.5, 0.0, 0.5, 1)
    assert pd.isna(row["seconds_click"]), "the first turn pays for the image too"


def test_a_set_is_compared_with_the_baseline_that_it_has(experiment: Path, tmp_path: Path) -> None:
    patients = [f"p{number}" for number in range(6)]
    worse = play(tmp_path / "worse", {patient: [0.5, 0.6] for patient in patients})
    better = play(tmp_path / "better", {patient: [0.7, 0.6] for patient in patients})
    add_clicks(experiment, [played(worse, "MIDeepSeg"), played(better), played(better, name="volumes")])
    table = write_click_table(experiment).read_text()
    assert table.count("Paired against MIDeepSeg") == 1
    assert "| GP | Dice, first | +0.200 [+0.200, +0.200] |" in table
    assert "| GP | Dice, 20 clicks | +0.000 [+0.000, +0.000] |" in table
    assert "- **baseline**: MIDeepSeg: *" in table
    assert table.index("## LV") < table.index("## volumes") < table.index("## Published figures")
    assert "| GP | spleen | – | dice | 0.97 | – | – | a paper |" in table


def test_a_published_figure_stands_beside_ours_where_it_names_our_set(experiment: Path, tmp_path: Path) -> None:
    values = {"p1": [0.5, 0.75], "p2": [0.75, 1.0]}  # Dice 0.625 at the first prompts, 0.875 with 20 clicks
    add_clicks(
        experiment, [played(play(tmp_path / "a", values)), played(play(tmp_path / "b", {"p1": [0.1]}), name="RV")]
    )
    (experiment / "published.csv").write_text(
        "method,setting,metric,value,source,set\n"
        "GP,unseen,dice_first,0.600 (0.1),a paper,LV\n"
        "GP,unseen,dice_20,not given,a paper,LV\n"
        "GP,unseen,dice_20,0.9,a paper,RV\n"
        "GP,unseen,dice_first,0.9,a paper,liver\n"
    )
    table = write_click_table(experiment).read_text()
    lines = [line for line in table.splitlines() if line.startswith("| GP | unseen")]
    assert lines[0].startswith("| GP | unseen | LV | Dice, first | 0.600 (0.1) | 0.625 [0.500, 0.750] | +0.025 |")
    assert lines[1].startswith("| GP | unseen | LV | Dice, 20 clicks | not given | 0.875 [0.750, 1.000] | – |")
    assert "| RV | Dice, 20 clicks | 0.9 | – | – |" in lines[2]  # it was not corrected
    assert "| liver | Dice, first | 0.9 | – | – |" in lines[3]


def test_two_protocols_of_one_name_are_refused(experiment: Path, tmp_path: Path) -> None:
    folder = play(tmp_path / "a", {"p1": [0.5]})
    with pytest.raises(DataError, match="LV, GP, 0,  is there twice"):
        add_clicks(experiment, [played(folder), played(folder)])


def test_a_damaged_table_is_named(experiment: Path) -> None:
    with pytest.raises(DataError, match=r"results\.csv: no such file"):
        read_click_results(experiment)
    (experiment / "results.csv").write_text(",".join(CLICK_RESULT_COLUMNS) + "\n")
    with pytest.raises(DataError, match=r"results\.csv: no row"):
        read_click_results(experiment)
    (experiment / "results.csv").write_text("set,method\na,b\n")
    with pytest.raises(DataError, match="column seed"):
        read_click_results(experiment)


def test_the_committed_rows_outlive_a_new_protocol(experiment: Path, tmp_path: Path) -> None:
    shutil.copy(COMMITTED / "results.csv", experiment)
    header, *before = (COMMITTED / "results.csv").read_text().splitlines()
    add_clicks(experiment, [played(play(tmp_path / "a", {"p1": [0.5]}), "a new method", "a new set")])
    longer, *after = (experiment / "results.csv").read_text().splitlines()
    assert longer.startswith(header)
    assert [line.rstrip(",") for line in after if not line.startswith("a new set")] == before
    kinds = read_click_results(COMMITTED).assign(volume=lambda rows: rows["slice"] < 0).groupby("set")["volume"]
    assert kinds.nunique().max() == 1  # no set mixes slices and volumes
