"""A network that segments by itself, corrected by prompts: which class is meant, and what a mark changes."""

import numpy as np
import pytest
import torch
from torch import Tensor

from lesslabel.errors import DataError
from lesslabel.general.corrected_network import FUSION_WEIGHT, CorrectedNetwork, as_interactive
from lesslabel.interaction import Box, Click, History, InteractiveSession, Side
from lesslabel.interaction.information_fusion import information_fusion
from lesslabel.methods import MIDeepSeg, Supervised
from lesslabel.networks import UNet

LEFT, RIGHT, BLOB = (slice(8, 20), slice(4, 14)), (slice(8, 20), slice(20, 30)), (slice(24, 28), slice(4, 10))
SHAPE = (32, 36)


class Painted(Supervised):
    """Knows two squares by their grey values 1 and 2; a blob of grey value 3 it takes for background."""

    def probabilities(self, image: Tensor) -> Tensor:
        grey = image[:, :1]
        sure = torch.cat([(grey < 0.5) | (grey > 2.5), (grey - 1).abs() < 0.5, (grey - 2).abs() < 0.5], 1).float()
        return 0.1 + 0.7 * sure


def picture() -> np.ndarray:
    image = np.zeros(SHAPE, np.float32)
    for grey, where in enumerate((LEFT, RIGHT, BLOB), start=1):
        image[where] = grey
    return image


def mask_of(*squares: tuple[slice, slice]) -> np.ndarray:
    mask = np.zeros(SHAPE, np.bool_)
    for square in squares:
        mask[square] = True
    return mask


@pytest.fixture
def session() -> InteractiveSession:
    model = CorrectedNetwork(Painted(3, network=UNet(channels=(2, 4), encoder_dropout=(0.0, 0.0))).eval())
    return InteractiveSession(model).set_image(picture())


def test_the_class_under_the_first_mark_is_meant(session: InteractiveSession) -> None:
    np.testing.assert_array_equal(session.add(Click((10, 8)), object="left").mask, mask_of(LEFT))
    np.testing.assert_array_equal(session.add(Click((10, 25)), object="right").mask, mask_of(RIGHT))
    assert session.segmentation("left").probability[10, 8] == pytest.approx(0.8 / 0.9)


def test_the_class_that_is_said_is_meant_wherever_the_click_lies() -> None:
    seen = CorrectedNetwork(Painted(3, network=UNet(channels=(2, 4), encoder_dropout=(0.0, 0.0))).eval())
    begun = seen.prepare_image(picture()[None], (1.0, 1.0)).begin()
    on_left = ((Click((10, 8)),),)
    np.testing.assert_array_equal(begun.answer(History(on_left)).mask, mask_of(LEFT))
    np.testing.assert_array_equal(begun.answer(History(on_left, meant=1)).mask, mask_of(LEFT))
    said = begun.answer(History(on_left, meant=2)).mask
    assert said[RIGHT].mean() > 0.9, "the network's own segmentation of what was said"
    assert said[10, 8], "and what was clicked"
    for meant in (0, 3):
        with pytest.raises(DataError, match=f"class {meant}: the network has 1 to 2"):
            begun.answer(History(on_left, meant=meant))


def test_a_box_means_the_class_inside_and_ends_it(session: InteractiveSession) -> None:
    mask = session.add(Box((12.0, 18.0), (30.0, 32.0))).mask
    np.testing.assert_array_equal(mask, mask_of((slice(12, 20), slice(20, 30))))


def test_a_correction_is_information_fusion(session: InteractiveSession) -> None:
    session.add(Click((10, 8)))
    answer = session.add(Click((26, 7)), Click((18, 12), Side.BACKGROUND))
    foreground, background = np.zeros(SHAPE, np.bool_), np.zeros(SHAPE, np.bool_)
    foreground[[10, 26], [8, 7]] = True
    background[18, 12] = True
    network = np.where(mask_of(LEFT), 0.8 / 0.9, 0.1 / 0.9).astype(np.float32)
    wanted = information_fusion(network, picture()[None], foreground, background, intensity_weight=FUSION_WEIGHT)
    np.testing.assert_allclose(answer.probability, wanted, rtol=1e-6)
    np.testing.assert_allclose(answer.uncertainty, 4 * wanted * (1 - wanted), rtol=1e-5)
    assert answer.mask[26, 7]
    assert not answer.mask[18, 12]


def test_a_first_click_on_what_the_network_missed_adds_it(session: InteractiveSession) -> None:
    assert session.add(Click((26, 7))).mask[BLOB].all()


def test_a_start_is_corrected_instead_of_the_network(session: InteractiveSession) -> None:
    session.start_from(mask_of(LEFT, RIGHT))
    mask = session.add(Click((10, 25), Side.BACKGROUND)).mask
    assert mask[LEFT].all()
    assert not mask[10, 25]


def test_the_background_alone_means_nothing(session: InteractiveSession) -> None:
    with pytest.raises(DataError, match="none marks or encloses the object"):
        session.add(Click((0, 0), Side.BACKGROUND))


def test_a_method_that_takes_prompts_is_left_as_it_is() -> None:
    method = MIDeepSeg(network=UNet(channels=(2, 4), encoder_dropout=(0.0, 0.0)))
    assert as_interactive(method) is method
