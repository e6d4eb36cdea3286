"""The page as a reader gets it."""

import json
import re

import numpy as np
import pytest

from lesslabel.data.formats.nifti import write_label_map
from lesslabel.errors import DataError, RunError
from lesslabel.reports import write_report

SECTIONS = ["results", "cases", "revision", "overlays", "curves", "protocol"]


def test_one_run_shows_every_section_in_order(report, make_run, store, tmp_path):
    page = report([make_run(store=store)], tmp_path / "report.html")
    assert page.attributes("id")[:1] == ["results"]
    assert [tag["id"] for name, tag in page.tags if name == "section"] == SECTIONS
    assert "Results on hearts" in page.text
    assert "One method: nothing to compare." in page.text
    # patients: (0.80 + 0.60) / 2, 0.90, 0.50; their mean is 0.70
    assert re.search(
        r"pCE \(scribble\) reaches a mean Dice of 0\.700 \[0\.500, 0\.900\] on 4 test cases of 3 pat", page.text
    )
    assert "few patients" in page.text


def test_results_table_holds_the_hand_computed_means(report, make_run, store, tmp_path):
    header, row = report([make_run(store=store)], tmp_path / "report.html").tables[0]
    assert header[-5:] == ["RV", "MYO", "LV", "HD95 (mm) ↓", "ASD (mm) ↓"]
    assert row[0] == "pCE"
    assert row[1] == "scribble on 3 cases of 2 patients, 1 case without labels"
    assert row[3] == "0.700 [0.500, 0.900]"
    # RV: (0.8, 0.95, 0.4), MYO: (0.7, 0.9, 0.5), LV: (0.6, 0.85, 0.6), each over patients
    assert row[4:7] == ["0.717", "0.700", "0.683"]
    assert row[7].startswith("3.00 [1.00, 5.00]")
    assert row[8].startswith("0.60 [0.20, 1.00]")


def test_seeds_are_averaged_and_the_methods_compared(report, make_run, store, tmp_path):
    dice = {"p1_ED": (0.8, 0.8, 0.8), "p1_ES": (0.6, 0.6, 0.6), "p2_ED": (0.8, 0.8, 0.8), "p3_ED": (0.4, 0.4, 0.4)}
    plus = {uid: tuple(value + (0.2 if uid == "p2_ED" else 0.1) for value in values) for uid, values in dice.items()}
    minus = {uid: tuple(value - 0.1 for value in values) for uid, values in dice.items()}
    runs = [
        make_run("base", dice=minus, store=store),
        make_run("b", method="DMPLS", seed=2, dice=plus, store=store),
        make_run("a", method="DMPLS", seed=1, dice=dice, store=store),
    ]
    page = report(runs, tmp_path / "report.html")
    first, second = page.tables[0][1:]
    # patients with pCE: 0.60, 0.70, 0.30; with DMPLS: 0.75, 0.90, 0.45; differences 0.15, 0.20, 0.15
    assert first[3].startswith("0.533")
    assert second[0] == "DMPLS mean of 2 seeds"
    assert second[3].startswith("0.700")
    comparison = page.tables[1][1]
    assert comparison[:2] == ["DMPLS", "+0.167 [0.150, 0.200] p = 0.250"]
    assert comparison[2].startswith("−1.67 [−2.00, −1.50]")
    assert "DMPLS (scribble) has the best mean Dice" in page.text
    assert "0.167 [0.150, 0.200] ahead of pCE (scribble)" in page.text
    assert page.fact("Seed") == "pCE: 1 DMPLS: 1; 2"
    assert "DMPLS: seed 1 is pictured." in page.text


def test_a_lead_whose_interval_includes_zero_is_called_unclear(report, make_run, tmp_path):
    mixed = {"p1_ED": (0.9,) * 3, "p1_ES": (0.7,) * 3, "p2_ED": (0.8,) * 3, "p3_ED": (0.55,) * 3}
    page = report([make_run("a"), make_run("b", method="DMPLS", dice=mixed)], tmp_path / "report.html")
    assert "its lead over pCE (scribble) (+0.017 [−0.100, 0.100]) is not clear" in page.text
    assert "unclear" in page.attributes("class")


def test_the_page_loads_nothing(report, make_run, store, tmp_path):
    page = report([make_run(store=store)], tmp_path / "report.html")
    assert not re.search(r"https?://|@import|url\(", page.html)
    assert not page.attributes("src")
    links = page.attributes("href")
    assert any(link.startswith("data:image/png;base64,") for link in links)
    assert all(link.startswith(("data:image/png;base64,", "#slice-")) for link in links)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object", "embed"})


def test_every_reference_points_at_an_image_that_exists_once(report, make_run, store, tmp_path):
    page = report([make_run(store=store)], tmp_path / "report.html")
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in page.attributes("href") if link.startswith("#")} <= set(ids)


def test_pictures_show_best_median_and_worst_with_their_columns(report, make_run, store, tmp_path):
    page = report([make_run(store=store)], tmp_path / "report.html")
    captions = re.findall(r'<h3 class="scene">(.*?)</h3>', page.html)
    # slice 2 has the most foreground, and the prediction, a smaller heart, is wrong there most
    assert captions == [f"{why}, slice 2 of 4" for why in ("Best: p2_ED", "Median: p1_ED", "Worst: p3_ED")]
    pictures = [label for label in page.attributes("aria-label") if label.startswith("p")]
    assert pictures[:4] == ["p2_ED, image", "p2_ED, truth", "p2_ED, supervision", "p2_ED, prediction of pCE"]
    assert pictures[-3:] == ["p3_ED, image", "p3_ED, truth", "p3_ED, prediction of pCE"]  # no scribble there
    assert re.search(r"pCE Dice 0\.90 0\.95 0\.90 0\.85", page.text)


def test_only_unseen_cases_are_said_to_be_unseen(report, make_run, store, tmp_path):
    claim = "Nothing that is marked on these test cases was trained on."
    assert claim in report([make_run("a", store=store)], tmp_path / "a.html").text
    seen = make_run("b", store=store, data={"labelled": {"p2_ED": "scribble"}})
    assert claim not in report([seen], tmp_path / "b.html").text


def test_a_prediction_that_was_not_kept_is_said(report, make_run, store, tmp_path):
    page = report([make_run(store=store, predictions=False)], tmp_path / "report.html")
    assert page.text.count("no prediction kept") == 3


@pytest.mark.parametrize("recorded", [True, False])
def test_without_the_store_the_report_is_written_and_says_so(report, make_run, tmp_path, recorded):
    run = make_run(store=tmp_path / "secret" / "gone" if recorded else None)
    page = report([run], tmp_path / "report.html")
    expected = "the store “gone” is not at hand" if recorded else "does not record which store it read"
    assert expected in page.text
    assert "secret" not in page.html
    assert [tag["id"] for name, tag in page.tags if name == "section"] == SECTIONS


def test_stores_override_the_config(report, make_run, store, tmp_path):
    page = report([make_run(store=tmp_path / "gone")], tmp_path / "report.html", stores={"hearts": store})
    assert "Best: p2_ED" in page.text


def test_a_store_that_changed_since_is_pointed_out(report, make_run, store, tmp_path):
    page = report([make_run(store=store, data={"data_hash": "other"})], tmp_path / "report.html")
    assert "The store has changed since the test" in page.text
    assert "Best: p2_ED" in page.text


def test_a_prediction_on_another_grid_is_refused(make_run, store, tmp_path):
    run = make_run(store=store)
    path = run / "test" / "predictions" / "p2_ED.nii.gz"
    write_label_map(path, np.zeros((4, 40, 35), dtype=np.uint8), (10.0, 1.5, 1.25))
    with pytest.raises(RunError, match=r"p2_ED.nii.gz: shape .* \(4, 40, 35\), .* \(4, 40, 36\); name the store"):
        write_report([run], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_a_missing_case_is_named(make_run, store, tmp_path):
    (store / "cases" / "p2_ED.h5").unlink()
    with pytest.raises(DataError, match=r"p2_ED\.h5"):
        write_report([make_run(store=store)], tmp_path / "report.html")


def test_another_reference_is_refused(make_run, store, tmp_path):
    run = make_run(store=store, data={"view": {"reference": "rater7"}})
    with pytest.raises(DataError, match="no annotation 'rater7'"):
        write_report([run], tmp_path / "report.html")


def test_without_a_training_log_the_report_says_so(report, make_run, tmp_path):
    run = make_run()
    (run / "logs" / "metrics.csv").unlink()
    assert "No training log in the run folder." in report([run], tmp_path / "report.html").text


def test_training_curves_begin_with_validation(report, make_run, tmp_path):
    history = [
        {"step": step, "train/loss": 1.0, "train/pce": "nan", "validation/dice": 0.5, "validation/dice_3": 0.4}
        for step in range(3)
    ]
    page = report([make_run(history=history)], tmp_path / "report.html")
    drawn = [label for label in page.attributes("aria-label") if label.endswith("over iterations")]
    assert drawn == [f"{name} over iterations" for name in ("validation/dice", "validation/dice_3", "train/loss")]
    assert "validation/dice_3 (LV)" in page.text


def test_hostile_names_stay_text(report, make_run, store, tmp_path):
    evil = '"><script>alert(1)</script><img src=http://evil.example>'
    names = ["background", "<b>RV", "MYO", "LV"]
    run = make_run(
        "run", method=evil, store=store, data={"source": evil, "missing_patients": [evil], "label_names": names}
    )
    table = run / "test" / "metrics.csv"
    table.write_text(table.read_text().replace("RV", "<b>RV"))
    history = run / "logs" / "metrics.csv"
    history.write_text(history.read_text().replace("train/pce", "train/<i>"))
    page = report([run], tmp_path / "report.html")
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "i"})
    assert not page.attributes("src")
    assert "<b>RV" not in page.html
    assert "&lt;b&gt;RV" in page.html


def test_protocol_holds_what_was_recorded_and_no_path_or_patient(report, make_run, store, tmp_path):
    page = report([make_run(store=store)], tmp_path / "report.html")
    expected = {
        "Data hash": "abc123",
        "Split": "hearts/holdout, fold 0",
        "Cases": "train 4, validation 0, test 4",
        "Tested on": "4 cases of 3 patients (part: test)",
        "Missing patients": "1",
        "Reference annotation": "dense",
        "Seed": "1",
        "Checkpoint": "best validation Dice (best.ckpt)",
        "Distances in": "mm",
        "HD95": "pooled",
        "Empty masks": "diagonal",
        "Hardware": "CPU",
        "Commit": "0123abcd, with uncommitted changes",
        "Packages": "torch 2.13.0, numpy 2.4.6",
        "Command": "lesslabel fit --config hearts.yaml --run runs/a",
    }
    assert {name: page.fact(name) for name in expected} == expected
    for private in ("jane", "home", "Roe", "Doe", "Poe", "Foe", "Tim", str(tmp_path)):
        assert private not in page.html


def test_what_was_not_recorded_is_unknown(report, make_run, tmp_path):
    run = make_run()
    for name in ("environment.json", "config.yaml", "data.json", "test/summary.json"):
        (run / name).unlink()
    page = report([run], tmp_path / "report.html")
    assert page.tables[0][1][0] == "run"
    assert page.tables[0][1][1] == "unknown"
    for name in ("Data set", "Split", "Cases", "Missing patients", "Seed", "Checkpoint", "Commit", "Command"):
        assert page.fact(name) == "unknown"
    assert "HD95 (unknown unit)" in page.text


def test_undefined_values_are_counted(report, make_run, tmp_path):
    dice = {"p1_ED": (float("nan"), 0.8, 0.7), "p2_ED": (0.9, 0.9, 0.9)}
    page = report([make_run(dice=dice)], tmp_path / "report.html")
    assert "3 values did not exist" in page.text  # dice, hd95 and asd of one label
    assert page.tables[0][1][4] == "0.900"


def test_the_page_is_the_same_every_time(make_run, store, tmp_path):
    run = make_run(store=store)
    first = write_report([run], tmp_path / "a.html").read_bytes()
    assert write_report([run], tmp_path / "b.html").read_bytes() == first


def test_a_folder_in_the_way_is_one_clear_line(make_run, tmp_path):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(DataError, match=r"report\.html: cannot be written"):
        write_report([make_run()], tmp_path / "report.html")
    assert list((tmp_path / "report.html").iterdir()) == []


def test_a_view_that_merges_labels_is_drawn_with_its_classes(report, make_run, store, tmp_path):
    heart = {"supervision": [], "reference": "dense", "labels": {"heart": [1, 2, 3]}, "channels": None}
    run = make_run(store=store, dice={"p2_ED": (0.9,)}, data={"view": heart, "label_names": ["background", "heart"]})
    table = run / "test" / "metrics.csv"
    table.write_text(table.read_text().replace("RV", "heart"))
    write_label_map(run / "test" / "predictions" / "p2_ED.nii.gz", np.ones((4, 40, 36), np.uint8), (10.0, 1.5, 1.25))
    page = report([run], tmp_path / "report.html")
    assert "Only case: p2_ED" in page.text
    truth = page.html.split("p2_ED, truth")[1].split("</svg>")[0]
    assert truth.count("<path") == 1
    assert json.dumps("heart")[1:-1] in truth
