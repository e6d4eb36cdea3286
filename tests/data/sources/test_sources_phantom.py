"""The phantom: what it draws is a heart, the same every time, and not too easy."""

import numpy as np
import pytest
from scipy import ndimage

from lesslabel.data.case import Case
from lesslabel.data.sources.heart_phantom import LV, MYO, RV
from lesslabel.data.sources.phantom import Phantom


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    phantom = Phantom(cases=12)
    return [phantom.read(raw) for raw in phantom.list_cases()]


def dense(case: Case) -> np.ndarray:
    return case.annotations["dense"].labels


def test_a_case_depends_on_its_seed_and_place_alone() -> None:
    few, many, other = Phantom(cases=3), Phantom(cases=9), Phantom(cases=3, seed=1)
    raw = few.list_cases()[2]
    np.testing.assert_array_equal(few.read(raw).image, many.read(raw).image)
    assert not np.array_equal(dense(few.read(raw)), dense(other.read(raw)))


def test_two_frames_of_a_patient_share_the_centre_and_contract(cases: list[Case]) -> None:
    for diastole, systole in zip(cases[::2], cases[1::2], strict=True):
        assert (diastole.patient, diastole.centre) == (systole.patient, systole.centre)
        assert (dense(systole) == LV).sum() < (dense(diastole) == LV).sum()


def test_patients_come_from_the_centres_in_turn(cases: list[Case]) -> None:
    assert [case.centre for case in cases[::2]] == ["north", "east", "south"] * 2


def test_the_cavity_lies_within_the_muscle(cases: list[Case]) -> None:
    for labels in map(dense, cases):
        touching = ndimage.binary_dilation(labels == LV, ndimage.generate_binary_structure(3, 1) & _in_plane())
        assert set(np.unique(labels[touching])) == {MYO, LV}


def test_the_heart_shrinks_towards_the_apex(cases: list[Case]) -> None:
    for labels in map(dense, cases):
        area = (np.isin(labels, (LV, MYO))).sum(axis=(1, 2))
        drawn = area[area > 0]
        assert (np.diff(drawn) < 0.05 * drawn.max()).all()
        assert (labels[-1] == RV).sum() == 0 < (labels[1] == RV).sum()


def test_structures_are_as_bright_as_parts_of_the_background(cases: list[Case]) -> None:
    for case in cases:
        image, labels = case.image[0], dense(case)
        background = image[labels == 0]
        for code in (RV, MYO, LV):
            low, high = np.percentile(image[labels == code], (10, 90))
            alike = ((background > low) & (background < high)).sum()
            assert alike > 2 * (labels == code).sum()


def test_centres_differ_in_contrast(cases: list[Case]) -> None:
    contrast = {}
    for case in cases:
        image, labels = case.image[0], dense(case)
        contrast.setdefault(case.centre, []).append(image[labels == LV].mean() / image[labels == MYO].mean())
    means = sorted(np.mean(values) for values in contrast.values())
    assert means[0] < means[1] < means[2]
    assert means[2] / means[0] > 1.3


@pytest.mark.parametrize(("size", "depth"), [(32, 1), (64, 3), (128, 12)])
def test_any_size(size: int, depth: int) -> None:
    phantom = Phantom(cases=1, size=size, depth=depth)
    case = phantom.read(phantom.list_cases()[0])
    assert case.shape == (depth, size, size)
    assert set(np.unique(dense(case))) == {0, RV, MYO, LV}


def _in_plane() -> np.ndarray:
    mask = np.zeros((3, 3, 3), dtype=bool)
    mask[1] = True
    return mask
