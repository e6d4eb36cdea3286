"""Whole-case prediction: slices, windows, components."""

import numpy as np
import pytest
import torch
from batches import CLASSES, evaluation_batch
from scipy import ndimage

from lesslabel.errors import ConfigError
from lesslabel.methods import Inference, Supervised
from lesslabel.methods.inference import keep_largest_components, predict_volume
from lesslabel.networks import UNet


def two_classes(image):
    """A pointwise stand-in for a network: any way of tiling must give the same result."""
    foreground = torch.sigmoid(image[:, :1])
    return torch.cat([1 - foreground, foreground], dim=1)


@pytest.mark.parametrize(
    ("dimensions", "inference"),
    [
        (2, Inference()),
        (2, Inference(slices_at_once=1)),
        (2, Inference(window_voxel=(8, 8))),
        (2, Inference(window_voxel=(8, 6), stride_voxel=(3, 4))),
        (3, Inference()),
        (3, Inference(window_voxel=(4, 8, 8), stride_voxel=(2, 3, 5))),
        (3, Inference(window_voxel=(16, 32, 32))),
    ],
)
def test_every_tiling_of_a_pointwise_network_gives_the_same(dimensions, inference):
    image = torch.randn(1, 7, 12, 11)
    expected = two_classes(image[None])[0]
    torch.testing.assert_close(predict_volume(two_classes, image, dimensions, inference), expected)


@pytest.mark.parametrize(("side", "stride"), [(112, 18), (80, 4), (96, 16), (7, 3), (10, 10), (5, 1)])
def test_the_window_steps_by_exactly_the_stride(side, stride):
    starts = []

    def record(window):
        starts.append(float(window[0, 0, 0, 0]))
        return two_classes(window)

    length = side + 3 * stride
    ramp = torch.arange(length, dtype=torch.float32)[:, None].expand(length, side)[None, None].contiguous()
    inference = Inference(window_voxel=(side, side), stride_voxel=(stride, side), slices_at_once=1)
    predict_volume(record, ramp, 2, inference)
    assert np.diff(sorted(starts)).tolist() == [stride] * 3


def test_largest_components_against_scipy():
    rng = np.random.default_rng(0)
    labels = torch.from_numpy(
        (rng.random((6, 20, 20)) > 0.6).astype(np.uint8) * rng.integers(1, 3, (6, 20, 20), np.uint8)
    )
    kept = keep_largest_components(labels, 3).numpy()
    for index in (1, 2):
        components, count = ndimage.label(labels.numpy() == index)
        sizes = ndimage.sum_labels(np.ones(labels.shape), components, np.arange(1, count + 1))
        assert (kept == index).sum() == sizes.max()
        assert ndimage.label(kept == index)[1] == 1
    assert not keep_largest_components(torch.zeros(2, 3, 3, dtype=torch.uint8), 3).any()


@torch.no_grad()
def test_largest_components_are_kept_where_that_is_asked_for():
    network = UNet(channels=(4, 8))
    for asked in (False, True):
        torch.manual_seed(0)
        inference = Inference(largest_component=asked)
        probabilities, labels = Supervised(CLASSES, network=network, inference=inference).predict_case(
            evaluation_batch()
        )
        most_probable = probabilities.argmax(0).to(torch.uint8)
        kept = keep_largest_components(most_probable, CLASSES)
        assert not torch.equal(kept, most_probable)
        assert torch.equal(labels, kept if asked else most_probable)


def test_a_stride_without_its_window_is_refused():
    with pytest.raises(ConfigError, match="differ in length"):
        Inference(window_voxel=(8, 8), stride_voxel=(4, 4, 4))
