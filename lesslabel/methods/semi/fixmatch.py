"""FixMatch: confident labels of the plain image supervise a strongly changed one."""

from collections.abc import Mapping
from typing import Literal

from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.losses import confident_cross_entropy, confident_label, pseudo_label_loss
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.checks import require_choice, require_not_negative, require_share
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.perturb import StrongIntensity, strong_view
from lesslabel.methods.targets import supervised_terms, unlabelled_samples
from lesslabel.networks import Network, UNet

PseudoLabelLoss = Literal["cross_entropy", "dice"]


class FixMatch(SegmentationMethod):
    """Label unlabelled images by the network itself, where it is confident, and learn the labels on strong views.

    From "FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence" (Sohn et al., NeurIPS 2020,
    arXiv:2001.07685): ``L = ½·(L_CE + L_Dice) + λ·(1/N) Σ_v 1(max p_v ≥ τ)·H(p̂_v, y_v)`` (eq. 3 and 4, voxels in the
    place of images), where p is the prediction for the image as the loader gives it and y that for its strong view.
    The strong view changes intensities and mixes the unlabelled samples by CutMix, as in segmentation (UniMatch).
    Labelled and unlabelled samples share one forward pass, the strong views have their own.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        pseudo_label_weight: λ, the value at the end of the ramp.
        ramp_iterations: T, after which λ(t) = λ·exp(−5·(1 − t/T)²) stays; 0, as published, has no ramp, None is the
            length of the run. In short runs a ramp keeps first labels, all background, from being learnt.
        threshold: τ; voxels whose most probable class is below it have no pseudo label.
        pseudo_label_loss: ``cross_entropy`` over all voxels as published, or ``dice`` over the confident ones.
        strong: ranges of the intensity changes.
        cutmix_probability: probability that a strong view is mixed with another; 0 is FixMatch without CutMix.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        pseudo_label_weight: float = 1.0,
        ramp_iterations: int | None = 0,
        threshold: float = 0.95,
        pseudo_label_loss: PseudoLabelLoss = "cross_entropy",
        strong: StrongIntensity = StrongIntensity(),
        cutmix_probability: float = 0.5,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        require_not_negative(pseudo_label_weight=pseudo_label_weight, ramp_iterations=ramp_iterations)
        require_share(threshold=threshold, cutmix_probability=cutmix_probability)
        require_choice(PseudoLabelLoss, pseudo_label_loss=pseudo_label_loss)
        self.network = self.build_network()
        self.pseudo_label_weight = pseudo_label_weight
        self.ramp_iterations = ramp_iterations
        self.threshold = threshold
        self.pseudo_label_loss = pseudo_label_loss
        self.strong = strong
        self.cutmix_probability = cutmix_probability

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the supervised terms and the loss of the strong views."""
        logits = self.network(batch["image"])
        terms = supervised_terms(logits, batch)
        unlabelled = unlabelled_samples(batch)
        if unlabelled.any():
            label = confident_label(logits[unlabelled].float().softmax(dim=1), self.threshold)
            view, mixed = self.strong_view(batch["image"][unlabelled], label)
            weight = self.pseudo_label_weight * self.ramp_up(self.ramp_iterations)
            terms["pseudo_label"] = weight * self.disagreement(self.network(view), mixed)
        return terms

    def strong_view(self, image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Make a strong view of images, and mix their labels alike."""
        return strong_view(image, label, self.strong, self.cutmix_probability)

    def disagreement(self, logits: Tensor, label: Tensor) -> Tensor:
        """Compare a prediction with confident labels by the chosen loss."""
        if self.pseudo_label_loss == "dice":
            return pseudo_label_loss(logits.float().softmax(dim=1), label)
        return confident_cross_entropy(logits, label)
