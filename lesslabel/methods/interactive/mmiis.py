"""MMIIS: enclose the object by box, polygon or hand, and repair regions and boundaries by clicks and strokes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.interaction.coarse_masks import distorted
from lesslabel.interaction.crop import finest
from lesslabel.interaction.encoding import CueMap, Encoding
from lesslabel.interaction.robots import EnclosureRobot, RepairRobot
from lesslabel.interaction.training_objects import TrainingObjects
from lesslabel.losses import partial_cross_entropy
from lesslabel.methods.checks import require_at_least, require_choice, require_not_negative, require_share
from lesslabel.methods.inference import Inference
from lesslabel.methods.interactive.base import Answer, InteractiveMethod, standardise
from lesslabel.methods.interactive.turn_input import TurnInput
from lesslabel.methods.optimiser import Optimiser
from lesslabel.networks import Network, UNet
from lesslabel.networks.layers import Normalisation
from lesslabel.networks.multi_mode import MultiModeNetwork

Mode = Literal["box", "polygon", "enclosing-scribble"]
Repair = Literal["click", "scribble", "boundary-click", "boundary-scribble"]
Repaired = Literal["initial", "last"]

_INITIAL, _REPAIR, _LOCAL, _PREVIOUS = slice(0, 3), slice(3, 6), (3, 4, 6), slice(7, 8)
"""The maps of the initial guidance, of the repair guidance, of local attention, and of the given mask."""


class MMIIS(InteractiveMethod):
    """Segment from an enclosure, then repair: both by light blocks on features of the image, computed once per crop.

    Lin et al., "Multi-Mode Interactive Image Segmentation", ACM Multimedia 2022, and chapter 6 of its author's thesis.
    The initial block (ISB) reads one signed map for each kind of enclosure, 1 inside, −1 outside and 0 for the kinds
    that were not used. The repair block (DRB) reads the initial mask and Gaussian maps of clicks and strokes on the
    object, on the background and on the boundary, and changes the mask near them: ``M = T(M_ISB + U ⊙ R)`` (eq. 6.7),
    where U is the Gaussian of all of them. The initial mask may come from elsewhere (`InteractiveSession.start_from`);
    without mask and enclosure it is empty. A later enclosure replaces it. ``L`` is the cross-entropy of both results.

    Choices where the text is not specific: T is at ½, so the repaired logit is ``2 M_ISB − 1 + U ⊙ R``; the Gaussians
    have σ = a third of their radius and are 0 beyond it, so that a repair has no effect there; M_ISB is detached; in
    training a share of the samples begins from a distorted mask instead (``outside_share``). The published grid of the
    crop is unknown.

    Args:
        in_channels: channels of the image.
        size_voxel: grid of the crop, (h, w) or (d, h, w).
        modes: kinds of enclosures in training.
        repairs: kinds of repairs in training.
        region_radius_voxel: of the maps on object and background and of U, on the grid; published 80.
        boundary_radius_voxel: of the map on the boundary; published 10.
        margin_voxel: of the crop around the enclosure or mask, in voxels of the image.
        width: channels of the maps of the pyramid and of both blocks.
        normalisation: of their convolutions.
        repaired: the mask that is repaired at every turn: the initial one, as published, or the last answer.
        outside_share: see above.
        outside_distortion: of such a mask, see `lesslabel.interaction.coarse_masks.distorted`.
        apart_voxel: least distance of random clicks in training; published 25.
        own_clicks: the largest number of repairs of a training sample at the network's own errors.
        network: description of the network, whose encoder is used; published is `VGG16`.
        optimiser: optimiser and learning rate.
        inference: only `largest_component` is used.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    network: MultiModeNetwork

    def __init__(
        self,
        *,
        in_channels: int = 1,
        size_voxel: tuple[int, ...] = (256, 256),
        modes: tuple[Mode, ...] = ("box", "polygon", "enclosing-scribble"),
        repairs: tuple[Repair, ...] = ("click", "scribble", "boundary-click", "boundary-scribble"),
        region_radius_voxel: float = 80.0,
        boundary_radius_voxel: float = 10.0,
        margin_voxel: float = 10.0,
        width: int = 32,
        normalisation: Normalisation = "batch",
        repaired: Repaired = "initial",
        outside_share: float = 0.25,
        outside_distortion: float = 0.4,
        apart_voxel: float = 25.0,
        own_clicks: int = 3,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        require_choice(Repaired, repaired=repaired)
        require_at_least(1, width=width)
        require_share(outside_share=outside_share)
        require_not_negative(outside_distortion=outside_distortion)
        maps = (
            *(CueMap(mode, "signed") for mode in ("box", "polygon", "enclosing-scribble")),
            CueMap("foreground", "local_gaussian", region_radius_voxel),
            CueMap("background", "local_gaussian", region_radius_voxel),
            CueMap("boundary", "local_gaussian", boundary_radius_voxel),
            CueMap("boundary", "local_gaussian", region_radius_voxel),
            CueMap("previous"),
        )
        encoding = Encoding(tuple(size_voxel), maps, margin_voxel, enclosures_as_seeds=False)
        first, later = EnclosureRobot(modes), RepairRobot(repairs, apart_voxel=apart_voxel)
        super().__init__(
            encoding,
            first,
            later_robot=later,
            own_clicks=own_clicks,
            own_robot=later,
            in_channels=in_channels,
            network=network,
            optimiser=optimiser,
            inference=inference,
        )
        self.repaired = repaired
        self.annotator = EnclosedObjects(
            encoding, first, later, margin_voxel, own_clicks, outside_share, outside_distortion
        )
        encoder = network.build(in_channels, self.num_classes).encoder
        self.network = MultiModeNetwork(encoder, network.dimensions, width, 3, 3, normalisation)

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the cross-entropy of the initial and of the repaired result."""
        initial, repaired = self._run(batch["image"], batch["cues"])
        return {
            "initial": partial_cross_entropy(two_classes(initial), batch["target"]),
            "repaired": partial_cross_entropy(two_classes(repaired), batch["target"]),
        }

    def object_logits(self, image: Tensor, cues: Tensor) -> Tensor:
        """Predict background and object."""
        return two_classes(self._run(image, cues)[1])

    def object_answer(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Predict the object of each training sample, and the mask that the next repair changes."""
        probability = self._run(batch["image"], batch["cues"])[1][:, 0].float().sigmoid()
        last = self.repaired == "last"
        return probability, (probability > 0.5).float() if last else batch["cues"][:, _PREVIOUS][:, 0]

    def object_features(self, turn_input: TurnInput) -> "CropFeatures":
        """Run the feature extractor, once per crop."""
        return CropFeatures(self.network.features(standardise(turn_input.grid[None].to(self.device))))

    def answer(self, features: Any, turn_input: TurnInput) -> Answer:
        """Compute the initial mask, if it is not known yet, and repair it."""
        cues, history = turn_input.now.cues[None].to(self.device), turn_input.history
        start, enclosed = history.start, any(prompt.encloses for prompt in history.prompts)
        if start is not None and not enclosed:
            mask = torch.from_numpy(turn_input.crop.mask_to_grid(start))[None, None].to(cues)
            probability = mask
        else:
            probability = self._initial(features, cues[:, _INITIAL]) if enclosed else torch.zeros_like(cues[:, :1])
            mask = (probability > 0.5).to(cues)
        if self.repaired == "last" and history.previous is not None:
            mask = (cues[:, _PREVIOUS] > 0.5).to(cues)
        near = local_attention(cues)
        if near.any():
            residual = self.network.residual(features.pyramid, mask, cues[:, _REPAIR])
            probability = repaired_logit(mask, near, residual).float().sigmoid()
        given = start is not None and not enclosed
        answer = Answer.of_probability(probability[0, 0])
        return Answer(answer.probability, answer.uncertainty, answer.mask, None, near[0, 0] > 0 if given else None)

    def _initial(self, features: "CropFeatures", guidance: Tensor) -> Tensor:
        """The probability of the initial result, computed once for an enclosure."""
        known = features.initial
        if known is None or not torch.equal(known[0], guidance):
            logits = self.network.initial(features.pyramid, guidance)
            features.initial = known = guidance, logits.float().sigmoid()
        return known[1]

    def _run(self, image: Tensor, cues: Tensor) -> tuple[Tensor, Tensor]:
        """The initial and the repaired logits, B×1×[D×]H×W; a given mask replaces the initial result."""
        pyramid = self.network.features(standardise(image))
        initial = self.network.initial(pyramid, cues[:, _INITIAL])
        given = cues[:, _PREVIOUS] > 0.5
        has_given = given.flatten(1).any(dim=1).view(-1, *(1,) * (cues.ndim - 1))
        mask = torch.where(has_given, given, initial.detach() > 0).to(initial)
        residual = self.network.residual(pyramid, mask, cues[:, _REPAIR])
        return initial, repaired_logit(mask, local_attention(cues), residual)


@dataclass(eq=False)
class CropFeatures:
    """What is known of a crop: the pyramid, and guidance and probability of the last initial segmentation."""

    pyramid: Sequence[Tensor]
    initial: tuple[Tensor, Tensor] | None = field(default=None)


@dataclass(frozen=True, eq=False)
class EnclosedObjects(TrainingObjects):
    """Training samples, of which some begin from a distorted mask of the object, as if another method had made it.

    Attributes:
        outside_share: share of such samples.
        outside_distortion: see `lesslabel.interaction.coarse_masks.distorted`.
    """

    outside_share: float = 0.25
    outside_distortion: float = 0.4

    def previous_of(
        self, truth: NDArray[np.bool_], spacing_mm: Sequence[float], generator: np.random.Generator
    ) -> NDArray[np.float32] | None:
        """A distorted mask, or none."""
        if generator.random() >= self.outside_share:
            return None
        scale = np.asarray(spacing_mm) / finest(spacing_mm, truth.shape)
        return distorted(truth, generator, scale, self.outside_distortion).astype(np.float32)


def local_attention(cues: Tensor) -> Tensor:
    """U of eq. 6.7, B×1×[D×]H×W: the Gaussian of all repairs, in [0, 1] and 0 beyond its radius."""
    return cues[:, _LOCAL].amax(dim=1, keepdim=True)


def repaired_logit(mask: Tensor, near: Tensor, residual: Tensor) -> Tensor:
    """The logit whose sign is ``T(M + U ⊙ R)`` with T at ½ (eq. 6.7): a residual of ±1 at U = 1 changes a voxel.

    Args:
        mask: M, B×1×[D×]H×W, 0 or 1.
        near: U.
        residual: R.
    """
    return 2 * mask - 1 + near * residual


def two_classes(logit: Tensor) -> Tensor:
    """Logits of background and object, B×2×[D×]H×W, from those of the object, B×1×[D×]H×W."""
    return torch.cat([torch.zeros_like(logit), logit], dim=1)
