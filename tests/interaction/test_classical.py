"""GrabCut, graph cut and random walker as interactive models, and the coarser grid that they work on."""

import sys

import numpy as np
import pytest
from skimage.segmentation import random_walker

from lesslabel.errors import ConfigError, DataError
from lesslabel.interaction import Box, Click, InteractiveSession, Side
from lesslabel.interaction.classical import CLASSICAL, GraphCut, RandomWalker, _likelihood
from lesslabel.interaction.coarse_grid import CoarseGrid
from lesslabel.interaction.graph_cut import graph_cut

SHAPE = (48, 60)
TRUTH = sum((axis - middle) ** 2 for axis, middle in zip(np.indices(SHAPE), (24, 30), strict=True)) <= 14**2


def seen(truth: np.ndarray, seed: int = 0) -> np.ndarray:
    return np.where(truth, 120.0, 40.0) + np.random.default_rng(seed).normal(0, 6, truth.shape)


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


@pytest.fixture(params=list(CLASSICAL))
def name(request: pytest.FixtureRequest) -> str:
    if request.param == "grabcut":
        pytest.importorskip("cv2", reason="GrabCut is OpenCV's, an extra")
    return str(request.param)


def test_a_click_finds_a_disk_and_clicks_are_obeyed(name: str) -> None:
    session = InteractiveSession(CLASSICAL[name]()).set_image(seen(TRUTH))
    assert dice(session.add(Click((24, 30))).mask, TRUTH) > 0.9
    answer = session.add(Click((24, 36), Side.BACKGROUND))
    assert answer.mask[24, 30]
    assert not answer.mask[24, 36]
    assert answer.phases is not None
    assert answer.probability.dtype == np.float32
    again = InteractiveSession(CLASSICAL[name]()).set_image(seen(TRUTH))
    again.add(Click((24, 30)))
    np.testing.assert_array_equal(again.add(Click((24, 36), Side.BACKGROUND)).probability, answer.probability)


def test_a_box_and_a_start_mask_mark_the_object(name: str) -> None:
    colours = np.stack([seen(TRUTH, seed) for seed in range(3)])
    session = InteractiveSession(CLASSICAL[name]()).set_image(colours)
    mask = session.add(Box((9, 15), (39, 45))).mask
    assert dice(mask, TRUTH) > 0.9
    assert not mask[:8].any()
    session.reset()
    session.start_from(np.roll(TRUTH, 3, axis=1))
    assert dice(session.add(Click((24, 2), Side.BACKGROUND)).mask, TRUTH) > 0.9


def test_what_marks_nothing_is_refused(name: str) -> None:
    session = InteractiveSession(CLASSICAL[name]()).set_image(seen(TRUTH))
    with pytest.raises(DataError, match="click in it"):
        session.add(Click((2, 2), Side.BACKGROUND))


def test_images_of_one_value_and_of_few_voxels_are_answered(name: str) -> None:
    for shape in ((16, 16), (6, 7)):
        session = InteractiveSession(CLASSICAL[name]()).set_image(np.zeros(shape))
        assert session.add(Click((3, 3))).mask[3, 3]
        session.add(Click((0, 0), Side.BACKGROUND))


def test_the_rim_is_background_until_a_click_says_so() -> None:
    """With the walker alone, by scikit-image itself."""
    image = seen(TRUTH)
    scaled = np.clip((image - np.percentile(image, 0.5)) / np.ptp(np.percentile(image, (0.5, 99.5))), 0, 1)
    marks = np.zeros(SHAPE, int)
    marks[[0, -1]] = 2
    marks[:, [0, -1]] = 2
    marks[24, 30] = 1
    expected = random_walker(scaled, marks, 100.0, mode="bf", return_full_prob=True)[0]
    session = InteractiveSession(RandomWalker(radius_voxel=0)).set_image(image)
    assert np.abs(session.add(Click((24, 30))).probability - expected).max() < 0.05
    marks[:, :], marks[24, 30], marks[2, 3] = 0, 1, 2
    expected = random_walker(scaled, marks, 100.0, mode="bf", return_full_prob=True)[0]
    assert np.abs(session.add(Click((2, 3), Side.BACKGROUND)).probability - expected).max() < 0.05


def test_volumes_are_cut_in_their_spacing() -> None:
    truth = sum((axis - 12) ** 2 for axis in np.indices((24, 24, 24)))[::4] <= 64
    for model in (GraphCut(dimensions=3), RandomWalker(dimensions=3, beta=400.0)):
        session = InteractiveSession(model).set_image(seen(truth), (4.0, 1.0, 1.0))
        assert dice(session.add(Click((3, 12, 12))).mask, truth) > 0.85


def test_the_likelihood_of_colours_by_hand() -> None:
    image = np.array([[[0.0, 0.1, 1.0]]], np.float32)
    marked = np.array([[True, False, True]])
    found = _likelihood(image, marked, 0.1)
    near = np.exp(-0.5)
    assert found[0] == pytest.approx([0.5, (near + np.exp(-40.5)) / 2, 0.5], rel=1e-5)


def test_without_edges_the_cut_is_the_likelier_side() -> None:
    image = seen(TRUTH)
    answer = InteractiveSession(GraphCut(weight=0.0)).set_image(image).add(Click((24, 30)))
    assert dice(answer.mask, image > 80) > 0.999
    assert graph_cut(np.full((2, 2), 0.6), np.zeros((2, 2)), weight=0.0).all()


def test_a_missing_library_and_volumes_are_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="graph-cut takes volumes"):
        CLASSICAL["grabcut"](dimensions=3)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ConfigError, match=r"pip install 'lesslabel\[opencv\]'") as caught:
        CLASSICAL["grabcut"]()
    assert "\n" not in str(caught.value)


def test_the_grid_is_coarser_by_whole_factors() -> None:
    assert CoarseGrid.of((512, 512), (1.0, 1.0), 25_600).factors == (4, 4)
    assert CoarseGrid.of((64, 256, 256), (5.0, 1.0, 1.0), 300_000).factors == (1, 4, 4)
    grid = CoarseGrid((2, 5), (2, 2))
    image = np.arange(10, dtype=np.float32).reshape(1, 2, 5)
    assert grid.means(image).tolist() == [[[3.0, 5.0, 6.5]]]
    assert grid.any(image[0] == 7).tolist() == [[False, True, False]]
    assert grid.repeated(np.array([[1, 2, 3]], np.uint8)).tolist() == [[1, 1, 2, 2, 3]] * 2
