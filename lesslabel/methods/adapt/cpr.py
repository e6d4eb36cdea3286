"""CPR: pseudo-labels of the source's model walk to similar neighbours, and those that stay clear are learned."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE
from lesslabel.errors import ConfigError
from lesslabel.methods.adapt.dpl import DPL, examined_label
from lesslabel.methods.checkpoints import with_own_parts
from lesslabel.methods.checks import require_at_least, require_not_negative, require_positive, require_share
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.similarity import neighbour_offsets, neighbour_similarity, random_walk, similarity_loss
from lesslabel.networks import Network, UNet
from lesslabel.networks.layers import CONVOLUTION, LINEAR_MODE, normalise


class CPR(DPL):
    """Focal loss on the source's pseudo-labels after a random walk along a similarity that is learned first.

    After "Context-Aware Pseudo-Label Refinement for Source-Free Domain Adaptive Fundus Image Segmentation" (Huai et
    al., MICCAI 2023, arXiv:2308.07731), on a grid of blocks of voxels:

    1. Context: a convolution of size 1, normalisation and ReLU make f of the source's features. Two places nearer than
       `radius` have the similarity S_ij = exp(−mean |f_i − f_j|). It is learned from the labels of DPL: ¼ of the loss
       are pairs in the background, ¼ pairs in one structure, ½ pairs of different classes.
    2. Walk: p'_j = Σ_i S_ij^β·p_i / Σ_i S_ij^β, `walk_steps` times, from the source's mean prediction p.
    3. Calibration: p'_c is scaled by max p_c / max p'_c over the image, since the walk lowers small structures.
    4. Training: a voxel is of the most probable structure if p' > `high`, of the background if no p' ≥ `low`, and else
       unknown; also where the nearest prototype is another class. ``L = mean (1 − y_c)^γ·(−ln y_c)``.

    The paper has a sigmoid and a similarity for each structure; here classes exclude each other and share one. The
    public code only divides by max p'_c, as each of its images shows both structures. It takes the encoder's last map
    at stride 16, here the penultimate one averaged over blocks; it learns the similarity for 16 epochs, freezes it, and
    then trains for 10 on changed intensities; here the similarity goes on learning, and the image is as loaded.
    No label is used, whatever a batch holds. Start from a trained network with dropout (`lesslabel adapt`).

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        passes: predictions with dropout of each image.
        threshold: of the labels of DPL, in (0, 1].
        largest_deviation: of the labels of DPL, positive.
        context_share: share of the run, in [0, 1], in which only the similarity learns.
        block_voxel: side of a block.
        radius: of the neighbourhood in blocks, at least 2.
        walk_power: β, positive.
        walk_steps: 0 or more; 0 keeps the prediction.
        low: in [0, 1].
        high: in [0, 1].
        focus: γ, 0 or more; 0 is the cross-entropy.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.

    Raises:
        ConfigError: if a setting is out of its range.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        passes: int = 10,
        threshold: float = 0.75,
        largest_deviation: float = 0.05,
        context_share: float = 0.5,
        block_voxel: int = 4,
        radius: int = 4,
        walk_power: float = 2.0,
        walk_steps: int = 4,
        low: float = 0.4,
        high: float = 0.85,
        focus: float = 2.0,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes,
            in_channels=in_channels,
            passes=passes,
            threshold=threshold,
            largest_deviation=largest_deviation,
            network=network,
            optimiser=optimiser,
            inference=inference,
        )
        require_share(context_share=context_share, low=low, high=high)
        if low > high:
            raise ConfigError(f"low: {low} above high: {high}; give low at most high")
        require_at_least(1, block_voxel=block_voxel)
        require_at_least(2, radius=radius)
        require_positive(walk_power=walk_power)
        require_not_negative(walk_steps=walk_steps, focus=focus)
        dimensions, width = network.dimensions, network.feature_channels
        convolution = CONVOLUTION[dimensions](width, width, kernel_size=1, bias=False)
        self.context = nn.Sequential(convolution, normalise(dimensions, width, "batch"), nn.ReLU())
        self.offsets = neighbour_offsets(radius, dimensions)
        self.context_share, self.block_voxel = context_share, block_voxel
        self.walk_power, self.walk_steps = walk_power, walk_steps
        self.low, self.high, self.focus = low, high, focus

    def complete_weights(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Keep the network that training starts from as the source; the similarity starts at random."""
        return with_own_parts(super().complete_weights(weights), self, "context")

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the loss of the similarity, and after its share of the run that of the refined labels."""
        image = batch["image"]
        predictions, features = self.several_predictions(image)
        label, nearest, certain = examined_label(predictions, features, self.threshold, self.largest_deviation)
        clean = label.masked_fill(~certain | (nearest != label), IGNORE)
        grid = [-(-side // self.block_voxel) for side in image.shape[2:]]
        grid = [2] * len(grid) if max(grid) == 1 else grid  # one block has no neighbour
        similarity = neighbour_similarity(self.context(F.interpolate(features, grid, mode="area")), self.offsets)
        coarse = F.interpolate(clean[:, None].float(), grid, mode="nearest")[:, 0].long()
        terms = {"context": similarity_loss(similarity.float(), coarse, self.offsets)}
        if self.progress >= self.context_share:
            before = F.interpolate(predictions.mean(dim=0), grid, mode="area")
            weights = similarity.detach().float() ** self.walk_power
            after = calibrated(random_walk(before, weights, self.offsets, self.walk_steps), before)
            after = F.interpolate(after, image.shape[2:], mode=LINEAR_MODE[len(grid)], align_corners=False)
            refined = clear_label(after, self.low, self.high)
            refined = refined.masked_fill(refined != nearest, IGNORE)
            terms["focal"] = focal_loss(self.network(image), refined, self.focus)
        return terms


def calibrated(after: Tensor, before: Tensor) -> Tensor:
    """Scale probabilities B×C×[D×]H×W so that each class has the same maximum in the image as before."""
    axes = tuple(range(2, after.ndim))
    return after * before.amax(axes, keepdim=True) / after.amax(axes, keepdim=True).clamp(min=1e-12)


def clear_label(probabilities: Tensor, low: float, high: float) -> Tensor:
    """Label by the most probable structure above `high`, background below `low`, else `IGNORE`: B×[D×]H×W."""
    probability, structure = probabilities[:, 1:].max(dim=1)
    background = torch.where(probability < low, 0, IGNORE)
    return torch.where(probability > high, structure + 1, background)


def focal_loss(logits: Tensor, label: Tensor, focus: float) -> Tensor:
    """Average (1 − y_c)^γ·(−ln y_c) over the known voxels; 0 if there is none."""
    known = label != IGNORE
    log_y = logits.float().log_softmax(dim=1).gather(1, label.masked_fill(~known, 0)[:, None])[:, 0]
    loss = (1.0 - log_y.exp()).clamp(min=1e-6) ** focus * -log_y
    return loss.masked_fill(~known, 0.0).sum() / known.sum().clamp(min=1)
