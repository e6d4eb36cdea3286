"""Runs of voxels: there and back, and small."""

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lesslabel.annotating.wire import Change, Runs, changes_of, image_bytes, to_json, whole_map
from lesslabel.data.case import Case


@given(st.sets(st.integers(0, 300_000)))
def test_runs_come_back(voxels: set[int]) -> None:
    flat = np.array(sorted(voxels), np.int64)
    again = Runs.decode(Runs.of_voxels(flat).encode(), 300_001)
    assert np.array_equal(again.voxels, flat)


@given(st.lists(st.sampled_from([0, 1, 2, 255]), min_size=1, max_size=60))
def test_a_label_map_comes_back(values: list[int]) -> None:
    labels = np.array(values, np.uint8)
    again: NDArray[np.uint8] = np.zeros_like(labels)
    for content in to_json(whole_map(labels, 0)):
        change = Change.from_json(content, labels.size)
        again[change.runs.voxels] = change.value
    assert np.array_equal(again, labels)


def test_a_turn_on_a_crop_is_below_thirty_kilobytes() -> None:
    z, y, x = np.mgrid[:64, :96, :96]
    ball = (z - 32) ** 2 / 30**2 + (y - 48) ** 2 / 45**2 + (x - 48) ** 2 / 45**2 < 1
    volume = np.zeros((200, 512, 512), np.uint8)
    volume[60:124, 200:296, 200:296] = ball
    voxels = np.flatnonzero(volume)
    (change,) = to_json(changes_of(voxels, np.ones(len(voxels), np.uint8)))
    assert len(change["runs"]) < 30_000


def sent(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The colours (3, z, y, x) that the page gets of an image."""
    content = image_bytes(Case("picture", "patient", values, (1.0, 0.5, 0.5)))
    pixels = np.asarray(nib.Nifti1Image.from_bytes(content).dataobj)
    return np.stack([pixels[part].T for part in "RGB"])


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (257.0, 0.0), (1 / 255, -0.5)])
def test_a_picture_is_sent_in_its_colours(scale: float, offset: float) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (3, 1, 5, 4), np.uint8)
    colours.reshape(-1)[:2] = 0, 255
    assert np.array_equal(sent(colours.astype(np.float32) * np.float32(scale) + np.float32(offset)), colours)


def test_a_picture_without_a_number_is_black() -> None:
    colours = np.full((3, 1, 2, 2), np.nan, np.float32)
    assert not sent(colours).any()


def test_three_channels_of_a_volume_are_no_picture() -> None:
    volume = np.random.default_rng(0).normal(size=(3, 2, 5, 4)).astype(np.float32)
    content = image_bytes(Case("volume", "patient", volume, (1.0, 0.5, 0.5)))
    assert np.array_equal(np.asarray(nib.Nifti1Image.from_bytes(content).dataobj), volume.transpose(3, 2, 1, 0))
