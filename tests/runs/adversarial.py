"""A small adversarial method: a network, and a discriminator that tells its predictions of labelled images apart."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lesslabel.data.batch import Batch
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.methods import Optimiser, SegmentationMethod
from lesslabel.methods.players import Player
from lesslabel.methods.targets import supervised_terms
from lesslabel.networks import Network, UNet


class Adversarial(SegmentationMethod):
    """The network makes the first sample's prediction look like the last one's; the discriminator tells them apart."""

    def __init__(
        self,
        num_classes: int,
        *,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        against: Optimiser = Optimiser(name="adam", learning_rate=0.01, decay="none"),
    ) -> None:
        super().__init__(num_classes, network=network, optimiser=optimiser)
        self.network = self.build_network()
        self.discriminator = nn.Conv2d(num_classes, 1, 3)
        self.against = against
        self.register_buffer("seen", torch.zeros(2, dtype=torch.long))

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        logits = self.network(batch["image"])
        fooled = F.softplus(-self._score(logits[:1]))
        return {**supervised_terms(logits, batch), "adversarial": 0.1 * fooled}

    def players(self) -> Mapping[str, Player]:
        return {"discriminator": Player(self.discriminator, self.against, self._told_apart)}

    def before_training(self, data: SegmentationDataModule, *, resumed: bool) -> None:
        self.seen[int(resumed)] += len(data.records("train"))

    def _told_apart(self, batch: Batch) -> Mapping[str, Tensor]:
        with torch.no_grad():
            logits = self.network(batch["image"])
        return {"loss": F.softplus(self._score(logits[:1])) + F.softplus(-self._score(logits[-1:]))}

    def _score(self, logits: Tensor) -> Tensor:
        score: Tensor = self.discriminator(logits.softmax(dim=1)).mean()
        return score
