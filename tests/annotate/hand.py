"""A robot with a jittered hand in front of the real page."""

from collections.abc import Sequence

import numpy as np
from browser import Browser
from numpy.typing import NDArray

from lesslabel.interaction.robots.scribbles import ScribbleRobot


def scribble_slice(
    browser: Browser, z: int, truth: NDArray[np.uint8], codes: Sequence[int], rng: np.random.Generator
) -> int:
    """Draw a stroke in every structure of a slice, and one on its background; the slice is on screen.

    Args:
        browser: with the page; its keys 1, 2 … are the labels in order, the next one the background.
        z: which slice.
        truth: (y, x) label codes.
        codes: of the store, in order.
        rng: of the hand.

    Returns:
        How many strokes were drawn.
    """
    robot = ScribbleRobot(share=0.7, jitter_voxel=0.5)
    drawn = 0
    for place, code in enumerate([*codes, 0], start=1):
        for prompt in robot.annotate(truth == code, rng):
            browser.do("press", key=str(place))
            for stroke in prompt.strokes:
                browser.drag([(z, *position) for position in stroke])
                drawn += 1
    return drawn
