"""Runs of voxels: there and back, and small."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lesslabel.annotate.wire import Change, Runs, changes_of, to_json, whole_map


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
