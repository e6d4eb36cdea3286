"""ProSFDA: a learned addition makes new images look as the source's, then the network learns from its labels."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lesslabel.data.batch import Batch
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.losses import hard_label, partial_cross_entropy
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.checkpoints import with_own_parts
from lesslabel.methods.checks import require_at_least, require_not_negative, require_share
from lesslabel.methods.fourier import low_frequencies_of
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.statistics import differences_of_statistics, require_batch_normalisation
from lesslabel.methods.teacher import FrozenCopy, with_copies
from lesslabel.networks import Network, UNet, UShaped, encoder_maps
from lesslabel.networks.layers import LINEAR_MODE


class ProSFDA(SegmentationMethod):
    """A prompt that aligns the source's batch statistics, then features that do not depend on the style.

    After "ProSFDA: Prompt Learning based Source-free Domain Adaptation for Medical Image Segmentation" (Hu et al.,
    2022, arXiv:2211.11514). The prompt P is added to every image, in prediction too.

    1. Prompt learning: ``Σ_l mean |μ_l − m_l| + α·mean |σ²_l − v_l|`` over the layers l of batch normalisation of the
       source's encoder, with μ and σ² of the batch x + P, and m and v the running statistics. The source never changes.
    2. Feature alignment: with the label ŷ of the source for x + P, x' the image with the low frequencies of the next
       one of the batch, and g the encoder's last map: ``CE(y(x + P), ŷ) + CE(y(x' + P), ŷ) + γ·(|g − [g']| + |g' −
       [g]|)``, means, where [·] has no gradient.

    The paper has a sigmoid for each structure, here classes exclude each other. Its prompt has the size of the image;
    here it is a coarser grid that is interpolated, so that it fits images of any size (chosen here). Its stages are two
    trainings, and the prompt is fixed in the second, where images are augmented; here they are parts of one run, and
    the prompt goes on learning, by its own term alone. No label is used, whatever a batch holds. Start from a trained
    network with batch normalisation (`lesslabel fit --weights`, `lesslabel adapt`).

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        prompt_share: share of the run, in [0, 1], in which only the prompt learns.
        prompt_side: places of the prompt along each axis, at least 1; 1 is a shift of each channel.
        variance_weight: α, 0 or more.
        alignment_weight: γ, 0 or more.
        style_share: largest β of the exchanged frequencies, in [0, 1], see `low_frequencies_of`; drawn anew each time.
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
        prompt_share: float = 0.5,
        prompt_side: int = 16,
        variance_weight: float = 0.01,
        alignment_weight: float = 0.01,
        style_share: float = 0.15,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        require_share(prompt_share=prompt_share, style_share=style_share)
        require_at_least(1, prompt_side=prompt_side)
        require_not_negative(variance_weight=variance_weight, alignment_weight=alignment_weight)
        self.network = self.build_network()
        self.source = FrozenCopy(self.network)
        self.prompt = nn.Parameter(torch.zeros(1, in_channels, *[prompt_side] * network.dimensions))
        self.prompt_share, self.style_share = prompt_share, style_share
        self.variance_weight, self.alignment_weight = variance_weight, alignment_weight

    def before_training(self, data: SegmentationDataModule, *, resumed: bool) -> None:  # noqa: ARG002  not read
        """Refuse a network without batch normalisation."""
        require_batch_normalisation(self.network.encoder, "ProSFDA")

    def complete_weights(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Keep the network that training starts from as the source; the prompt starts as 0."""
        return with_own_parts(with_copies(weights, "source"), self, "prompt")

    def prompted(self, image: Tensor, prompt: Tensor) -> Tensor:
        """Add a prompt to images B×C×[D×]H×W."""
        return image + F.interpolate(prompt, image.shape[2:], mode=LINEAR_MODE[image.ndim - 2], align_corners=False)

    def logits(self, image: Tensor) -> Tensor:
        """Predict with the prompt."""
        result: Tensor = self.network(self.prompted(image, self.prompt))
        return result

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the loss of the prompt, and after its share of the run those of the network."""
        image, source = batch["image"], self.source.network
        assert isinstance(source, UShaped)
        with differences_of_statistics(source.encoder) as differences:
            answer = source(self.prompted(image, self.prompt))
        distances = [mean.abs().mean() + self.variance_weight * variance.abs().mean() for mean, variance in differences]
        terms = {"statistics": torch.stack([0.0 * self.prompt.sum(), *distances]).sum()}
        if self.progress >= self.prompt_share:
            label, prompt = hard_label(answer), self.prompt.detach()
            beta = self.style_share * float(torch.rand(()))
            restyled = low_frequencies_of(image, image.roll(1, 0), beta)
            with encoder_maps(self.network) as maps:
                logits = [self.network(self.prompted(one, prompt)) for one in (image, restyled)]
            first, second = maps[0][-1], maps[1][-1]
            alignment = F.l1_loss(first, second.detach()) + F.l1_loss(second, first.detach())
            terms["cross_entropy"] = partial_cross_entropy(logits[0], label) + partial_cross_entropy(logits[1], label)
            terms["alignment"] = self.alignment_weight * alignment.float()
        return terms
