"""CycleMix: mixed and occluded scribbles, and predictions that are consistent with the mix."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE
from lesslabel.losses import partial_cross_entropy
from lesslabel.losses.rules import over_grid
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.checks import require_not_negative
from lesslabel.methods.inference import Inference, keep_largest_components
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.perturb import CutMixParameters, require_cutmix, sample_cutmix
from lesslabel.methods.targets import known_cross_entropy, take_samples
from lesslabel.networks import Network, UNet


class CycleMix(SegmentationMethod):
    """Scribbles of two images in one, minus an occluded box; the prediction of the mix is the mix of predictions.

    After "CycleMix: A Holistic Strategy for Medical Image Segmentation from Scribble Supervision" (Zhang and Zhuang,
    CVPR 2022, arXiv:2203.01475): ``L = pCE(y, s) + pCE(y_m, s_m) + λ₁·L_global + λ₂·L_local``. m takes a box of another
    sample (increment of scribbles) and empties a second box (decrement). ``L_global`` is one minus the mean cosine of
    ``y_m`` and m(y) over voxels that are not emptied, ``L_local`` that of y and of the labels of y of which every
    foreground class keeps its largest connected part.

    The publication mixes by PuzzleMix, which places the salient parts of both images by a graph cut; boxes are taken
    here, so this is like CycleMix, not CycleMix. The public code also rotates the mix and adds adversarial noise to the
    images, and includes emptied voxels in the cosine; both are left out. Its weights, 0.1 and 0.1, are the defaults.

    `local_weight` supposes that each class is one connected region; set it to 0 where it is not.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        global_weight: λ₁.
        local_weight: λ₂.
        mixed_share: smallest and largest share of the image that comes from the other sample.
        occluded_share: smallest and largest share of the image that is emptied.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        global_weight: float = 0.1,
        local_weight: float = 0.1,
        mixed_share: tuple[float, float] = (0.1, 0.5),
        occluded_share: tuple[float, float] = (0.02, 0.05),
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        require_not_negative(global_weight=global_weight, local_weight=local_weight)
        for share in (mixed_share, occluded_share):
            require_cutmix(share, 1.0)
        self.network = self.build_network()
        self.global_weight, self.local_weight = global_weight, local_weight
        self.mixed_share, self.occluded_share = mixed_share, occluded_share

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute pCE of the images and of their mixes, and both consistencies."""
        image = batch["image"]
        mix, hole = (
            sample_cutmix(len(image), image.shape[2:], share=share, probability=1.0)
            for share in (self.mixed_share, self.occluded_share)
        )
        empty = hole.inside.to(image.device)
        logits = self.network(image)
        mixed_logits = self.network(mix.apply(image).masked_fill(empty[:, None], 0.0))
        predicted, predicted_mix = logits.float().softmax(dim=1), mixed_logits.float().softmax(dim=1)
        agreement = torch.nn.functional.cosine_similarity(predicted_mix, mix.apply(predicted), dim=1)
        terms = {
            "partial_cross_entropy": known_cross_entropy(logits, batch),
            "mixed_cross_entropy": mixed_cross_entropy(mixed_logits, batch, mix, empty),
            "global": self.global_weight * (1 - (agreement * ~empty).sum() / (~empty).sum().clamp_min(1)),
        }
        if self.local_weight:
            whole = largest_parts(predicted)
            terms["local"] = self.local_weight * (
                1 - torch.nn.functional.cosine_similarity(predicted, whole, dim=1).mean()
            )
        return terms


def mixed_cross_entropy(logits: Tensor, batch: Batch, mix: CutMixParameters, empty: Tensor) -> Tensor:
    """Average the cross-entropy over the known voxels of mixed samples; 0 if none is known.

    What each part of a mix annotates stays its own, also where the samples annotate different labels.

    Args:
        logits: of the mixed images, B×C×[D×]H×W.
        batch: the samples before the mix.
        mix: the boxes.
        empty: (B, [D], H, W) bool, voxels whose image was emptied.
    """
    inside = mix.inside.to(empty.device)
    total, amount = logits.new_zeros((), dtype=torch.float32), logits.new_zeros((), dtype=torch.float32)
    for part, region in ((batch, ~inside), (take_samples(batch, mix.partner.to(empty.device)), inside)):
        target = torch.where(region & ~empty, part["target"], IGNORE)
        weight = part.get("weight")
        known = (target != IGNORE).float()
        counted = (known if weight is None else known * over_grid(weight, known)).sum()
        mean = partial_cross_entropy(logits, target, annotated_labels=part["annotated_labels"], weight=weight)
        total, amount = total + counted.clamp_min(1) * mean, amount + counted
    return total / amount.clamp_min(1)


def largest_parts(probabilities: Tensor) -> Tensor:
    """The most probable classes, one-hot; of each foreground class the largest part whose voxels touch by a face.

    Args:
        probabilities: B×C×[D×]H×W with background; smaller parts become background.
    """
    classes = probabilities.shape[1]
    kept = torch.stack([keep_largest_components(label, classes) for label in probabilities.argmax(dim=1)])
    return torch.nn.functional.one_hot(kept, classes).movedim(-1, 1).to(probabilities)
