"""SS-Net: predictions that stay where an image is changed, and features of one class that lie together."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lesslabel.data.batch import Batch
from lesslabel.data.case import IGNORE
from lesslabel.losses import soft_dice_distance
from lesslabel.methods.base import SegmentationMethod
from lesslabel.methods.checks import require_at_least, require_not_negative, require_positive
from lesslabel.methods.inference import Inference
from lesslabel.methods.optimiser import Optimiser
from lesslabel.methods.targets import supervised_terms, trusted_target
from lesslabel.methods.teacher import held_statistics
from lesslabel.networks import Network, UNet, penultimate_maps


class SSNet(SegmentationMethod):
    """Smoothness under the worst small change of an image, and features near a bank of well-known ones of their class.

    From "Exploring Smoothness and Class-Separation for Semi-supervised Medical Image Segmentation" (Wu et al., MICCAI
    2022, arXiv:2203.01324): ``L = ½·(L_CE + L_Dice) + λ(t)·(L_adv + γ·L_sep)`` on all samples. L_adv is the Dice
    distance between the predictions for x and for x + ε·r, with r the direction that changes the prediction most (one
    step of virtual adversarial training, eq. 2 and 3). For L_sep every penultimate feature passes a projection and a
    predictor and is compared with its class's bank by 1 − cosine (eq. 4); the class is the label where it is known,
    otherwise the prediction. The bank holds projected features of labelled voxels that are predicted correctly, the
    most confident of the last batch that had any.

    The public code learns attention weights that rank features for the bank and weigh distances, leaves the background
    out of the bank, and uses every voxel; here confidence ranks, all distances weigh alike, and a sample of voxels of
    each class is used, which makes the term cheap.

    Args:
        num_classes: classes, background included.
        in_channels: channels of the image.
        consistency_weight: λ, the value at the end of the ramp.
        ramp_iterations: T, after which λ(t) = λ·exp(−5·(1 − t/T)²) stays; None is the length of the run.
        magnitude: ε, length of the change of each sample, in units of the normalised image.
        probe: length of the random change whose gradient gives the direction.
        separation_weight: γ.
        bank: features of each class.
        voxels: voxels of each class that are compared with the bank in an iteration.
        network: description of the segmentation network.
        optimiser: optimiser and learning rate.
        inference: how whole cases are predicted.
    """

    bank: Tensor
    filled: Tensor

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 1,
        consistency_weight: float = 0.1,
        ramp_iterations: int | None = None,
        magnitude: float = 6.0,
        probe: float = 10.0,
        separation_weight: float = 0.1,
        bank: int = 32,
        voxels: int = 256,
        network: Network = UNet(),
        optimiser: Optimiser = Optimiser(),
        inference: Inference = Inference(),
    ) -> None:
        super().__init__(
            num_classes, in_channels=in_channels, network=network, optimiser=optimiser, inference=inference
        )
        require_not_negative(
            consistency_weight=consistency_weight, ramp_iterations=ramp_iterations, separation_weight=separation_weight
        )
        require_positive(magnitude=magnitude, probe=probe)
        require_at_least(1, bank=bank, voxels=voxels)
        self.network = self.build_network()
        width = network.feature_channels
        self.projection = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.predictor = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.weights = {"consistency": consistency_weight, "separation": consistency_weight * separation_weight}
        self.ramp_iterations = ramp_iterations
        self.magnitude = magnitude
        self.probe = probe
        self.voxels = voxels
        self.register_buffer("bank", torch.zeros(num_classes, bank, width))
        self.register_buffer("filled", torch.zeros(num_classes, dtype=torch.bool))

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """Compute the supervised terms, the smoothness and the separation."""
        with penultimate_maps(self.network) as maps:
            logits = self.network(batch["image"])
        probabilities = logits.float().softmax(dim=1)
        features = maps[0].float().movedim(1, -1)
        target = trusted_target(batch)
        self._fill_bank(features.detach(), probabilities.detach(), target)
        separation = self._separation(features, probabilities.detach(), target)
        ramp = self.ramp_up(self.ramp_iterations)
        return {
            **supervised_terms(logits, batch),
            "consistency": ramp * self.weights["consistency"] * self._smoothness(batch["image"], probabilities),
            "separation": ramp * self.weights["separation"] * separation,
        }

    def _smoothness(self, image: Tensor, probabilities: Tensor) -> Tensor:
        """The Dice distance to the prediction for the most harmful change; the plain prediction is the fixed target."""
        target = probabilities.detach()
        with held_statistics(self.network):
            with torch.enable_grad():
                direction = _unit(torch.rand_like(image) - 0.5).requires_grad_()
                changed = self.network(image + self.probe * direction).float().softmax(dim=1)
                (gradient,) = torch.autograd.grad(soft_dice_distance(changed, target), direction)
            changed = self.network(image + self.magnitude * _unit(gradient)).float().softmax(dim=1)
        return soft_dice_distance(changed, target)

    @torch.no_grad()
    def _fill_bank(self, features: Tensor, probabilities: Tensor, target: Tensor) -> None:
        """Keep the projections of the most confident features whose known class is predicted."""
        confidence, predicted = probabilities.max(dim=1)
        size = self.bank.shape[1]
        for index in range(self.num_classes):
            correct = (target == index) & (predicted == index)
            if not correct.any():
                continue
            best = confidence[correct].topk(min(size, int(correct.sum()))).indices
            projected = F.normalize(self.projection(features[correct][best]), dim=1)
            self.bank[index] = projected[torch.arange(size, device=projected.device) % len(projected)]
            self.filled[index] = True

    def _separation(self, features: Tensor, probabilities: Tensor, target: Tensor) -> Tensor:
        """The mean over classes of 1 − cosine between sampled features and the bank of their class."""
        classes = torch.where(target == IGNORE, probabilities.max(dim=1).indices, target)
        distances = [0 * features.sum()]
        for index in self.filled.nonzero()[:, 0].tolist():
            own = features[classes == index]
            chosen = torch.randperm(len(own))[: self.voxels].to(own.device)
            compared = F.normalize(self.predictor(self.projection(own[chosen])), dim=1)
            if len(compared):
                distances.append(1 - (compared @ self.bank[index].T).mean())
        total: Tensor = torch.stack(distances).sum()
        return total / max(1, len(distances) - 1)


def _unit(change: Tensor) -> Tensor:
    """Scale the change of each sample to length 1."""
    length: Tensor = torch.linalg.vector_norm(change.flatten(1), dim=1).clamp(min=1e-8)
    return change / length.view(-1, *(1,) * (change.ndim - 1))
