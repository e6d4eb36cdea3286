"""GPInteractive: points at the centre and outside the edge, and a Gaussian process that learns from every click."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lesslabel.data.batch import Batch
from lesslabel.interaction.encoding import CueName, Encoding, clicks_of, cues_of_sides
from lesslabel.interaction.learned_cue import GaussianGeodesicCue
from lesslabel.interaction.prompts import Side
from lesslabel.interaction.robots import CentreEdgeRobot, RandomClicksRobot
from lesslabel.losses import dice_loss, partial_cross_entropy
from lesslabel.methods.checks import require_choice
from lesslabel.methods.inference import Inference
from lesslabel.methods.interactive.base import Answer, InteractiveMethod, standardise
from lesslabel.methods.interactive.turn_input import TurnInput
from lesslabel.methods.optimiser import Optimiser
from lesslabel.networks import Network, UNet, UShaped
from lesslabel.networks.gaussian_process import DecoupledEngine, GaussianProcessHead, gaussian_process_loss
from lesslabel.networks.layers import CONVOLUTION

Head = Literal["gaussian_process", "cnn"]
Engine = Literal["laplace", "decoupled"]


@dataclass(frozen=True, eq=False)
class _ObjectInput:
    """Image (1, C, *size) in [0, 1], cues (1, K, *size) in [0, 1] and the network's features (1, F, *size)."""

    image: Tensor
    cues: Tensor
    features: Tensor


class GPInteractive(InteractiveMethod):
    """Hybrid clicks, Gaussian geodesic cues of learned width, and Gaussian process classification of the pixels.

    The authors call it "基于改良测地线距离编码和混合高斯过程分类的医学图像交互式分割方法" (a method of interactive
    segmentation with improved geodesic encoding and hybrid Gaussian process classification). Points near the centre and
    just outside the edge locate the object and become one cue each; a U-Net turns crop and cues into features; the
    `GaussianProcessHead` learns from the clicked pixels and classifies all. A correction is one more clicked pixel, and
    it is added to the cues too: the features do not encode the position of a pixel, so without the cues a click at an
    edge would change all pixels with similar features.

    ``L = ½·(L_Dice + L_CE) + μ·(L_Pred + ω·L_Reg)`` (eq. 14 to 16): Dice and cross-entropy of the head's probabilities
    on all pixels; L_Pred on the clicked ones; L_Reg the divergence of the posterior from the prior.

    Args:
        in_channels: channels of the image.
        size_voxel: grid of the crop, (h, w) or (d, h, w).
        cue: the encoding of the clicks; ``gaussian_geodesic`` is the method, the others are for comparison.
        head: ``gaussian_process``, or ``cnn`` for the ablation: a convolution of features, image and cues.
        engine: inference of the Gaussian process: ``laplace``, the method, or ``decoupled``, as in GPCIS, whose loss in
            training uses one function sampled from the posterior for every sample.
        centre_points: first points near the centre; the text gives no number. The edge has two for each axis. With
            fewer at the centre the background outweighs them: intensities hardly separate the clicks of a crop (τ is
            wide), so the label of the many spreads to pixels near the few.
        later_clicks: in training, up to this many further clicks inside and outside the object, so that the head learns
            from corrections.
        margin_voxel: margin of the crop around the box of the points.
        margin_jitter_voxel: in training the margin grows by up to this much.
        jitter_voxel: standard deviation of the position of a click, see `Robot`.
        head_weight: μ.
        divergence_weight: ω.
        intensity_weight: α₁ of the kernel at the start, as published; the next three likewise.
        feature_weight: α₂.
        intensity_scale: τ.
        feature_scale: ℓ.
        learn_parameters: learn σ of the cue and the parameters of the kernel; False is the ablation.
        most_clicks: largest number of marked voxels of one side. Of more, as from a scribble or outside a box, those
            that lie farthest apart are kept (see `thinned`), and all single points. Time grows with the cube of their
            number, memory with the square; outside a box in a volume there are tens of thousands. Fewer voxels reduce
            accuracy: from one person's scribbles on 22 unseen objects of MedScribble, Dice 0.66 with every voxel, 0.63
            with 256 in 0.34 s of one core, 0.62 with 64 in 0.12 s. None takes every voxel.
        network: description of the network.
        optimiser: optimiser and learning rate.
        inference: only `largest_component` is used.
    """

    network: UShaped

    def __init__(
        self,
        *,
        in_channels: int = 1,
        size_voxel: tuple[int, ...] = (96, 96),
        cue: CueName = "gaussian_geodesic",
        head: Head = "gaussian_process",
        engine: Engine = "laplace",
        centre_points: int = 4,
        later_clicks: int = 3,
        margin_voxel: float = 5.0,
        margin_jitter_voxel: float = 10.0,
        jitter_voxel: float = 0.0,
        head_weight: float = 0.001,
        divergence_weight: float = 0.01,
        intensity_weight: float = 0.5,
        feature_weight: float = 0.2,
        intensity_scale: float = 1.0,
        feature_scale: float = 2.0,
        learn_parameters: bool = True,
        most_clicks: int | None = 1024,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        require_choice(Head, head=head)
        require_choice(Engine, engine=engine)
        maps = cues_of_sides(cue, (Side.FOREGROUND, Side.BACKGROUND))
        encoding = Encoding(tuple(size_voxel), maps, margin_voxel, most_seeds=most_clicks)
        super().__init__(
            encoding,
            CentreEdgeRobot(centre_points, jitter_voxel=jitter_voxel),
            later_robot=_correcting_robot(later_clicks),
            margin_jitter_voxel=margin_jitter_voxel,
            in_channels=in_channels,
            network=network,
            optimiser=optimiser,
            inference=inference,
        )
        self.network = network.build(in_channels + encoding.channels, self.num_classes)
        self.head: nn.Module
        if head == "cnn":
            fused = network.feature_channels + in_channels + encoding.channels
            self.head = CONVOLUTION[network.dimensions](fused, self.num_classes, kernel_size=1)
        else:
            self.head = GaussianProcessHead(
                intensity_weight,
                feature_weight,
                intensity_scale,
                feature_scale,
                engine=DecoupledEngine(network.feature_channels + in_channels) if engine == "decoupled" else None,
            )
        self.network.head = nn.Identity()  # `self.head` replaces it
        self.learned_cue = GaussianGeodesicCue() if cue == "gaussian_geodesic" else None
        self.head_weight = head_weight
        self.divergence_weight = divergence_weight
        if not learn_parameters:
            for part in (self.learned_cue, self.head.kernel if isinstance(self.head, GaussianProcessHead) else None):
                if part is not None:
                    part.requires_grad_(False)

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute ½ Dice and ½ cross-entropy, and the terms of the Gaussian process."""
        inputs = self._features(batch["image"], batch["cues"])
        terms = {}
        if isinstance(self.head, GaussianProcessHead):
            draws = self.training and isinstance(self.head.engine, DecoupledEngine)
            generator = torch.Generator().manual_seed(int(torch.randint(2**62, ()))) if draws else None
            prediction = self.head(inputs.features, inputs.image, batch["clicks"], generator)
            logits = prediction.logits
            terms = gaussian_process_loss(prediction.posteriors, self.head_weight, self.divergence_weight)
        else:
            logits = self._convolved(inputs)
        return {
            "dice": 0.5 * dice_loss(logits.float().softmax(dim=1), batch["target"]),
            "cross_entropy": 0.5 * partial_cross_entropy(logits, batch["target"]),
            **terms,
        }

    def answer(self, features: None, turn_input: TurnInput) -> Answer:  # noqa: ARG002  every click is an input
        """Classify all pixels from the clicks; the uncertainty is the latent variance, for the CNN 4p(1 − p)."""
        now = turn_input.now
        inputs = self._features(now.image[None].to(self.device), now.cues[None].to(self.device))
        if not isinstance(self.head, GaussianProcessHead):
            return Answer.of_probability(self._convolved(inputs).float().softmax(dim=1)[0, 1])
        prediction = self.head(inputs.features, inputs.image, clicks_of(now.placed)[None].to(self.device))
        probability = prediction.probability[0, 0]
        return Answer(probability, prediction.variance[0, 0], probability > 0.5)

    def object_probability(self, batch: Batch) -> Tensor:
        """Predict the probability (B, *size) of the object of each training sample."""
        inputs = self._features(batch["image"], batch["cues"])
        if not isinstance(self.head, GaussianProcessHead):
            return self._convolved(inputs).float().softmax(dim=1)[:, 1]
        probability: Tensor = self.head(inputs.features, inputs.image, batch["clicks"]).probability[:, 0]
        return probability

    def _features(self, image: Tensor, distances: Tensor) -> _ObjectInput:
        cues = distances if self.learned_cue is None else self.learned_cue(distances)
        return _ObjectInput(image, cues, self.network.features(torch.cat([standardise(image), cues], dim=1)))

    def _convolved(self, inputs: _ObjectInput) -> Tensor:
        logits: Tensor = self.head(torch.cat([inputs.features, inputs.image, inputs.cues], dim=1))
        return logits


def _correcting_robot(clicks: int) -> RandomClicksRobot | None:
    """A robot that clicks at random positions inside and around the object; None for no clicks."""
    if clicks == 0:
        return None
    return RandomClicksRobot(
        positive=(0, clicks),
        negative=(0, clicks),
        positive_margin_voxel=(1.0, 3.0),
        negative_margin_voxel=(2.0, 5.0, 10.0),
        reach_voxel=20.0,
        positive_apart_voxel=(3.0, 5.0),
        negative_apart_voxel=(3.0, 5.0),
    )
