"""DPL: train on pseudo-labels of the source's model where dropout and class prototypes confirm them."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE
from lesslabel.losses import partial_cross_entropy
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.checks import require_at_least, require_positive, require_share
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.prototypes import class_prototypes, nearest_prototype
from lesslabel.methods.teacher import Teacher, with_copies
from lesslabel.networks import Network, UNet, penultimate_maps


class DPL(SegmentationMethod):
    """Cross-entropy on denoised pseudo-labels of the frozen source model.

    From "Source-Free Domain Adaptive Fundus Image Segmentation with Denoised Pseudo-Labeling" (Chen et al., MICCAI
    2021). The source's model predicts each image several times with dropout. A voxel's pseudo-label is its class if the
    mean probability reaches γ, else background. It counts where the standard deviation of that class's probability is
    below η, and where the mean feature is nearest to the prototype of the same class; a prototype is the mean feature
    of the certain voxels of a class in the batch, weighted by their probability.

    The paper has a sigmoid for each structure, and prototypes of it and of the rest; here classes exclude each other,
    and the nearest of all prototypes must be the own one. No label is used, whatever a batch holds.

    Start from a trained network with dropout (`lesslabel fit --weights`, `lesslabel adapt`).

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        passes: predictions with dropout of each image.
        threshold: γ, the mean probability from which a voxel is of a structure, in (0, 1].
        largest_deviation: η.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        passes: int = 10,
        threshold: float = 0.75,
        largest_deviation: float = 0.05,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        require_at_least(2, passes=passes)
        require_share(threshold=threshold)
        require_positive(threshold=threshold, largest_deviation=largest_deviation)
        self.network = self.build_network()
        self.source = Teacher(self.network)  # never updated
        self.passes = passes
        self.threshold = threshold
        self.largest_deviation = largest_deviation

    def complete_weights(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Keep the network that training starts from as the source."""
        return with_copies(weights, "source")

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the cross-entropy against the denoised pseudo-labels."""
        image = batch["image"]
        label = denoised_label(*self.several_predictions(image), self.threshold, self.largest_deviation)
        return {"cross_entropy": partial_cross_entropy(self.network(image), label)}

    def several_predictions(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Predict several times with the source's dropout.

        Returns:
            T×B×C×[D×]H×W probabilities, and the mean of the features, B×F×[D×]H×W.
        """
        predictions, features = zip(*(self._predict(image) for _ in range(self.passes)), strict=True)
        return torch.stack(predictions), torch.stack(features).mean(dim=0)

    def _predict(self, image: Tensor) -> tuple[Tensor, Tensor]:
        with penultimate_maps(self.source) as maps:
            probabilities = self.source(image).float().softmax(dim=1)
        return probabilities, maps[0].float()


@torch.no_grad()
def denoised_label(predictions: Tensor, features: Tensor, threshold: float, largest_deviation: float) -> Tensor:
    """Keep the pseudo-labels that are certain and near their prototype.

    Args:
        predictions: T×B×C×[D×]H×W probabilities of several passes.
        features: B×F×[D×]H×W, their mean.
        threshold: mean probability from which a voxel is of a structure.
        largest_deviation: of the probability of the labelled class over passes (of the population).

    Returns:
        B×[D×]H×W int64 class indices, `IGNORE` elsewhere.
    """
    label, nearest, certain = examined_label(predictions, features, threshold, largest_deviation)
    return label.masked_fill(~certain | (nearest != label), IGNORE)


@torch.no_grad()
def examined_label(
    predictions: Tensor, features: Tensor, threshold: float, largest_deviation: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Label every voxel, and examine the label; the arguments are those of `denoised_label`.

    Returns:
        The label, the class of the nearest prototype, and whether the prediction is certain, B×[D×]H×W each.
    """
    mean, deviation = predictions.mean(dim=0), predictions.std(dim=0, correction=0)
    probability, structure = mean[:, 1:].max(dim=1)
    label = torch.where(probability >= threshold, structure + 1, 0)
    certain = deviation.gather(1, label[:, None])[:, 0] < largest_deviation
    own = torch.zeros_like(mean).scatter(1, label[:, None], certain[:, None].float())
    return label, nearest_prototype(features, class_prototypes(features, own * mean)), certain
