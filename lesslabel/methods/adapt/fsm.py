"""FSM: the source's style, found through its statistics, and labels that hold in both styles."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lesslabel.data.batch import Batch
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.losses import hard_label
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.checks import require_at_least, require_not_negative, require_positive, require_share
from lesslabel.methods.compactness import compactness, structures
from lesslabel.methods.fourier import low_frequencies_of
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.statistics import differences_of_statistics, require_batch_normalisation
from lesslabel.methods.teacher import FrozenCopy, with_copies
from lesslabel.networks import Network, UNet, UShaped, encoder_maps


class FSM(SegmentationMethod):
    """Source-like images by Fourier style mining, and one network that answers alike on them and on the images.

    After "Source free domain adaptation for medical image segmentation with Fourier style mining" (Yang et al., Medical
    Image Analysis 2022); where the text leaves a choice, its public code decides.

    1. Generation: from the image x, Adam minimises ``Σ_l (‖μ_l − m_l‖ + ‖σ²_l − v_l‖) + η·Σ_k mean (e_k − e_k(x))²``
       over an image x'. l are the layers of batch normalisation of the source's encoder with running statistics m and
       v; e_k are its maps, without the finest. The source-like image s is x with the low frequencies of x'.
    2. Adaptation: f is the encoder's last map of the network that learns, R a rotation, d(a, b) = mean (a − b)².
       Distillation (eq. 5): ``(d(f(s), f(Rs)) − d(f(x), f(Rx)))²``. Contrast (eq. 6): ``d(f(s), f(x)) + (d(f(s),
       f(Rx)) − d(f(s), f(Rs)))²``. Consistency (eq. 7): the mean over samples and structures of w·(1 − Dice) against
       the label ŷ, summed over s, x, Rs and Rx, where w (eq. 8) is the compactness of the structure in ŷ.

    The code generates each image once, alone, in 100 steps of 0.01 for intensities in [0, 1]; here each batch anew, by
    its own statistics, in fewer and larger steps, so that images may be cropped and augmented. Chosen here: ŷ is the
    source's label for s; w is 1 for a ball, in the code about 8 for a disc, and 0 for a structure without a voxel; R is
    a quarter turn, and a half turn of oblong images. The code predicts source-like images; here images as they are. The
    paper has a sigmoid for each structure; here classes exclude each other. No label is used, whatever a batch holds.
    Start from a trained network with batch normalisation (`lesslabel fit --weights`, `lesslabel adapt`).

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        generation_steps: of Adam for each batch, 0 or more; 0 keeps the style of the image.
        generation_rate: learning rate of Adam, positive, in units of the intensity.
        content_weight: η, 0 or more.
        style_share: β of the frequencies that s takes from x', in [0, 1], see `low_frequencies_of`.
        distillation_weight: 0 or more.
        contrast_weight: 0 or more.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.

    Raises:
        ConfigError: if a setting is out of its range, or the network has no batch normalisation.
    """

    network: UShaped

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        generation_steps: int = 20,
        generation_rate: float = 0.05,
        content_weight: float = 0.5,
        style_share: float = 0.05,
        distillation_weight: float = 0.1,
        contrast_weight: float = 0.01,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        require_at_least(0, generation_steps=generation_steps)
        require_positive(generation_rate=generation_rate)
        require_share(style_share=style_share)
        require_not_negative(
            content_weight=content_weight, distillation_weight=distillation_weight, contrast_weight=contrast_weight
        )
        self.network = self.build_network()
        self.source = FrozenCopy(self.network)
        self.generation_steps, self.generation_rate = generation_steps, generation_rate
        self.content_weight, self.style_share = content_weight, style_share
        self.distillation_weight, self.contrast_weight = distillation_weight, contrast_weight

    def before_training(self, data: SegmentationDataModule, *, resumed: bool) -> None:  # noqa: ARG002  not read
        """Refuse a network without batch normalisation."""
        require_batch_normalisation(self.network.encoder, "FSM")

    def complete_weights(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Keep the network that training starts from as the source."""
        return with_copies(weights, "source")

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the consistency with the source's labels, the distillation and the contrast."""
        image = batch["image"]
        styled = self.source_like(image)
        label = hard_label(self.source(styled))
        turns = int(torch.randint(1, 4, ())) if image.shape[-1] == image.shape[-2] else 2
        label_turned, *turned = (torch.rot90(one, turns, (-2, -1)) for one in (label, styled, image))
        images, labels = [styled, turned[0], image, turned[1]], [label, label_turned] * 2
        with encoder_maps(self.network) as maps:
            predictions = [self.network(one).float().softmax(dim=1) for one in images]
        distillation, contrast = relation_losses(*(one[-1].float() for one in maps))
        weight = compactness(label, self.num_classes)
        consistencies = [compact_dice_loss(*pair, weight) for pair in zip(predictions, labels, strict=True)]
        return {
            "consistency": torch.stack(consistencies).sum(),
            "distillation": self.distillation_weight * distillation,
            "contrast": self.contrast_weight * contrast,
        }

    def source_like(self, image: Tensor) -> Tensor:
        """Give images B×C×[D×]H×W the style in which the source finds its own statistics, without a gradient."""
        assert isinstance(self.source.network, UShaped)
        encoder = self.source.network.encoder
        with torch.no_grad():
            content = encoder(image)[1:]
        mined = nn.Parameter(image.detach().clone())
        adam = torch.optim.Adam([mined], lr=self.generation_rate, betas=(0.5, 0.9))
        for _ in range(self.generation_steps):
            with torch.enable_grad(), differences_of_statistics(encoder) as differences:
                changes = [F.mse_loss(one, own) for one, own in zip(encoder(mined)[1:], content, strict=True)]
                distances = [mean.norm() + variance.norm() for mean, variance in differences]
                loss = torch.stack([self.content_weight * change.float() for change in changes] + distances).sum()
            (mined.grad,) = torch.autograd.grad(loss, [mined])
            adam.step()
        return low_frequencies_of(image, mined.detach(), self.style_share)


def relation_losses(
    styled: Tensor, styled_turned: Tensor, image: Tensor, image_turned: Tensor
) -> tuple[Tensor, Tensor]:
    """Compute the distillation and the contrast (eq. 5, 6) of four maps of the same shape."""
    own = F.mse_loss(styled, styled_turned)
    distillation = (own - F.mse_loss(image, image_turned)).square()
    contrast = F.mse_loss(styled, image) + (F.mse_loss(styled, image_turned) - own).square()
    return distillation, contrast


def compact_dice_loss(probabilities: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Average w·(1 − Dice) over samples and structures, with plain sums in each sample (eq. 7).

    Args:
        probabilities: B×C×[D×]H×W.
        label: B×[D×]H×W, class indices.
        weight: w, B×(C−1).
    """
    predicted, inside = probabilities[:, 1:].flatten(2), structures(label, probabilities.shape[1]).flatten(2)
    dice = (2.0 * (predicted * inside).sum(2) + 1.0) / (predicted.sum(2) + inside.sum(2) + 1.0)
    return (weight * (1.0 - dice)).mean()
