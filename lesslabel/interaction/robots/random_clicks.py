"""Random clicks, as used to train networks for clicks."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesslabel.errors import ConfigError
from lesslabel.interaction.prompts import Click, Side
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.robots.base import Robot, require_at_least
from lesslabel.interaction.robots.scene import Scene
from lesslabel.interaction.robots.shapes import bounding_window, depth


class RandomClicksRobot(Robot):
    """Random clicks in and around the object, away from its edge and from each other.

    Lin et al., "Interactive Image Segmentation with First Click Attention", CVPR 2020, after "Deep Interactive
    Object Selection" (Xu et al., CVPR 2016). Positive clicks lie deeper in the object than a margin, negative ones
    around it, farther than a margin and nearer than `reach_voxel`; all are farther from earlier clicks, those of the
    scene too, than a distance apart (A* of eq. 3.9 and 3.10 of its author's thesis). Of several margins and distances
    one is sampled each time. If the object is too thin for its margin, its deepest voxel is clicked, unless an earlier
    click is near. If there is a segmentation, positive clicks are sampled from the false negatives and negative ones
    from the false positives instead. Without enough room there are fewer clicks. Distances are in voxels of the finest
    axes.

    Args:
        positive: smallest and largest number of positive clicks.
        negative: the same for negative clicks.
        positive_margin_voxel: margins of positive clicks.
        negative_margin_voxel: margins of negative clicks.
        reach_voxel: largest distance of negative clicks from the object.
        positive_apart_voxel: distances between a positive click and earlier ones.
        negative_apart_voxel: the same for negative clicks.
        jitter_voxel: see `Robot`; a click stays in the region that it was sampled from.

    Raises:
        ConfigError: if an argument is out of range.
    """

    name: ClassVar[str] = "random-clicks"
    corrects: ClassVar[bool] = True

    def __init__(
        self,
        positive: tuple[int, int] = (1, 10),
        negative: tuple[int, int] = (0, 10),
        positive_margin_voxel: Sequence[float] = (5.0, 10.0, 15.0, 20.0),
        negative_margin_voxel: Sequence[float] = (15.0, 40.0, 60.0),
        reach_voxel: float = 80.0,
        positive_apart_voxel: Sequence[float] = (7.0, 10.0, 20.0),
        negative_apart_voxel: Sequence[float] = (10.0, 15.0, 25.0),
        jitter_voxel: float = 0.0,
    ) -> None:
        super().__init__(jitter_voxel)
        for name, (fewest, most) in (("positive", positive), ("negative", negative)):
            if not 0 <= fewest <= most:
                raise ConfigError(f"{name}: {fewest} to {most} clicks; pass the fewest and the most, 0 or more")
        for name, distances in (
            ("positive_margin_voxel", positive_margin_voxel),
            ("negative_margin_voxel", negative_margin_voxel),
            ("reach_voxel", [reach_voxel]),
            ("positive_apart_voxel", positive_apart_voxel),
            ("negative_apart_voxel", negative_apart_voxel),
        ):
            if not distances:
                raise ConfigError(f"{name}: empty; pass at least one distance")
            require_at_least(0.0, name, min(distances))
        self.positive = positive
        self.negative = negative
        self.positive_margin_voxel = tuple(positive_margin_voxel)
        self.negative_margin_voxel = tuple(negative_margin_voxel)
        self.reach_voxel = reach_voxel
        self.positive_apart_voxel = tuple(positive_apart_voxel)
        self.negative_apart_voxel = tuple(negative_apart_voxel)

    def respond(self, scene: Scene, rng: np.random.Generator) -> tuple[Click, ...]:
        """Give the positive clicks, then the negative ones; none without an object, or without an error."""
        if not scene.truth.any() and not scene.spilled.any():
            return ()
        if scene.has_prediction:
            inside, outside = scene.missed, scene.spilled
        else:
            inside = self._inside(scene, rng)
            outside = self._outside(scene, rng)
        clicks = [prompt for prompt in scene.earlier if isinstance(prompt, Click)]
        before = len(clicks)
        for side, region, counts, apart in (
            (Side.FOREGROUND, inside, self.positive, self.positive_apart_voxel),
            (Side.BACKGROUND, outside, self.negative, self.negative_apart_voxel),
        ):
            wanted = int(rng.integers(counts[0], counts[1] + 1))
            self._add(clicks, side, region, wanted, float(rng.choice(apart)), scene, rng)
        return tuple(clicks[before:])

    def _inside(self, scene: Scene, rng: np.random.Generator) -> Mask:
        depths = depth(scene.truth, scene.scale)
        inside = depths > rng.choice(self.positive_margin_voxel)
        return np.asarray(inside if inside.any() else depths == depths.max())

    def _outside(self, scene: Scene, rng: np.random.Generator) -> Mask:
        window = bounding_window(scene.truth, np.ceil(self.reach_voxel / scene.scale).astype(np.int64))
        away = ndimage.distance_transform_edt(~scene.truth[window], sampling=scene.scale)
        outside = np.zeros_like(scene.truth)
        outside[window] = (away > rng.choice(self.negative_margin_voxel)) & (away < self.reach_voxel)
        return outside

    def _add(
        self,
        clicks: list[Click],
        side: Side,
        region: Mask,
        wanted: int,
        apart_voxel: float,
        scene: Scene,
        rng: np.random.Generator,
    ) -> None:
        """Add clicks of one side, up to the required number."""
        free = np.argwhere(region)
        for click in clicks:
            free = _far_from(click, free, apart_voxel, scene)
        for _ in range(wanted):
            if not len(free):
                return
            clicks.append(Click(self._aim(rng.choice(free), region, scene, rng), side))
            free = _far_from(clicks[-1], free, apart_voxel, scene)


def _far_from(click: Click, voxels: NDArray[np.int64], apart_voxel: float, scene: Scene) -> NDArray[np.int64]:
    away = np.linalg.norm((voxels - click.points) * scene.scale, axis=1)
    return np.asarray(voxels[away > apart_voxel])
