"""Parts of an image, each segmented as an image of its own. This needs PyTorch."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lesslabel.interaction.crop import Crop
from lesslabel.interaction.guidance import Guidance
from lesslabel.interaction.model import History, InteractiveModel, prepare_image
from lesslabel.interaction.prompts import Click, Prompt, Scribble, Side

Probability = NDArray[np.float32]


class SubImages:
    """Segments parts of an image by a model that takes each for an image of its own.

    They are segmented one after another: an `InteractiveModel` takes one image at a time, and the parts differ in size.

    Args:
        model: the model.
        image: (C, [z,] y, x).
        spacing_mm: voxel size.
    """

    def __init__(self, model: InteractiveModel, image: NDArray[np.float32], spacing_mm: tuple[float, ...]) -> None:
        self.model = model
        self.image = image
        self.spacing_mm = spacing_mm

    def segment(self, crops: Sequence[Crop], history: History, current: Sequence[Probability]) -> list[Probability]:
        """Segment each part with the prompts inside it; see `Patches.segment`."""
        guidance = Guidance(tuple(self.image.shape[1:]), history.prompts)
        parts = []
        for crop, before in zip(crops, current, strict=True):
            inside = np.ascontiguousarray(self.image[(slice(None), *crop.window)])
            start = before[crop.window] > 0.5
            if not start.any() and not guidance.seeds.foreground[crop.window].any():
                parts.append(before[crop.window])  # nothing of the object is here to begin with
                continue
            prepared = prepare_image(self.model, inside, self.spacing_mm)
            local = History((_prompts_inside(guidance, crop),), start if start.any() else None)
            parts.append(prepared.begin().answer(local).probability)
        return parts


def _prompts_inside(guidance: Guidance, crop: Crop) -> tuple[Prompt, ...]:
    """The clicks in a part, in order, and all else that was marked in it as paint; in voxels of the part."""
    corner = np.array([side.start for side in crop.window])
    clicks = tuple(
        Click(tuple((prompt.points[0] - corner).tolist()), prompt.side)
        for prompt in guidance.prompts
        if isinstance(prompt, Click) and crop.holds(prompt.points)
    )
    others = Guidance(guidance.shape, [prompt for prompt in guidance.prompts if not isinstance(prompt, Click)]).seeds
    painted = tuple(
        Scribble.from_mask(np.ascontiguousarray(mask), side)
        for side in Side
        if (mask := getattr(others, side)[crop.window]).any()
    )
    return (*painted, *clicks)
