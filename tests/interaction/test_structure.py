"""Structure integrity: only what was clicked stays."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from lesslabel.interaction import Click, History, InteractiveSession, Segmentation, Side, StructureIntegrity
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


class Growing:
    """Two parts at the first click; then its own previous mask, one part more each time."""

    dimensions, in_channels = 2, 1

    def prepare_image(self, *_: object) -> "Growing":
        return self

    def begin(self) -> "Growing":
        return self

    def answer(self, history: History) -> Segmentation:
        mask = np.zeros((10, 30), bool)
        if history.previous is not None:
            mask |= history.previous.mask
        mask[4:6, 8 * len(history.turns) - 6 : 8 * len(history.turns) - 2] = True
        mask[0, :2] = True
        return Segmentation.of_mask(mask)


def test_a_wrapped_model_goes_on_from_its_own_answers_not_from_what_was_kept() -> None:
    session = InteractiveSession(StructureIntegrity(Growing())).set_image(np.zeros((1, 10, 30), np.float32))
    assert session.add(Click((4.0, 3.0))).mask[4].nonzero()[0].tolist() == [2, 3, 4, 5]
    session.add(Click((9.0, 29.0), Side.BACKGROUND))
    last = session.add(Click((0.0, 0.0)))
    assert last.mask[0, 0]  # the model had it all the time, and no click reached it before
    assert last.mask[4].nonzero()[0].tolist() == [2, 3, 4, 5]
    assert not last.mask[4, 10]  # a part that nobody clicked
    session.undo()
    assert not session.segmentation().mask[0, 0]
