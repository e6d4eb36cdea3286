"""IoU_thin and F_thin by hand, and protocols that start from a mask and measure thin parts."""

import math

import numpy as np
import pandas as pd
import pytest
from annotated_thin import BODY, STEM, TREE
from clicking import GreyValue
from scipy import ndimage

from lesslabel.clicks.measure_table import click_measures
from lesslabel.clicks.measures import THIN_COLUMNS, measure_objects, summarise_clicks
from lesslabel.clicks.objects import ClickObject
from lesslabel.clicks.simulator import ClickProtocol, ClickSimulator
from lesslabel.clicks.thin_scores import ThinScores
from lesslabel.errors import ConfigError
from lesslabel.interaction.robots import CutLineRobot, ThinParts

THIN = ThinParts(radius_share=0.2)


def test_scores_are_one_for_the_truth_and_zero_without_the_parts() -> None:
    scores = ThinScores(TREE, THIN)
    assert scores.of(TREE) == (1.0, 1.0)
    assert scores.of(TREE & ~scores.thin) == (0.0, 0.0)
    assert scores.of(np.zeros_like(TREE)) == (0.0, 0.0)
    far = np.zeros_like(TREE)
    far[:3, :3] = True
    assert scores.of(TREE | far) == (1.0, 1.0)  # outside the region nothing counts
    assert all(map(math.isnan, ThinScores(BODY, THIN).of(BODY)))


def test_scores_are_the_overlap_and_the_agreement_of_contours_by_hand() -> None:
    scores = ThinScores(TREE, THIN)
    half = TREE.copy()
    half[:, 80:] = False
    found = half & scores.region
    overlap, contours = scores.of(half)
    assert overlap == pytest.approx((found & scores.thin).sum() / (found | scores.thin).sum())

    def contour(mask: np.ndarray) -> np.ndarray:
        return np.argwhere(mask & ~ndimage.binary_erosion(np.pad(mask, 1))[1:-1, 1:-1])

    ours, theirs = contour(found), contour(scores.thin)
    away = np.linalg.norm(ours[:, None] - theirs[None], axis=2)
    precision, recall = (away.min(axis=1) <= 1).mean(), (away.min(axis=0) <= 1).mean()
    assert contours == pytest.approx(2 * precision * recall / (precision + recall))
    assert ThinScores(TREE, THIN, tolerance_voxel=500.0).of(half)[1] == 1.0


def entry(truth: np.ndarray, before: np.ndarray | None = None) -> ClickObject:
    image = np.where(truth, 1.0, 0.0)[None].astype(np.float32)
    return ClickObject("a", "anna", 0, "tree", image, truth, np.ones_like(truth), (1.0, 1.0), start=before)


def simulated(truth: np.ndarray, before: np.ndarray | None = None, **rules: object) -> ClickSimulator:
    protocol = ClickProtocol(cap=4, turns=1, **rules)  # type: ignore[arg-type]
    simulator = ClickSimulator(GreyValue(), CutLineRobot(thin=THIN), protocol)
    simulator.simulate(entry(truth, before))
    return simulator


def test_a_protocol_starts_without_the_thin_parts_and_measures_them() -> None:
    simulator = simulated(TREE, start="thin-parts-missing", thin=THIN)
    assert simulator.columns[-2:] == THIN_COLUMNS
    (start, after) = (dict(zip(simulator.columns, row, strict=True)) for row in simulator.rows)
    assert (start["turn"], start["clicks"], start["iou_thin"], start["f_thin"]) == (0, 0, 0.0, 0.0)
    assert start["dice"] == pytest.approx(1 - THIN.of(TREE).sum() / (2 * TREE.sum() - THIN.of(TREE).sum()))
    assert (after["clicks"], after["iou_thin"]) == (2, 1.0)  # a line is two clicks; the grey value finds all of it
    assert simulated(BODY, start="thin-parts-missing", thin=THIN).without_start == 1


def test_a_protocol_starts_from_the_mask_of_an_annotation() -> None:
    before = TREE & ~STEM
    rows = simulated(TREE, before, start="annotation:model").rows
    assert rows[0][6] == pytest.approx(2 * before.sum() / (before.sum() + TREE.sum()))
    assert simulated(TREE, np.zeros_like(TREE), start="annotation:model").without_start == 1


def test_measures_of_thin_parts_are_there_on_request() -> None:
    simulator = simulated(TREE, start="thin-parts-missing", thin=THIN)
    frame = pd.DataFrame(simulator.rows, columns=list(simulator.columns))
    keys = list(measure_objects(frame, 4))
    assert keys == list(click_measures(4, frame.columns))
    assert keys[-2:] == ["f_thin_first", "f_thin_4"]
    table = summarise_clicks(frame, cap=4).set_index("measure")
    assert table.loc["iou_thin_4", "mean"].tolist() == [1.0, 1.0]
    without = frame.assign(iou_thin=math.nan, f_thin=math.nan)
    assert summarise_clicks(without, cap=4).set_index("measure").loc["iou_thin_4", "mean"].isna().all()


def test_the_robot_of_the_method_corrects_if_it_is_of_that_kind() -> None:
    own = CutLineRobot(jitter_voxel=3.0, thin=THIN)
    robot = ClickProtocol(robot="cut-line").correcting_robot(own)
    assert isinstance(robot, CutLineRobot)
    assert (robot.thin, robot.jitter_voxel, own.jitter_voxel) == (THIN, 0.0, 3.0)
    assert ClickProtocol().correcting_robot(own).name == "error-centre"


def test_starts_that_make_no_sense_are_refused() -> None:
    for start in ("mask", "annotation:"):
        with pytest.raises(ConfigError, match=f"--start {start}: say"):
            ClickProtocol(start=start)
