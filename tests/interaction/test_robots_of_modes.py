"""Robots of multi-mode interaction: enclosures by hand, clicks on the deepest error, strokes on the edge, mixtures."""

import numpy as np
import pytest
from annotated_masks import ball, blob_masks, block
from scipy import ndimage

from lesslabel.errors import ConfigError
from lesslabel.interaction.prompts import Click, Side, rasterise
from lesslabel.interaction.robots import (
    ROBOTS,
    BoundaryScatter,
    BoundaryScribbleRobot,
    DeepestErrorRobot,
    EnclosingScribbleRobot,
    EnclosureRobot,
    RepairRobot,
    ScribbleRobot,
)
from lesslabel.interaction.robots.enclosures import loosening_voxel
from lesslabel.interaction.robots.paths import contours

SHAPES = blob_masks()


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_margin_shrinks_to_nothing_as_the_object_fills_the_image() -> None:
    """Equation 6.1 with its sign mended: γ √|G| ln(|I| / |G|), largest at |G| = |I| / e²."""
    square = [block((64, 64), (0, side - 1), (0, side - 1)) for side in (8, 24, 40, 64)]
    margins = [loosening_voxel(each, 0.3) for each in square]
    np.testing.assert_allclose(margins, [0.3 * side * np.log(64**2 / side**2) for side in (8, 24, 40, 64)])
    assert min(margins[:3]) > 0
    assert margins[3] == 0
    assert max(margins) == margins[1]  # 24² / 64² = 0.141, near e⁻² = 0.135


def test_a_line_is_drawn_as_far_from_the_object_as_told() -> None:
    """On a disc of radius 12 in 100 pixels square: ξ / 2 = 0.05 · √441 · ln(10000 / 441) = 3.28 pixels."""
    disc = ball((100, 100), (50, 40), 12)
    reach = loosening_voxel(disc, 0.1) / 2
    assert reach == pytest.approx(3.28, abs=0.01)
    (prompt,) = EnclosingScribbleRobot(random=False).annotate(disc, rng())
    radius = np.linalg.norm(prompt.points - (50, 40), axis=1)
    assert 12 + reach - 1 < radius.min()
    assert radius.max() < 12 + reach + 1
    wider = ndimage.distance_transform_edt(~disc) <= reach
    inside = prompt.inside(disc.shape)
    assert inside[wider].all()
    assert not inside[~ndimage.binary_dilation(wider, iterations=2)].any()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("jitter_voxel", [0.0, 2.0])
def test_a_line_encloses_the_object_however_the_hand_slips(shape: str, jitter_voxel: float) -> None:
    truth = SHAPES[shape]
    for seed in range(4):
        (prompt,) = EnclosingScribbleRobot(jitter_voxel=jitter_voxel).annotate(truth, rng(seed))
        inside = prompt.inside(truth.shape)
        drawn_on = inside.any(axis=(1, 2)) if truth.ndim == 3 else ...
        assert inside[drawn_on][truth[drawn_on]].all()


def test_a_hand_that_slips_draws_another_line() -> None:
    disc = ball((100, 100), (50, 40), 20)
    steady, slipped = (
        EnclosingScribbleRobot(random=False, jitter_voxel=jitter).annotate(disc, rng())[0].points
        for jitter in (0.0, 1.5)
    )
    away = np.linalg.norm(steady - slipped, axis=1)
    assert 0.5 < away.mean() < 4
    assert np.linalg.norm(np.diff(slipped, axis=0), axis=1).max() < 2.5  # smooth


def test_the_deepest_error_is_found_by_hand() -> None:
    """Missed and false parts that touch are one region: 5×5 and 5×5 pixels side by side are deepest in the middle."""
    truth, prediction = block((12, 24), (3, 7), (3, 7)), block((12, 24), (3, 7), (8, 12))
    errors = np.pad(truth ^ prediction, 1)
    depths = ndimage.distance_transform_edt(errors)[1:-1, 1:-1]
    assert depths[5, 5] == 3
    (click,) = DeepestErrorRobot().annotate(truth, rng(), prediction=prediction)
    assert click == Click((5, 5), Side.FOREGROUND)
    prediction = block((12, 24), (1, 9), (8, 18))  # nine rows
    (click,) = DeepestErrorRobot().annotate(truth, rng(), prediction=prediction)
    assert click == Click((5, 11), Side.BACKGROUND)  # five from row 0, and √(3² + 4²) from the corner (2, 7)


def test_a_large_flat_error_is_not_the_deepest() -> None:
    truth = block((20, 60), (2, 4), (0, 59)) | block((20, 60), (10, 16), (5, 11))
    (click,) = DeepestErrorRobot().annotate(truth, rng())
    assert click == Click((13, 8))


def test_a_slip_stays_in_errors_of_its_side() -> None:
    truth, prediction = block((12, 20), (3, 7), (3, 7)), block((12, 20), (3, 7), (8, 12))
    for seed in range(20):
        (click,) = DeepestErrorRobot(jitter_voxel=3.0).annotate(truth, rng(seed), prediction=prediction)
        assert rasterise([click], truth.shape).foreground[truth].any()


def test_the_contour_of_a_square_is_known() -> None:
    (line,) = contours(block((9, 9), (2, 5), (3, 6)))
    assert len(line) == 12
    assert {tuple(pixel) for pixel in line.tolist()} == {
        (y, x) for y in range(2, 6) for x in range(3, 7) if y in (2, 5) or x in (3, 6)
    }
    assert (np.abs(line - np.roll(line, 1, axis=0)).max(axis=1) == 1).all()
    (dot,) = contours(SHAPES["one pixel"])
    assert dot.tolist() == [[4, 7]]
    assert len(contours(SHAPES["ring"])) == 2


def test_a_stroke_on_the_edge_is_in_the_middle_of_where_it_is_needed() -> None:
    """A square of 41 pixels; the prediction has a notch in the middle of its left side."""
    truth = block((80, 80), (20, 60), (20, 60))
    prediction = truth & ~block((80, 80), (35, 45), (20, 30))
    robot = BoundaryScribbleRobot(random=False)
    (stroke,) = robot.annotate(truth, rng(), prediction=prediction)
    assert stroke.kind == "boundary-scribble"
    (pixels,) = stroke.strokes
    contour = 4 * 40
    assert len(pixels) == 2 * round(0.05 * contour / 2) + 1
    (click,) = ROBOTS["boundary-click"]().annotate(truth, rng(), prediction=prediction)
    assert pixels[len(pixels) // 2] == click.position == (40, 20)
    assert sorted(pixels) == [(y, 20) for y in range(36, 45)]


def test_random_strokes_on_the_edge_have_random_lengths() -> None:
    truth = block((80, 80), (20, 60), (20, 60))
    lengths = [len(BoundaryScribbleRobot().annotate(truth, rng(seed))[0].points) for seed in range(40)]
    assert min(lengths) <= 3
    assert 13 <= max(lengths) <= 17
    middles = {BoundaryScribbleRobot().annotate(truth, rng(seed))[0].points[0].tobytes() for seed in range(10)}
    assert len(middles) > 5


def test_a_stroke_on_the_edge_stays_on_it_in_3d() -> None:
    truth = ball((12, 30, 26), (6, 14, 12), 7)
    prediction = ball((12, 30, 26), (6, 14, 13), 5)
    for seed in range(5):
        robot = BoundaryScribbleRobot(share=0.3, jitter_voxel=1.0)
        (stroke,) = robot.annotate(truth, rng(seed), prediction=prediction, spacing_mm=(4.0, 1.0, 1.0))
        assert len(set(stroke.points[:, 0])) == 1
        assert len(stroke.points) > 1


def test_scattered_clicks_on_the_edge_are_apart() -> None:
    truth = ball((100, 100), (50, 50), 30)
    counts = set()
    for seed in range(20):
        clicks = BoundaryScatter(apart_voxel=25).annotate(truth, rng(seed))
        counts.add(len(clicks))
        assert all(click.side is Side.BOUNDARY for click in clicks)
        places = np.array([click.position for click in clicks])
        away = np.linalg.norm(places[:, None] - places[None], axis=2)[np.triu_indices(len(places), 1)]
        assert (away > 25).all()
    assert counts <= {1, 2, 3, 4, 5}
    assert len(counts) >= 4


def test_a_mixture_uses_every_kind_and_only_those_it_is_told() -> None:
    truth = ball((60, 60), (30, 28), 14)
    enclosures = [EnclosureRobot().annotate(truth, rng(seed))[0].kind for seed in range(60)]
    assert set(enclosures) == {"box", "polygon", "enclosing-scribble"}
    assert min(enclosures.count(kind) for kind in set(enclosures)) >= 10
    assert {EnclosureRobot(("box",)).annotate(truth, rng(seed))[0].kind for seed in range(9)} == {"box"}
    repairs = [
        {prompt.kind for prompt in RepairRobot().annotate(truth, rng(seed), prediction=np.roll(truth, 6, axis=1))}
        for seed in range(80)
    ]
    assert all(len(kinds) <= 1 for kinds in repairs)
    assert {kind for kinds in repairs for kind in kinds} == {"click", "scribble", "boundary-click", "boundary-scribble"}
    edges = [RepairRobot(("boundary-click",)).annotate(truth, rng(seed)) for seed in range(9)]
    assert {prompt.kind for prompts in edges for prompt in prompts} == {"boundary-click"}


def test_a_mixture_of_tests_corrects_errors_alone() -> None:
    truth = ball((60, 60), (30, 28), 14)
    prediction = np.roll(truth, 6, axis=1)
    for seed in range(30):
        robot = RepairRobot(("click", "scribble"), random=False)
        seeds = rasterise(robot.annotate(truth, rng(seed), prediction=prediction), truth.shape)
        assert not (seeds.foreground & (~truth | prediction)).any()
        assert not (seeds.background & (truth | ~prediction)).any()


def test_a_steady_robot_is_that_of_tests() -> None:
    assert not ScribbleRobot.steady().random
    assert ROBOTS["error-centre"].steady(1.5).jitter_voxel == 1.5
    assert ScribbleRobot().random


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EnclosureRobot(()), "modes: none; give at least one of box, polygon, enclosing-scribble"),
        (lambda: RepairRobot(("brush",)), "kinds: brush; give at least one of click, scribble"),
        (lambda: BoundaryScribbleRobot(share=0.6), "share: 0.6"),
        (lambda: BoundaryScatter(apart_voxel=-1), "apart_voxel: -1"),
    ],
)
def test_modes_that_there_are_not_are_refused(make: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
