"""The seconds of a turn by phase."""

import numpy as np

from lesslabel.interaction import Click, InteractiveSession, Side
from lesslabel.interaction.robots import ErrorCentreRobot
from lesslabel.interaction.simulated_turns import simulate_turns
from lesslabel.interaction.wrappers import WRAPPERS
from lesslabel.methods import ClickMaps, FeatureAware
from lesslabel.networks import UNet

SMALL = UNet(channels=(4, 8), encoder_dropout=(0.0, 0.0))
TRUTH = np.pad(np.ones((10, 10), np.bool_), 11)


def test_phases_are_parts_of_the_seconds_of_a_turn() -> None:
    session = InteractiveSession(FeatureAware(size_voxel=(32, 32), width=4, network=SMALL)).set_image(1.0 * TRUTH)
    turns = list(
        simulate_turns(session, TRUTH, ErrorCentreRobot(), ErrorCentreRobot(), np.random.default_rng(0), cap=3)
    )
    for turn in turns:
        phases = turn.phases
        assert phases is not None
        assert min(phases.encoder_s, phases.head_s, phases.paste_s) > 0
        assert phases.encoder_s + phases.head_s + phases.paste_s <= turn.seconds
    assert turns[0].phases.encoder_s >= session.preparation_s  # type: ignore[union-attr]


def test_wrappers_pass_phases_on() -> None:
    for wrapper in WRAPPERS.values():
        session = InteractiveSession(wrapper(ClickMaps(size_voxel=(32, 32), network=SMALL))).set_image(1.0 * TRUTH)
        session.add(Click((16, 16)))
        assert session.add(Click((2, 2), Side.BACKGROUND)).phases is not None
