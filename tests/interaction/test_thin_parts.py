"""Thin parts, their regions, and the lines across them: by hand, and by the equations written as loops."""

import numpy as np
import pytest
from annotated_masks import ball, block
from numpy.typing import NDArray
from scipy import ndimage

from lesslabel.errors import ConfigError, DataError
from lesslabel.interaction.robots import CutLineRobot, ThinParts, expanded_parts, expanded_region
from lesslabel.interaction.robots.thin_parts import tolerance

Mask = NDArray[np.bool_]
SHAPE = (90, 120)
BODY = ball(SHAPE, (45, 30), 22)
STEM = block(SHAPE, (44, 47), (52, 105))
TWIG = block(SHAPE, (66, 85), (30, 32))
TREE = BODY | STEM | TWIG
ONE = np.ones(2)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def opened_by_hand(mask: Mask, radius: float) -> Mask:
    """The union of all disks of that radius that lie in the mask."""
    reach = int(radius) + 1
    offsets = [
        (y, x) for y in range(-reach, reach + 1) for x in range(-reach, reach + 1) if y * y + x * x <= radius * radius
    ]
    padded = np.pad(mask, reach)
    result = np.zeros_like(padded)
    for y, x in np.argwhere(padded):
        if all(padded[y + dy, x + dx] for dy, dx in offsets):
            for dy, dx in offsets:
                result[y + dy, x + dx] = True
    return result[reach:-reach, reach:-reach]


def test_thin_is_what_no_ball_fits_in_and_corners_are_not() -> None:
    settings = ThinParts(radius_share=0.2, reach=0.0)
    depth = ndimage.distance_transform_edt(TREE)
    np.testing.assert_array_equal(settings.of(TREE), TREE & ~opened_by_hand(TREE, 0.2 * depth.max()))
    found = ThinParts(radius_share=0.2).of(TREE)
    assert ndimage.label(found, np.ones((3, 3)))[1] == 2
    assert not (found & ~(STEM | TWIG)).any()
    assert (found & STEM).sum() > 0.9 * STEM.sum()
    assert (found & TWIG).sum() > 0.8 * TWIG.sum()
    square = block((40, 40), (5, 34), (5, 34))
    assert ThinParts(reach=0.0).of(square).sum() > 0
    assert not ThinParts(reach=0.5).of(square).any()


def test_thin_parts_do_not_depend_on_the_size_of_a_voxel_or_of_the_image() -> None:
    settings = ThinParts(radius_share=0.2)
    np.testing.assert_array_equal(settings.of(TREE), settings.of(TREE, (0.3, 0.3)))
    np.testing.assert_array_equal(settings.of(TREE), settings.of(np.pad(TREE, 9))[9:-9, 9:-9])
    twice = np.kron(TREE, np.ones((2, 2), np.bool_))
    in_both = np.kron(settings.of(TREE), np.ones((2, 2), np.bool_)) & settings.of(twice)
    assert in_both.sum() > 0.9 * settings.of(twice).sum()
    stretched = np.repeat(TREE, 2, axis=0)
    in_space = settings.of(stretched, (0.5, 1.0)) & np.repeat(settings.of(TREE), 2, axis=0)
    assert in_space.sum() > 0.9 * np.repeat(settings.of(TREE), 2, axis=0).sum()


def test_thin_parts_of_a_volume_are_those_of_its_shape_in_space() -> None:
    volume = ball((30, 40, 60), (15, 20, 18), 11) | block((30, 40, 60), (14, 16), (19, 21), (28, 52))
    found = ThinParts().of(volume, (1.0, 1.0, 1.0))
    assert found[15, 20, 31:53].all()
    assert not found[15, 20, :28].any()
    assert not ThinParts().of(ball((30, 40, 60), (15, 20, 18), 11)).any()
    np.testing.assert_array_equal(ThinParts().of(TREE[None], (9.0, 1.0, 1.0))[0], ThinParts().of(TREE))


@pytest.mark.parametrize(
    "mask", [block((60, 80), (28, 32), (5, 74)), np.zeros((4, 5), np.bool_), np.ones((3, 3), bool)]
)
def test_what_is_equally_thick_everywhere_has_no_thin_part(mask: Mask) -> None:
    assert not ThinParts().of(mask).any()


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_settings_out_of_range_are_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="radius_share"):
        ThinParts(radius_share=share)
    with pytest.raises(ConfigError, match="reach"):
        ThinParts(reach=-1.0)
    with pytest.raises(DataError):
        ThinParts().of(TREE, (1.0, 1.0, 1.0))


def test_the_tolerance_is_ten_for_a_box_of_three_hundred() -> None:
    assert tolerance(block((400, 400), (10, 309), (5, 20)), ONE) == 10.0
    assert tolerance(block((400, 400), (10, 159), (5, 20)), np.array([2.0, 1.0])) == 10.0


def test_regions_are_those_of_the_equations() -> None:
    thin = ThinParts(radius_share=0.2).of(TREE)
    body = TREE & ~thin
    labels, count = ndimage.label(thin, np.ones((3, 3)))
    reach = 10 * max(np.ptp(np.argwhere(TREE), axis=0) + 1) / 300
    parts = expanded_parts(TREE, thin, ONE)
    assert len(parts) == count
    union = np.zeros_like(TREE)
    for label, part in enumerate(parts, start=1):
        voxels = np.argwhere(labels == label)
        away = np.linalg.norm(np.argwhere(np.ones(SHAPE))[:, None] - voxels[None], axis=2).min(axis=1).reshape(SHAPE)
        np.testing.assert_array_equal(part.region_in(SHAPE), (away <= reach) & ~body)  # eq. 5.4
        union |= part.region_in(SHAPE)
    np.testing.assert_array_equal(expanded_region(TREE, thin, ONE), union)
    assert not (union & body).any()
    assert not expanded_region(TREE, np.zeros_like(TREE), ONE).any()


# The line


def crossing(robot: CutLineRobot, prediction: Mask, truth: Mask = TREE, seed: int = 0) -> tuple[Mask, NDArray]:
    (line,) = robot.annotate(truth, rng(seed), prediction=prediction)
    return line.line(truth.shape), line.points


ROBOT = CutLineRobot(random=False, thin=ThinParts(radius_share=0.2))


def test_a_missing_part_is_cut_at_its_medoid() -> None:
    drawn, points = crossing(ROBOT, TREE & ~STEM)  # the stem has more wrong voxels than a whole twig
    assert not (drawn & TWIG).any()
    assert points[0, 1] == pytest.approx(points[1, 1])  # perpendicular
    assert points[0, 1] == pytest.approx(79, abs=2)  # half way along the missing part
    assert abs(points[1, 0] - points[0, 0]) == pytest.approx(12, abs=1.5)  # three times its thickness
    assert points[:, 0].mean() == pytest.approx(45.5, abs=0.6)
    drawn, points = crossing(ROBOT, TREE & ~TWIG)
    assert points[0, 0] == pytest.approx(points[1, 0])
    assert (drawn & TWIG).any()


def test_a_part_that_is_segmented_too_wide_is_cut_through_the_surplus() -> None:
    surplus = block(SHAPE, (48, 49), (70, 90))
    drawn, points = crossing(ROBOT, TREE | surplus)
    assert (drawn & surplus).any()
    assert (drawn & STEM).any()
    assert points[0, 1] == pytest.approx(points[1, 1])
    assert points[0, 1] == pytest.approx(80, abs=1)


def test_a_gap_between_two_parts_that_is_filled_is_cut_across_one_of_them() -> None:
    fork = BODY | block(SHAPE, (38, 40), (52, 100)) | block(SHAPE, (44, 46), (52, 100))
    filled = fork | block(SHAPE, (41, 43), (60, 100))
    drawn, points = crossing(ROBOT, filled, fork)
    assert (drawn & filled & ~fork).any()
    assert (drawn & fork).any()
    assert points[0, 1] == pytest.approx(points[1, 1])


def test_errors_of_the_body_are_left_to_other_prompts() -> None:
    hole = ball(SHAPE, (45, 25), 8)
    assert ROBOT.annotate(TREE, rng(), prediction=TREE & ~hole) == ()
    (line,) = ROBOT.annotate(TREE, rng(), prediction=TREE & ~hole & ~TWIG)
    assert (line.line(SHAPE) & TWIG).any()


def test_training_chooses_parts_by_their_wrong_voxels_and_any_direction() -> None:
    robot = CutLineRobot(random=True, thin=ThinParts(radius_share=0.2))
    prediction = TREE & ~(STEM | TWIG)
    lines = [crossing(robot, prediction, seed=seed) for seed in range(120)]
    on_stem = np.mean([(drawn & STEM).any() for drawn, _ in lines])
    thin = robot.thin.of(TREE)
    twig, stem = sorted(np.count_nonzero(part.region & thin[part.window]) for part in expanded_parts(TREE, thin, ONE))
    assert on_stem == pytest.approx(stem / (stem + twig), abs=0.12)  # eq. 5.5
    angles = [np.degrees(np.arctan2(*np.subtract(*points))) % 180 for _, points in lines]
    assert np.histogram(angles, 6, (0, 180))[0].min() >= 8
    assert all((drawn & ~prediction & TREE).any() for drawn, _ in lines)


def test_a_hand_that_slips_moves_both_ends_by_little_and_stays_in_the_image() -> None:
    steady = crossing(ROBOT, TREE & ~STEM)[1]
    robot = CutLineRobot(random=False, jitter_voxel=1.0, thin=ThinParts(radius_share=0.2))
    moved = np.array([crossing(robot, TREE & ~STEM, seed=seed)[1] for seed in range(40)])
    assert (np.abs(moved - steady) <= 2.0).all()
    assert moved.std(axis=0).min() > 0.5
    border = block((30, 60), (0, 29), (0, 20)) | block((30, 60), (1, 2), (21, 58))
    for seed in range(10):
        (line,) = robot.annotate(border, rng(seed), prediction=block((30, 60), (0, 29), (0, 20)))
        line.validate(border.shape)


def test_in_a_volume_the_line_is_drawn_on_a_slice_across_the_part() -> None:
    shape = (9, 60, 90)
    volume = ball(shape, (4, 30, 22), 15) | block(shape, (4, 4), (29, 31), (36, 80))
    (line,) = CutLineRobot(random=False).annotate(
        volume, rng(), prediction=ball(shape, (4, 30, 22), 15), spacing_mm=(2.0, 1.0, 1.0)
    )
    assert line.start[0] == line.end[0] == 4
    assert line.start[2] == pytest.approx(line.end[2])
    assert abs(line.end[1] - line.start[1]) == pytest.approx(9, abs=1.5)
