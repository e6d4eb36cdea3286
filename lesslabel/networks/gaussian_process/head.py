"""A head that learns from the clicks on an image and classifies all of its pixels."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lesslabel.data.case import IGNORE
from lesslabel.errors import ConfigError
from lesslabel.networks.gaussian_process.decoupled import DecoupledEngine, DecoupledPosterior, PosteriorFunction
from lesslabel.networks.gaussian_process.kernel import HybridKernel, Pixels
from lesslabel.networks.gaussian_process.laplace import LaplaceEngine, LaplacePosterior
from lesslabel.networks.gaussian_process.logistic_normal import expected_sigmoid

Engine = LaplaceEngine | DecoupledEngine
ClickPosterior = LaplacePosterior | DecoupledPosterior


@dataclass(frozen=True)
class GaussianProcessPrediction:
    """The prediction of the head for a batch.

    Attributes:
        mean: B×1×[D×]H×W, mean of the latent value, 0 far from every click; the value of a sampled function.
        variance: B×1×[D×]H×W, its variance, α₁ + α₂ far from every click; 0 for a sampled function. The next click
            helps most where it is large.
        probability: B×1×[D×]H×W in [0, 1], of foreground.
        posteriors: one per sample, the posterior at its clicks; for `gaussian_process_loss`.
    """

    mean: Tensor
    variance: Tensor
    probability: Tensor
    posteriors: tuple[ClickPosterior, ...]

    @property
    def logits(self) -> Tensor:
        """Compute log-probabilities of background and foreground, B×2×[D×]H×W, for losses on logits.

        Both are precise, whereas log(1 − p) is not for p close to 1.
        """
        mean = torch.cat([-self.mean, self.mean], dim=1)
        probability = expected_sigmoid(mean, self.variance)
        return probability.clamp_min(torch.finfo(probability.dtype).tiny).log()


class GaussianProcessHead(nn.Module):
    """Binary Gaussian process classification of pixels, trained on the clicks of each image.

    After the pixel classification in "基于改良测地线距离编码和混合高斯过程分类的医学图像交互式分割方法" (a method of
    interactive segmentation with improved geodesic encoding and hybrid Gaussian process classification), which follows
    GPCIS (Zhou et al., "Interactive segmentation as Gaussian process classification", CVPR 2023). The clicked pixels
    with their labels are the training set; all pixels, the clicked ones too, are the test set.

    The posterior at the clicks is Laplace's approximation (eq. 9), or that of another engine. A pixel u has the
    latent mean ``K_uc K_cc⁻¹ f̂`` (eq. 11) and, as variance, its element of the diagonal of eq. 12; its probability is
    the mean of the sigmoid over both. Gradients reach the features, the intensities and the parameters of the
    `HybridKernel`, through the mode f̂ as well.

    Time is O(c³ + N·c²) for c clicks and N pixels. Pixels are processed in blocks, which the backward pass computes
    again: no N×c matrix is stored, and memory is that of features, maps and their gradients. The solves over clicks are
        in
    float64.

    Args:
        intensity_weight: initial α₁ of the kernel; the next three are initial values too.
        feature_weight: α₂.
        intensity_scale: τ, in units of intensity; images are expected in [0, 1].
        feature_scale: ℓ, in units of the features.
        block_pixels: number of pixels in a block; does not change results.
        engine: finds the posterior at the clicks; None for `LaplaceEngine`, or a `DecoupledEngine` as in GPCIS.

    Raises:
        ConfigError: if an argument is not positive.
    """

    def __init__(
        self,
        intensity_weight: float = 0.5,
        feature_weight: float = 0.2,
        intensity_scale: float = 1.0,
        feature_scale: float = 2.0,
        block_pixels: int = 16384,
        engine: Engine | None = None,
    ) -> None:
        super().__init__()
        if block_pixels < 1:
            raise ConfigError(f"block_pixels: {block_pixels} must be positive")
        self.kernel = HybridKernel(intensity_weight, feature_weight, intensity_scale, feature_scale)
        self.block_pixels = block_pixels
        self.engine = LaplaceEngine() if engine is None else engine

    def forward(
        self, features: Tensor, intensities: Tensor, clicks: Tensor, generator: torch.Generator | None = None
    ) -> GaussianProcessPrediction:
        """Learn from the clicks of every sample and classify its pixels.

        A sample without a click gets mean 0 and probability 0.5 everywhere. Clicks of one class only are enough: with
        Laplace's engine the probability then falls from that class at the clicks to 0.5 far from them, and never
        crosses it.

        Args:
            features: B×F×[D×]H×W, of any network.
            intensities: B×C×[D×]H×W, the image.
            clicks: B×[D×]H×W int64, 1 where foreground was clicked, 0 where background was, `IGNORE` elsewhere.
            generator: on the CPU; if given, the prediction is one function for every sample, sampled from the
                posterior.

        Returns:
            Maps in float32, or float64 for float64 features, also under autocast.

        Raises:
            ConfigError: if the shapes do not fit, clicks hold another value, or the engine cannot sample functions.
        """
        _check(features, intensities, clicks)
        dtype = torch.promote_types(torch.promote_types(features.dtype, intensities.dtype), torch.float32)
        with torch.autocast(features.device.type, enabled=False):
            samples = [
                self._sample(Pixels(*sample), known, generator)
                for *sample, known in zip(
                    features.to(dtype).flatten(2), intensities.to(dtype).flatten(2), clicks.flatten(1), strict=True
                )
            ]
        maps = torch.stack([maps for maps, _ in samples]).reshape(len(clicks), 3, *clicks.shape[1:])
        return GaussianProcessPrediction(
            mean=maps[:, 0:1],
            variance=maps[:, 1:2],
            probability=maps[:, 2:3],
            posteriors=tuple(posterior for _, posterior in samples),
        )

    def _sample(
        self, pixels: Pixels, clicks: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, ClickPosterior]:
        """Compute the maps of one sample, 3×N (mean, variance, probability), and the posterior at its clicks."""
        place = (clicks != IGNORE).nonzero()[:, 0]
        labels = clicks[place]
        if not ((labels == 0) | (labels == 1)).all():
            raise ConfigError(
                f"clicks hold {sorted(set(labels.tolist()))}; expected 1 (foreground), 0 (background), {IGNORE} (none)"
            )
        clicked = Pixels(*(values[:, place] for values in pixels))
        wide = Pixels(*(values.double() for values in clicked))
        posterior: ClickPosterior = self.engine(self.kernel(wide, wide), labels.double(), wide)
        function = None if generator is None else self._draw(posterior, wide, generator)
        # Split once: separate slices would each have a gradient of the size of the whole.
        parts = (torch.split(values, self.block_pixels, dim=1) for values in pixels)
        blocks = [
            checkpoint(
                self._block,
                Pixels(*part),
                clicked,
                posterior,
                function,
                use_reentrant=False,
                preserve_rng_state=False,
            )
            for part in zip(*parts, strict=True)
        ]
        return torch.cat(blocks, dim=1), posterior

    def _draw(self, posterior: ClickPosterior, clicked: Pixels, generator: torch.Generator) -> PosteriorFunction:
        if not isinstance(self.engine, DecoupledEngine) or not isinstance(posterior, DecoupledPosterior):
            raise ConfigError("generator: only a DecoupledEngine samples functions; pass one, or no generator")
        return self.engine.draw(self.kernel, posterior, clicked, generator)

    def _block(
        self, pixels: Pixels, clicked: Pixels, posterior: ClickPosterior, function: PosteriorFunction | None
    ) -> Tensor:
        if function is not None:
            value = function(self.kernel, pixels)
            return torch.stack([value, torch.zeros_like(value), torch.sigmoid(value)])
        covariance = self.kernel(clicked, pixels)
        mean = posterior.score.to(covariance.dtype) @ covariance
        explained = posterior.explained(covariance)
        variance = (self.kernel.variance.to(covariance.dtype) - explained).clamp_min(0)
        return torch.stack([mean, variance, expected_sigmoid(mean, variance)])


def _check(features: Tensor, intensities: Tensor, clicks: Tensor) -> None:
    grids = [features.shape[:1] + features.shape[2:], intensities.shape[:1] + intensities.shape[2:], clicks.shape]
    if not grids[0] == grids[1] == grids[2]:
        raise ConfigError(
            f"features {tuple(features.shape)}, intensities {tuple(intensities.shape)} and clicks "
            f"{tuple(clicks.shape)} must share batch and grid; clicks have no channel"
        )
