"""Feature-aware attention: clicks guide a network that is computed once per image."""

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE
from lesslabel.errors import ConfigError
from lesslabel.interaction.crop import Crop
from lesslabel.interaction.encoding import Encoding, unit_range
from lesslabel.interaction.robots import ErrorCentreRobot
from lesslabel.losses import partial_cross_entropy
from lesslabel.methods.checkpoints import with_own_parts
from lesslabel.methods.checks import require_at_least, require_not_negative
from lesslabel.methods.inference import Inference
from lesslabel.methods.interactive.base import Answer, InteractiveMethod, standardise
from lesslabel.methods.interactive.click_maps import random_clicks_robot
from lesslabel.methods.interactive.turn_input import TurnInput
from lesslabel.methods.optimiser import Optimiser
from lesslabel.networks import Network, UNet
from lesslabel.networks.click_attention import FeatureAwareAttention, ImageFeatures
from lesslabel.networks.layers import Normalisation, enlarge
from lesslabel.networks.u_shaped import UShaped


class FeatureAware(InteractiveMethod):
    """Convert clicks to distances between features; the network gets the image only, once.

    Sun et al., "Interactive Image Segmentation Based on Feature-Aware Attention", Symmetry 2022. A plain segmentation
    network predicts a coarse mask without a click, and its encoder gives maps. `FeatureAwareAttention` measures on each
    scale how far each voxel's features are from those of the clicks (eq. 2–4), attends to the features with that, and
    refines coarse mask, guidance and penultimate map to the result (eq. 5). A click needs the attention and the
    refinement only. ``L = BCE + λ₁ L1 (eq. 6) + λ_aux BCE of every scale's guidance + λ_coarse BCE of the coarse
    mask``; the text names the terms but not their weights.

    Choices where the text is not specific: the module works at one ``stride``-th of the size, to which all maps of the
    encoder but its first are resampled, and its result is enlarged. Equation (5) and table 1 are read with one channel
    of coarse mask, two of guidance per scale, and no activation after the last layer, as logits need. ``network`` may
    be any; with ``frozen`` the network does not change and only the module is trained, as a plug-in. Training may start
    from the weights of a plain network, such as those of `Supervised`; the module then starts at random. Of a network
    of several classes the coarse mask is that of any object, 1 − p(background).

    Args:
        in_channels: channels of the image.
        size_voxel: grid that the image is resampled to, (h, w) or (d, h, w); published 320×320.
        stride: of the module's grid; 8 as the published encoder has it.
        width: of the module's maps.
        normalisation: of the module.
        refine: whether to use the refinement; without it the mean guidance is the result, as in the ablation.
        frozen: whether the network's own weights are kept constant.
        network_classes: classes of the network, background included; those of the weights that training starts from.
        l1_weight: λ₁.
        guidance_weight: λ_aux.
        coarse_weight: λ_coarse.
        own_clicks: the largest number of clicks of a training sample at the network's own errors; published 1 to 10.
        random_clicks: the largest number of random clicks on each side in training.
        distance_scale: of the distances between random clicks, published for 512 pixels.
        network: description of the network; published is a DeepLabV3+ on ResNet-101.
        optimiser: optimiser and learning rate.
        inference: only `largest_component` is used.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    network: UShaped

    def __init__(
        self,
        *,
        in_channels: int = 1,
        size_voxel: tuple[int, ...] = (320, 320),
        stride: int = 8,
        width: int = 64,
        normalisation: Normalisation = "batch",
        refine: bool = True,
        frozen: bool = False,
        network_classes: int = 2,
        l1_weight: float = 1.0,
        guidance_weight: float = 0.4,
        coarse_weight: float = 0.4,
        own_clicks: int = 9,
        random_clicks: int = 0,
        distance_scale: float = 0.625,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        require_at_least(1, stride=stride, width=width)
        require_at_least(2, network_classes=network_classes)
        require_not_negative(l1_weight=l1_weight, guidance_weight=guidance_weight, coarse_weight=coarse_weight)
        super().__init__(
            Encoding(tuple(size_voxel), field="image"),
            ErrorCentreRobot(),
            later_robot=random_clicks_robot(random_clicks, distance_scale),
            own_clicks=own_clicks,
            in_channels=in_channels,
            network=network,
            optimiser=optimiser,
            inference=inference,
        )
        self.frozen = frozen
        self.l1_weight = l1_weight
        self.guidance_weight = guidance_weight
        self.coarse_weight = coarse_weight
        self.network = network.build(in_channels, network_classes).requires_grad_(not frozen)
        self.stride = stride
        channels = self.network.encoder.channels[1:]
        self.attention = FeatureAwareAttention(
            network.dimensions, channels, self.network.feature_channels, width, normalisation, refine=refine
        )

    def complete_weights(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Let the attention and the refinement start at random behind the network of another method.

        Raises:
            ConfigError: if that network has another number of classes.
        """
        for name, mine in self.network.head.state_dict(prefix="network.head.").items():
            if name in weights and len(weights[name]) != len(mine):
                raise ConfigError(
                    f"model.network_classes is {len(mine)}, but {name} of the weights is for {len(weights[name])} "
                    "classes; set that number"
                )
        return with_own_parts(weights, self, "attention")

    def train(self, mode: bool = True) -> Self:
        """Set the mode; a frozen network stays in evaluation mode, so that its statistics are constant."""
        super().train(mode)
        if self.frozen:
            self.network.eval()
        return self

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the terms of the result, of every scale's guidance and of the coarse mask."""
        features, coarse = self._image_features(batch["image"])
        result, guidance = self._guided(features, batch["clicks"])
        target = batch["target"]
        terms = {"cross_entropy": partial_cross_entropy(result, target)}
        known = target != IGNORE
        difference = (result.float().softmax(dim=1)[:, 1] - (target == 1).float()).abs() * known
        terms["l1"] = self.l1_weight * difference.sum() / known.sum().clamp(min=1)
        each = [partial_cross_entropy(enlarge(one, result), target) for one in guidance]
        terms["guidance"] = self.guidance_weight * torch.stack(each).mean()
        if not self.frozen:
            terms["coarse"] = self.coarse_weight * partial_cross_entropy(coarse, target)
        return terms

    def object_probability(self, batch: Batch) -> Tensor:
        """Predict the probability of the object of each training sample."""
        features, _ = self._image_features(batch["image"])
        return self._guided(features, batch["clicks"])[0].float().softmax(dim=1)[:, 1]

    def image_features(self, image: Tensor, spacing_mm: tuple[float, ...]) -> ImageFeatures:  # noqa: ARG002
        """Run the network, once per image."""
        grid = unit_range(Crop.whole(tuple(image.shape[1:]), self.encoding.size_voxel).image_to_grid(image))
        return self._image_features(grid[None].to(self.device))[0]

    def answer(self, features: Any, turn_input: TurnInput) -> Answer:  # noqa: ARG002  no crop has features of its own
        """Run the attention and the refinement."""
        seeds = turn_input.now.placed.seeds
        clicks = torch.full(seeds.foreground.shape, IGNORE, dtype=torch.uint8)
        clicks[torch.from_numpy(seeds.background)] = 0
        clicks[torch.from_numpy(seeds.foreground)] = 1
        logits, _ = self._guided(turn_input.image_features, clicks[None].to(self.device))
        return Answer.of_probability(logits.float().softmax(dim=1)[0, 1])

    def _image_features(self, image: Tensor) -> tuple[ImageFeatures, Tensor]:
        """The features of an image B×C×[D×]H×W on the grid of the network for the module, and the coarse logits."""
        maps = self.network.encoder(standardise(image))
        penultimate = self.network.decoder(maps)
        coarse = _of_any_object(self.network.head(penultimate))
        probability = coarse.float().softmax(dim=1)[:, 1:]
        grid = [-(-length // self.stride) for length in image.shape[2:]]
        return self.attention.image_features(maps[1:], penultimate, probability, grid), coarse

    def _guided(self, features: ImageFeatures, clicks: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The logits at the size of the clicks, and every scale's guidance.

        Args:
            features: of the images.
            clicks: B×[D×]H×W uint8, 1 on the object, 0 on the background, `IGNORE` elsewhere.
        """
        grid = features.coarse.shape[2:]
        inside, outside = (_on_grid(clicks == side, grid) for side in (1, 0))
        logits, guidance = self.attention(features, inside, outside)
        return enlarge(logits, clicks[:, None]), guidance


def _of_any_object(logits: Tensor) -> Tensor:
    """Logits of background and object, from those of background and several classes."""
    return logits if logits.shape[1] == 2 else torch.cat([logits[:, :1], logits[:, 1:].logsumexp(1, keepdim=True)], 1)


def _on_grid(clicked: Tensor, grid: torch.Size) -> Tensor:
    """Clicked voxels B×[D×]H×W on a coarser grid: each marks the cell that contains it.

    If the sizes do not divide, a voxel may be in two cells and marks both.
    """
    pool = F.adaptive_max_pool2d if len(grid) == 2 else F.adaptive_max_pool3d
    return pool(clicked[:, None].float(), tuple(grid))[:, 0] > 0
