"""Structure integrity: only what was clicked stays."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from toy_model import ToyModel

from lesslabel.interaction import Click, InteractiveSession, Side, StructureIntegrity
from lesslabel.interaction.structure import clicked_parts

SHAPES = st.sampled_from([(7, 8), (3, 5, 6)])


@given(SHAPES.flatmap(lambda shape: st.tuples(arrays(np.bool_, shape), arrays(np.bool_, shape))))
def test_what_stays_is_in_the_mask_and_every_part_was_clicked(
    masks: tuple[np.ndarray, np.ndarray],
) -> None:
    mask, marked = masks
    kept = clicked_parts(mask, marked)
    assert not (kept & ~mask).any()
    np.testing.assert_array_equal(clicked_parts(kept, marked), kept)
    if not (mask & marked).any():
        np.testing.assert_array_equal(kept, mask)
        return
    parts, count = ndimage.label(mask, np.ones((3,) * mask.ndim))
    expected = np.zeros_like(mask)
    for index in range(1, count + 1):
        if (marked & (parts == index)).any():
            expected |= parts == index
    np.testing.assert_array_equal(kept, expected)


def test_parts_that_touch_at_a_corner_are_one() -> None:
    mask = np.eye(4, dtype=bool)
    mask[0, 3] = True
    marked = np.zeros_like(mask)
    marked[3, 3] = True
    np.testing.assert_array_equal(clicked_parts(mask, marked), np.eye(4, dtype=bool))


def test_a_wrapped_model_sees_its_own_answers() -> None:
    image = np.random.default_rng(0).normal(size=(1, 30, 30)).astype(np.float32)
    plain = InteractiveSession(ToyModel()).set_image(image)
    whole = InteractiveSession(StructureIntegrity(ToyModel())).set_image(image)
    for click in (Click((10.0, 10.0)), Click((20.0, 20.0), Side.BACKGROUND), Click((12.0, 14.0))):
        expected, found = plain.add(click), whole.add(click)
        assert not (found.mask & ~expected.mask).any()
