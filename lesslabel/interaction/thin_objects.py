"""Training samples of KnifeCut: an object, a mask with errors at its thin parts, and a line across one of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE
from lesslabel.interaction.crop import Crop
from lesslabel.interaction.guidance import Guidance
from lesslabel.interaction.prompts import Prompt
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.robots import CutLineRobot, ErrorCentreRobot, ThinPart, expanded_parts, expanded_region
from lesslabel.interaction.robots.scene import Scene
from lesslabel.interaction.robots.shapes import RelativeSpacing
from lesslabel.interaction.robots.thin_parts import tolerance
from lesslabel.interaction.training_objects import TrainingObjects

ALL_MISSING_SHARE = 0.5
"""Share of samples in which every thin part is missing, as when the method is evaluated."""

HALF_SHARE = 0.25
"""Share of the missing parts of which one side of a random line is there."""


@dataclass(frozen=True, eq=False)
class ThinObjects(TrainingObjects):
    """Makes training samples of `lesslabel.methods.KnifeCut`.

    The ``derived`` maps of a sample are the thin parts, the expanded region of the chosen part (E*), and that of all
    (E). The cue of the ``previous`` answer is the mask with errors.

    Attributes:
        cutter: chooses the part and draws the line.
        clicks: whether the prompt is a click at the centre of the largest error, in place of a line.
        wide_share: share of the parts that are not missing that are too wide.
    """

    cutter: CutLineRobot = field(default_factory=lambda: CutLineRobot(random=True))
    clicks: bool = False
    wide_share: float = 0.2

    def of_object(
        self,
        image: Tensor,
        labels: NDArray[np.uint8],
        truth: Mask,
        uid: str,
        spacing_mm: Sequence[float],
        generator: np.random.Generator,
    ) -> Batch:
        """Make the sample of an object; see `TrainingObjects.of_object`. An object without thin parts is one."""
        scale, known = Scene.of(truth, None, spacing_mm).scale, labels != IGNORE
        thin = self.cutter.thin.of(truth, scale.tolist())
        if not thin.any():
            thin = truth
        parts = expanded_parts(truth, thin, scale)
        before = start_with_errors(truth, parts, scale, generator, self.wide_share)
        wrong = (before ^ truth) & known
        part = self.cutter.choose(parts, wrong, generator)
        prompts: tuple[Prompt, ...] = () if part is None else self.cutter.cut(part, wrong, scale, generator)
        if self.clicks:
            prompts = ErrorCentreRobot().annotate(truth, generator, prediction=before & known, spacing_mm=spacing_mm)
        if part is None or not prompts:
            return self._nothing(image, uid, spacing_mm)
        crop = Crop.whole(truth.shape, self.encoding.size_voxel)
        target = crop.labels_to_grid(np.where(labels == IGNORE, IGNORE, truth).astype(np.uint8))
        guidance = Guidance(truth.shape, prompts)
        encoded = self.encoding.encode(image, spacing_mm, guidance, crop, before.astype(np.float32))
        sample = self.sample(encoded, target, uid, generator)
        maps = (thin, part.region_in(truth.shape), expanded_region(truth, thin, scale))
        sample["derived"] = torch.from_numpy(np.stack([crop.mask_to_grid(each) for each in maps]).astype(np.float32))
        return sample


def start_with_errors(
    truth: Mask, parts: Sequence[ThinPart], scale: RelativeSpacing, generator: np.random.Generator, wide_share: float
) -> Mask:
    """Simulate a mask with errors at thin parts, since the source does not state which masks it trains on.

    In half of the masks every part is missing, in the others a random share of them; of some missing parts one side
    is there. Some of the others are too wide, by up to τ, so that gaps between them are filled. At least one part is
    wrong.

    Args:
        truth: ([z,] y, x) bool, the object.
        parts: its thin parts.
        scale: of the axes.
        generator: random number generator.
        wide_share: share of the parts that are not missing that are too wide.

    Returns:
        A mask like the truth.
    """
    missing_share = 1.0 if generator.random() < ALL_MISSING_SHARE else generator.random()
    missing = generator.random(len(parts)) < missing_share
    wide = ~missing & (generator.random(len(parts)) < wide_share)
    if parts and not (missing | wide).any():
        missing[generator.integers(len(parts))] = True
    widest = tolerance(truth, scale)
    mask = truth.copy()
    for part in (part for part, gone in zip(parts, missing, strict=True) if gone):
        mask[part.window] &= ~_missing_voxels(part, generator)
    for part in (part for part, grown in zip(parts, wide, strict=True) if grown):
        away = ndimage.distance_transform_edt(~part.part, sampling=scale)
        mask[part.window] |= part.region & (away <= generator.uniform(1.0, max(widest, 1.0)))
    return mask


def _missing_voxels(part: ThinPart, generator: np.random.Generator) -> Mask:
    """The voxels of a part that are missing: all, or those on one side of a random line through one of them."""
    half, direction = generator.random() < HALF_SHARE, generator.standard_normal(part.part.ndim)
    if not half:
        return part.part
    voxels = np.argwhere(part.part)
    ahead = (voxels - voxels[generator.integers(len(voxels))]) @ direction >= 0
    missing = np.zeros_like(part.part)
    missing[tuple(voxels[ahead].T)] = True
    return missing
