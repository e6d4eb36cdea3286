"""Structure integrity: keep only the components of a mask with a click."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesslabel.interaction.guidance import Guidance
from lesslabel.interaction.model import History, ImageModel, ObjectModel, Segmentation, prepare_image
from lesslabel.interaction.own_answers import OwnAnswers
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.interaction.wrapper import Wrapper


def clicked_parts(mask: Mask, marked: Mask) -> Mask:
    """Keep the connected components of a mask that contain a marked voxel (FCA-Net, eq. 3.8).

    Args:
        mask: ([z,] y, x) bool.
        marked: the same shape, the clicks on the object. Marked voxels outside the mask have no effect; the mask
            is returned unchanged if none is inside, which the text does not specify.

    Returns:
        ([z,] y, x) bool; components are connected over edges and corners.
    """
    parts, _ = ndimage.label(mask, np.ones((3,) * mask.ndim))
    kept = np.unique(parts[marked & mask])
    return np.isin(parts, kept) if kept.size else mask


class StructureIntegrity(Wrapper):
    """Wrap an interactive model: remove components without a click on the object.

    The structure-integrity strategy of Lin et al., "Interactive Image Segmentation With First Click Attention", CVPR
    2020 (eq. 3.8): a post-processing that needs no training. The wrapped model gets its own earlier answers, so
    that this has no other effect.

    Args:
        model: the model.
    """

    def prepare_image(self, image: NDArray[np.float32], spacing_mm: Sequence[float]) -> ImageModel:
        """Compute what depends only on an image; see `InteractiveModel.prepare_image`."""
        return _WholeImage(prepare_image(self.model, image, spacing_mm))


class _WholeImage:
    def __init__(self, image: ImageModel) -> None:
        self.image = image

    def begin(self) -> ObjectModel:
        return _WholeObject(self.image.begin())


class _WholeObject:
    def __init__(self, model: ObjectModel) -> None:
        self.own = OwnAnswers(model)

    def answer(self, history: History) -> Segmentation:
        answered = self.own.of(history)
        marked = Guidance(answered.mask.shape, history.prompts).seeds.foreground
        kept = clicked_parts(answered.mask, marked)
        probability = np.where(answered.mask & ~kept, np.float32(0), answered.probability)
        return Segmentation(kept, probability, answered.uncertainty, phases=answered.phases)
