"""Entropy minimisation on all samples."""

from collections.abc import Mapping

from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.losses import entropy_loss
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.checks import require_not_negative
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.targets import supervised_terms
from lesslabel.networks import Network, UNet


class EntropyMinimisation(SegmentationMethod):
    """Supervised learning plus a low entropy of the prediction in every voxel, labelled or not.

    After "Semi-supervised Learning by Entropy Minimization" (Grandvalet and Bengio, NeurIPS 2004), with the normalised
    entropy of ADVENT (Vu et al., CVPR 2019), as in the semi-supervised segmentation benchmarks:
    ``L = ½·(L_CE + L_Dice) + λ(t)·mean H(y) / ln C``. All samples share one forward pass.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        entropy_weight: λ, the value at the end of the ramp.
        ramp_iterations: T, after which λ(t) = λ·exp(−5·(1 − t/T)²) stays; None is the length of the run.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        entropy_weight: float = 0.1,
        ramp_iterations: int | None = None,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        require_not_negative(entropy_weight=entropy_weight, ramp_iterations=ramp_iterations)
        self.network = self.build_network()
        self.entropy_weight = entropy_weight
        self.ramp_iterations = ramp_iterations

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the supervised terms and the entropy of all samples."""
        logits = self.network(batch["image"])
        weight = self.entropy_weight * self.ramp_up(self.ramp_iterations)
        return {
            **supervised_terms(logits, batch),
            "entropy": weight * entropy_loss(logits.float().softmax(dim=1)),
        }
