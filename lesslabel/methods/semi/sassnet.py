"""SASSNet: a second head predicts signed distances, whose shape a discriminator judges."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lesslabel.data.batch import Batch
from lesslabel.data.case import Kind
from lesslabel.losses import LevelSetDerivation, level_set_loss, level_set_targets
from lesslabel.methods.adversary import DISCRIMINATOR, AdversarialMethod
from lesslabel.methods.checks import require_not_negative
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.targets import dense_target, supervised_terms
from lesslabel.networks import Network, TwoHeads, UNet


class SASSNet(AdversarialMethod):
    """A network with a head for classes and one for their signed distances; unlabelled shapes shall look like labelled.

    From "Shape-aware Semi-supervised 3D Semantic Segmentation for Medical Images" (Li et al., MICCAI 2020,
    arXiv:2007.10732): ``L = ½·(L_CE + L_Dice) + β·L_SDM − λ(t)·mean ln D(z(u), u)``, with the squared error L_SDM of
    the signed distances z of all foreground classes on dense labels, normalised to [−1, 1] and negative inside, and a
    discriminator that sees z and the image. The paper adds the product loss of distances for several organs; its
    public code for the left atrium has the squared error, 0.3 for β and a Dice of the class head.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        level_set_weight: β.
        adversarial_weight: λ, the value at the end of the ramp; 0.01 is published.
        ramp_iterations: T, after which λ(t) = λ·exp(−5·(1 − t/T)²) stays; None is the length of the run.
        discriminator: optimiser of the discriminator.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate of the network.
        inference: how whole cases are predicted.
    """

    network: TwoHeads

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        level_set_weight: float = 0.3,
        adversarial_weight: float = 0.01,
        ramp_iterations: int | None = None,
        discriminator: Optimiser = DISCRIMINATOR,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes,
            num_classes - 1 + in_channels,
            in_channels=in_channels,
            adversarial_weight=adversarial_weight,
            ramp_iterations=ramp_iterations,
            discriminator=discriminator,
            network=network,
            optimiser=optimiser,
            inference=inference,
        )
        require_not_negative(level_set_weight=level_set_weight)
        self.network = TwoHeads(self.build_network(), network.feature_channels, num_classes - 1, network.dimensions)
        self.level_set_weight = level_set_weight
        self._derivation = LevelSetDerivation(False, network.dimensions)

    @property
    def map_derivation(self) -> LevelSetDerivation:
        """The level sets of the patches, which the data module puts into ``batch["derived"]``."""
        return self._derivation

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the supervised terms of both heads and the adversarial one."""
        output = self.network(batch["image"])
        target = dense_target(batch)
        level_sets = batch.get("derived")
        if level_sets is None:  # a batch that no data module made
            level_sets = level_set_targets(target, self.num_classes, dense=batch["kind"] == int(Kind.DENSE))
        signed = torch.tanh(output[1].float())
        regression = level_set_loss(signed, level_sets, target, annotated_labels=batch["annotated_labels"])
        return {
            **supervised_terms(output[0], batch),
            "level_set": self.level_set_weight * regression,
            **self.adversarial_term(batch, output),
        }

    def logits(self, image: Tensor) -> Tensor:
        """Predict with the class head."""
        segmentation: Tensor = self.network(image)[0]
        return segmentation

    def evidence(self, image: Tensor, output: tuple[Tensor, Tensor]) -> Tensor:
        """Join signed distances and image."""
        return torch.cat([torch.tanh(output[1].float()), image], dim=1)
