"""The base class of methods that add one regulariser of the prediction to partial cross-entropy."""

from abc import abstractmethod
from collections.abc import Mapping

from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.checks import require_not_negative
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.targets import known_cross_entropy
from lesslabel.networks import Network, UNet


class RegularisedScribbles(SegmentationMethod):
    """``L = pCE(y, s) + λ(t)·R(y, x)``: a method defines R, which needs no label.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        regulariser_weight: λ, the value at the end of the ramp.
        ramp_iterations: T, after which λ(t) = λ·exp(−5·(1 − t/T)²) stays; 0 means from the start, None is the length of
            the run.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        regulariser_weight: float,
        ramp_iterations: int | None = 0,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        require_not_negative(regulariser_weight=regulariser_weight, ramp_iterations=ramp_iterations)
        self.network = self.build_network()
        self.regulariser_weight = regulariser_weight
        self.ramp_iterations = ramp_iterations

    @abstractmethod
    def regulariser(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """Compute R of a prediction.

        Args:
            probabilities: B×C×[D×]H×W, float32.
            image: B×channels×[D×]H×W, as the network sees it.

        Returns:
            Scalar.
        """

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute pCE and the weighted regulariser of all samples."""
        logits = self.network(batch["image"])
        weight = self.regulariser_weight * self.ramp_up(self.ramp_iterations)
        return {
            "partial_cross_entropy": known_cross_entropy(logits, batch),
            "regulariser": weight * self.regulariser(logits.float().softmax(dim=1), batch["image"].float()),
        }
