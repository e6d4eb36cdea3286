"""Strong views: drawn first, applied afterwards, again and again alike."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lesslabel.errors import ConfigError
from lesslabel.methods.perturb import (
    CutMixParameters,
    IntensityParameters,
    StrongIntensity,
    drop_channels,
    sample_cutmix,
    sample_intensity,
)

SHAPES = [(4, 2, 12, 14), (4, 1, 6, 8, 10)]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_was_drawn_can_be_applied_again(shape):
    image = torch.randn(shape, generator=seeded(1))
    drawn = sample_intensity(StrongIntensity(), shape, seeded(2))
    assert torch.equal(drawn.apply(image), drawn.apply(image))
    again = sample_intensity(StrongIntensity(), shape, seeded(2))
    assert torch.equal(again.apply(image), drawn.apply(image))
    assert not torch.equal(sample_intensity(StrongIntensity(), shape, seeded(3)).apply(image), drawn.apply(image))
    torch.manual_seed(2)
    assert torch.equal(sample_intensity(StrongIntensity(), shape).apply(image), drawn.apply(image))


def test_intensities_change_as_written():
    image = torch.tensor([[[[0.0, 1.0, 4.0, 3.0]]]])
    drawn = IntensityParameters(torch.tensor([0.5]), torch.tensor([2.0]), torch.tensor([0.5]), None)
    curved = 4 * np.sqrt(np.array([0.0, 0.25, 1.0, 0.75]))
    expected = 2 * (curved - curved.mean()) + curved.mean() + 0.5
    np.testing.assert_allclose(drawn.apply(image).numpy().ravel(), expected, rtol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_changes_where_nothing_may(shape):
    image = torch.randn(shape, generator=seeded(1))
    for settings in (StrongIntensity(probability=0.0), StrongIntensity(0.0, 0.0, 0.0, 0.0)):
        torch.testing.assert_close(sample_intensity(settings, shape, seeded(2)).apply(image), image)
    constant = torch.ones(shape)
    only_gamma = StrongIntensity(0.0, 0.0, 0.5, 0.0, 1.0)
    torch.testing.assert_close(sample_intensity(only_gamma, shape, seeded(2)).apply(constant), constant)


@pytest.mark.parametrize(
    "wrong", [{"brightness": -1.0}, {"noise": float("nan")}, {"contrast": 1.0}, {"gamma": -0.1}, {"probability": 1.1}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        StrongIntensity(**wrong)


@given(
    samples=st.integers(1, 5),
    shape=st.lists(st.integers(1, 20), min_size=2, max_size=3),
    share=st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)).map(sorted).map(tuple),
    seed=st.integers(0, 99),
)
def test_every_box_is_one_and_its_partner_another_sample(samples, shape, share, seed):
    drawn = sample_cutmix(samples, shape, share=share, probability=1.0, generator=seeded(seed))
    again = sample_cutmix(samples, shape, share=share, probability=1.0, generator=seeded(seed))
    assert torch.equal(drawn.inside, again.inside)
    assert torch.equal(drawn.partner, again.partner)
    assert sorted(drawn.partner.tolist()) == list(range(samples))
    if samples > 1:
        assert all(partner != place for place, partner in enumerate(drawn.partner.tolist()))
    for box in drawn.inside:
        voxels = box.nonzero()
        assert len(voxels) == torch.prod(voxels.amax(dim=0) - voxels.amin(dim=0) + 1)


def test_boxes_take_about_the_share_that_is_asked_for():
    inside = sample_cutmix(400, (64, 64), share=(0.1, 0.1), probability=1.0, generator=seeded(0)).inside
    assert inside.float().mean() == pytest.approx(0.1, abs=0.01)
    some = sample_cutmix(400, (64, 64), probability=0.25, generator=seeded(0)).inside
    assert some.flatten(1).any(dim=1).float().mean() == pytest.approx(0.25, abs=0.06)


def test_images_and_what_goes_with_them_are_mixed_alike():
    inside = torch.zeros(2, 2, 3, dtype=torch.bool)
    inside[0, 0, 1:] = True
    drawn = CutMixParameters(inside, torch.tensor([1, 0]))
    labels = torch.stack([torch.zeros(2, 3), torch.full((2, 3), 7.0)])
    assert drawn.apply(labels)[0].tolist() == [[0, 7, 7], [0, 0, 0]]
    assert torch.equal(drawn.apply(labels)[1], labels[1])
    assert torch.equal(drawn.apply(labels[:, None])[:, 0], drawn.apply(labels))


@pytest.mark.parametrize("wrong", [{"share": (0.0, 0.5)}, {"share": (0.5, 0.1)}, {"probability": 2.0}])
def test_boxes_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigError, match="cutmix"):
        sample_cutmix(2, (4, 4), **wrong)


def test_channels_are_dropped_whole_and_the_mean_stays():
    features = [torch.ones(8, 500, 2, 2), torch.ones(8, 100, 1, 1, 1)]
    dropped = drop_channels(features, 0.25, seeded(0))
    for level in dropped:
        values = level.flatten(2)
        assert torch.equal(values.amin(dim=2), values.amax(dim=2))
        assert values.unique().tolist() == pytest.approx([0.0, 4 / 3])
        assert level.mean() == pytest.approx(1.0, abs=0.05)
    assert all(map(torch.equal, dropped, drop_channels(features, 0.25, seeded(0))))
    assert all(map(torch.equal, features, drop_channels(features, 0.0)))
    with pytest.raises(ConfigError, match="feature dropout"):
        drop_channels(features, 1.0)
