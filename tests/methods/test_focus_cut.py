"""FocusCut: the training views of algorithm 1."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from lesslabel.data.case import IGNORE
from lesslabel.interaction import Side
from lesslabel.interaction.crop import Crop
from lesslabel.interaction.focus import simulated_focus
from lesslabel.methods import FocusCut
from lesslabel.methods.interactive.focus_cut import MORE_CLICKS, FocusTrainingObjects, _clicks_in_view, _coarse_mask
from lesslabel.networks import UNet

SHAPE, SPACING = (50, 60), (2.0, 1.0)


def ellipse() -> np.ndarray:
    y, x = np.indices(SHAPE)
    return ((y - 25) / 10) ** 2 + ((x - 30) / 18) ** 2 <= 1


def annotator(**changes) -> FocusTrainingObjects:
    method = FocusCut(size_voxel=(16, 16), own_clicks=2, network=UNet(channels=(2, 2)))
    assert isinstance(method.annotator, FocusTrainingObjects)
    return replace(method.annotator, **changes)


@pytest.mark.parametrize("shift_voxel", [-4.0, -1.5, 0.0, 2.0, 5.0])
def test_the_coarse_mask_is_the_object_dilated_or_eroded_by_a_distance(shift_voxel: float) -> None:
    truth, scale = ellipse(), np.asarray(SPACING)
    coarse = _coarse_mask(truth, scale, shift_voxel)
    assert coarse.dtype == np.float32
    inside, outside = (ndimage.distance_transform_edt(mask, sampling=scale) for mask in (truth, ~truth))
    changed = coarse.astype(bool) != truth
    assert changed.any() == (shift_voxel != 0)
    if shift_voxel > 0:
        assert (coarse >= truth).all()
        assert outside[changed].max() <= shift_voxel < outside[~changed & ~truth].min()
    if shift_voxel < 0:
        assert (coarse <= truth).all()
        assert inside[changed].max() <= -shift_voxel < inside[~changed & truth].min()


def test_the_clicks_of_a_view_are_its_centre_and_a_few_that_lie_in_it_on_known_voxels() -> None:
    truth, known = ellipse(), np.ones(SHAPE, bool)
    known[:, :30] = False
    crop = Crop.centred((25.0, 40.0), (20.0, 24.0), SHAPE, (16, 16))
    counts = set()
    for seed in range(60):
        centre, *more = _clicks_in_view(truth, known, (25.0, 40.0), crop, np.random.default_rng(seed))
        assert centre.position == (25.0, 40.0)
        assert centre.side is Side.FOREGROUND
        for click in more:
            voxel = tuple(map(int, click.position))
            assert crop.holds(click.points)
            assert known[voxel]
            assert truth[voxel] == (click.side is Side.FOREGROUND)
        sides = [click.side for click in more]
        counts.add((sides.count(Side.FOREGROUND), sides.count(Side.BACKGROUND)))
    assert {most for pair in counts for most in pair} == set(range(MORE_CLICKS + 1))
    beside, *_ = _clicks_in_view(truth, known, (10.0, 50.0), crop, np.random.default_rng(0))
    assert beside.side is Side.BACKGROUND


def test_a_focus_view_is_a_cut_of_image_target_and_coarse_mask_around_the_boundary() -> None:
    truth, image = ellipse(), torch.randn(1, *SHAPE)
    labels = np.where(truth, 1, 0).astype(np.uint8)
    labels[:4] = IGNORE
    for seed in range(8):
        sample = annotator(focus_share=1.0).of_object(image, labels, truth, "a", SPACING, np.random.default_rng(seed))
        generator = np.random.default_rng(seed)
        generator.random()
        view = simulated_focus(truth, generator, np.asarray(SPACING))
        lengths = [2 * view.radius_voxel / side for side in SPACING]
        crop = Crop.centred(view.centre, lengths, SHAPE, (16, 16))
        expected = crop.labels_to_grid(np.where(labels == IGNORE, IGNORE, truth).astype(np.uint8))
        assert sample["target"].tolist() == expected.tolist()
        assert sample["image"].shape == (1, 16, 16)
        assert not sample["own_turns"]  # algorithm 1 has the clicks of a view, and no iterations
        clicks, known = sample["clicks"], sample["target"] != IGNORE
        assert (clicks != IGNORE).any()
        previous = sample["cues"][-1]
        assert float((previous.round() == sample["target"])[known].float().mean()) > 0.6


def test_a_share_of_the_samples_are_focus_views() -> None:
    truth, image, labels = ellipse(), torch.randn(1, *SHAPE), ellipse().astype(np.uint8)

    def begins_from_a_mask(share: float) -> float:
        made = annotator(focus_share=share)
        samples = [
            made.of_object(image, labels, truth, "a", SPACING, np.random.default_rng(seed)) for seed in range(60)
        ]
        return float(np.mean([bool(sample["cues"][-1].any()) for sample in samples]))

    assert begins_from_a_mask(0.0) == 0
    assert begins_from_a_mask(1.0) == 1
    assert 0.3 < begins_from_a_mask(0.5) < 0.7
    assert FocusCut(focus=None, size_voxel=(16, 16), network=UNet(channels=(2, 2))).annotator.focus_share == 0
