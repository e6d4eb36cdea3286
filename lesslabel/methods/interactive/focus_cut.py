"""FocusCut: one network segments the whole object, and then the neighbourhood of clicks at higher resolution."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE
from lesslabel.interaction.crop import Crop, finest
from lesslabel.interaction.encoding import CueMap, Encoding
from lesslabel.interaction.focus import simulated_focus
from lesslabel.interaction.focus_view import FocusedImage, FocusSettings
from lesslabel.interaction.guidance import Guidance
from lesslabel.interaction.model import History, ImageModel
from lesslabel.interaction.prompts import Click, Side
from lesslabel.interaction.prompts.positions import nearest_voxels
from lesslabel.interaction.robots import ErrorCentreRobot
from lesslabel.interaction.sub_images import Probability
from lesslabel.interaction.training_objects import TrainingObjects
from lesslabel.losses import partial_cross_entropy
from lesslabel.methods.checks import require_positive, require_share
from lesslabel.methods.inference import Inference
from lesslabel.methods.interactive.base import InteractiveMethod
from lesslabel.methods.interactive.click_maps import click_maps, random_clicks_robot
from lesslabel.methods.interactive.prepared import PreparedImage, evaluating
from lesslabel.methods.optimiser import Optimiser
from lesslabel.networks import Network, UNet

MORE_CLICKS = 3
"""Largest number of clicks on each side besides the centre of a focus view in training."""


class FocusCut(InteractiveMethod):
    """Segment again, at higher resolution and by the same network, where a click changes a detail.

    Lin et al., "FocusCut: Diving Into a Focus View in Interactive Segmentation", CVPR 2022, and chapter 4 of its
    author's thesis. The input is the image, one Gaussian map of the clicks of each side, and the previous
    prediction, once of the whole image and once of the part around each click whose change was local
    (`lesslabel.interaction.focus`, algorithms 1 to 3). All parts are one batch; overlapping results are averaged.
    ``L`` is the cross-entropy in both views.

    Choices where the text is not specific: a training sample is a focus view with probability ½
    (``focus_share``; "alternately" there); its coarse mask is the object dilated or eroded by up to ``coarse_share`` of
    the view's radius; it has up to three more clicks on each side. In 3D a view is a cube. Zoom-In (f-BRS), which the
    published inference uses from the first click on, is left out.

    Args:
        in_channels: channels of the image.
        size_voxel: grid of both views, (h, w) or (d, h, w); published 384×384.
        radius_voxel: of the Gaussian maps of clicks, on the grid; not stated, that of FCA-Net.
        focus: settings of focus views; None uses the global view only.
        focus_share: share of focus views among training samples.
        coarse_share: see above.
        own_clicks: the largest number of clicks of a training sample of the global view at the network's own errors.
        random_clicks: the largest number of random clicks on each side in training.
        distance_scale: of the distances between them, published for 512 pixels.
        network: description of the network; published is ``DeepLab(depth=50)``.
        optimiser: optimiser and learning rate.
        inference: only `largest_component` is used.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        size_voxel: tuple[int, ...] = (384, 384),
        radius_voxel: float = 10.0,
        focus: FocusSettings | None = FocusSettings(),
        focus_share: float = 0.5,
        coarse_share: float = 0.2,
        own_clicks: int = 3,
        random_clicks: int = 10,
        distance_scale: float = 0.75,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        require_share(focus_share=focus_share)
        require_positive(coarse_share=coarse_share)
        encoding = Encoding(
            tuple(size_voxel), (*click_maps("gaussian", radius_voxel), CueMap("previous")), field="image"
        )
        robot = ErrorCentreRobot()
        later = random_clicks_robot(random_clicks, distance_scale)
        super().__init__(
            encoding,
            robot,
            later_robot=later,
            own_clicks=own_clicks,
            in_channels=in_channels,
            network=network,
            optimiser=optimiser,
            inference=inference,
        )
        self.focus = focus
        share = 0.0 if focus is None else focus_share
        self.annotator = FocusTrainingObjects(encoding, robot, later, 0.0, own_clicks, share, coarse_share)
        self.network = network.build(in_channels + encoding.channels, self.num_classes)

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the cross-entropy of a view."""
        logits = self.object_logits(batch["image"], batch["cues"])
        return {"cross_entropy": partial_cross_entropy(logits, batch["target"])}

    def prepare_image(self, image: NDArray[np.float32], spacing_mm: Sequence[float]) -> ImageModel:
        """Compute what depends only on an image; see `InteractiveMethod.prepare_image`."""
        prepared = PreparedImage(self, self.checked_image(image), tuple(spacing_mm))
        if self.focus is None:
            return prepared
        return FocusedImage(prepared, _OwnPatches(self, prepared), image.shape[1:], prepared.spacing_mm, self.focus)


@dataclass(frozen=True, eq=False)
class FocusTrainingObjects(TrainingObjects):
    """Training samples, of which some are focus views of an object's boundary (algorithm 1).

    Attributes:
        focus_share: share of such views.
        coarse_share: the largest dilation or erosion of its coarse mask, as a share of a view's radius.
    """

    focus_share: float = 0.5
    coarse_share: float = 0.2

    def of_object(
        self,
        image: Tensor,
        labels: NDArray[np.uint8],
        truth: NDArray[np.bool_],
        uid: str,
        spacing_mm: Sequence[float],
        generator: np.random.Generator,
    ) -> Batch:
        """Sample a view of an object, global or focus view."""
        if generator.random() >= self.focus_share:
            return super().of_object(image, labels, truth, uid, spacing_mm, generator)
        scale = np.asarray(spacing_mm) / finest(spacing_mm, truth.shape)
        view = simulated_focus(truth, generator, scale)
        lengths = [2 * view.radius_voxel / side for side in scale]
        crop = Crop.centred(view.centre, lengths, truth.shape, self.encoding.size_voxel)
        prompts = _clicks_in_view(truth, labels != IGNORE, view.centre, crop, generator)
        coarse = _coarse_mask(truth, scale, self.coarse_share * view.radius_voxel * generator.uniform(-1, 1))
        target = crop.labels_to_grid(np.where(labels == IGNORE, IGNORE, truth).astype(np.uint8))
        encoded = self.encoding.encode(image, spacing_mm, Guidance(truth.shape, prompts), crop, coarse)
        sample = self.sample(encoded, target, uid, generator)
        if "own_turns" in sample:
            sample["own_turns"] = torch.zeros_like(sample["own_turns"])
        return sample


class _OwnPatches:
    """The focus views of a trained network, all in one batch."""

    def __init__(self, method: FocusCut, prepared: PreparedImage) -> None:
        self.method = method
        self.prepared = prepared

    def segment(self, crops: Sequence[Crop], history: History, current: Sequence[Probability]) -> list[Probability]:
        """Segment parts of the image; see `lesslabel.interaction.focus_view.Patches`."""
        encoding, prepared = self.method.encoding, self.prepared
        guidance = Guidance(tuple(prepared.image.shape[1:]), history.prompts)
        on_grid = [Crop(crop.window, crop.shape, encoding.size_voxel or crop.size) for crop in crops]
        encoded = [
            encoding.encode(prepared.image, prepared.spacing_mm, guidance, crop, before)
            for crop, before in zip(on_grid, current, strict=True)
        ]
        with evaluating(self.method):
            images = torch.stack([part.image for part in encoded]).to(self.method.device)
            cues = torch.stack([part.cues for part in encoded]).to(self.method.device)
            probabilities = self.method.object_logits(images, cues).float().softmax(dim=1)[:, 1].cpu()
        return [crop.paste(inside)[crop.window] for crop, inside in zip(on_grid, probabilities, strict=True)]


def _clicks_in_view(
    truth: NDArray[np.bool_],
    known: NDArray[np.bool_],
    centre: tuple[float, ...],
    crop: Crop,
    generator: np.random.Generator,
) -> tuple[Click, ...]:
    """The centre, and up to three more clicks on each side, all inside a view."""
    corner = np.array([side.start for side in crop.window])
    inside, sure = truth[crop.window], known[crop.window]
    middle = tuple(nearest_voxels(np.array([centre]), truth.shape)[0])
    clicks = [Click(centre, Side.FOREGROUND if truth[middle] else Side.BACKGROUND)]
    for side, area in ((Side.FOREGROUND, inside & sure), (Side.BACKGROUND, ~inside & sure)):
        voxels = np.argwhere(area)
        wanted = int(generator.integers(0, MORE_CLICKS + 1)) if len(voxels) else 0
        chosen = voxels[generator.integers(0, len(voxels), wanted)] if wanted else voxels[:0]
        clicks += [Click(tuple((voxel + corner).tolist()), side) for voxel in chosen]
    return tuple(clicks)


def _coarse_mask(truth: NDArray[np.bool_], scale: NDArray[np.float64], shift_voxel: float) -> Probability:
    """The object dilated by a number of voxels, or eroded by a negative one."""
    if shift_voxel >= 0:
        mask = ndimage.distance_transform_edt(~truth, sampling=scale) <= shift_voxel
    else:
        mask = ndimage.distance_transform_edt(truth, sampling=scale) > -shift_voxel
    return np.asarray(mask, np.float32)
