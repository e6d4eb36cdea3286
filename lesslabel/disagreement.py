"""Uncertainty beyond one prediction: dropout, ensembles, entropy by predicted class, gradients of the last layer."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lesslabel.errors import ConfigError
from lesslabel.losses import hard_label, voxel_entropy

Predictor = Callable[[Tensor], Tensor]
"""Images B×channels×[D×]H×W to class probabilities B×C×[D×]H×W."""


@dataclass(frozen=True)
class FurtherColumns:
    """Columns that cost more than one prediction of each image.

    Attributes:
        passes: predictions with dropout; 0 for none, and not used with `members`.
        gradients: whether to compute the gradients of the last layer.
        seed: random seed of dropout.
        members: further models of an ensemble: images to probabilities.
    """

    passes: int = 0
    gradients: bool = False
    seed: int = 0
    members: tuple[Predictor, ...] = ()

    @property
    def compares(self) -> bool:
        """Whether there are several predictions of each image."""
        return bool(self.passes or self.members)


@contextmanager
def dropout_active(module: nn.Module, key: str) -> Iterator[None]:
    """Run the dropout of a module in evaluation mode, from a random seed; the caller's random numbers do not change.

    Args:
        module: in evaluation mode; the rest of it stays so.
        key: text that decides the random numbers.

    Raises:
        ConfigError: if it has no dropout above 0.
    """
    layers = _dropout_layers(module)
    if not layers:
        raise ConfigError(
            "the model has no dropout, so that all predictions agree; train it with network.encoder_dropout, or choose "
            "by entropy"
        )
    modes = [layer.training for layer in layers]
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 1
    with torch.random.fork_rng():
        torch.manual_seed(number)
        try:
            for layer in layers:
                layer.train()
            yield
        finally:
            for layer, mode in zip(layers, modes, strict=True):
                layer.train(mode)


def has_dropout(module: nn.Module) -> bool:
    """Whether a module has dropout above 0."""
    return bool(_dropout_layers(module))


def _dropout_layers(module: nn.Module) -> list[nn.Module]:
    return [part for part in module.modules() if isinstance(part, nn.modules.dropout._DropoutNd) and part.p > 0.0]


def disagreement_maps(predictions: Iterable[Tensor]) -> Tensor:
    """Mutual information and standard deviation of several predictions, pixel by pixel.

    Args:
        predictions: probabilities of the same images, each B×C×[D×]H×W, at least one; only one is in memory at a time.

    Returns:
        B×2×[D×]H×W: H(mean p) − mean H(p), 0 or more, and the mean over classes of the standard deviation (of the
        population) of p.
    """
    total = squares = entropy = torch.zeros(())
    count = 0
    for prediction in predictions:
        probabilities = prediction.float()
        count += 1
        total = total + probabilities
        squares = squares + probabilities.square()
        entropy = entropy + voxel_entropy(probabilities)
    mean = total / count
    information = (voxel_entropy(mean) - entropy / count).clamp(min=0.0)
    deviation = (squares / count - mean.square()).clamp(min=0.0).sqrt().mean(dim=1)
    return torch.stack([information, deviation], dim=1)


def entropy_of_classes(probabilities: Tensor) -> Tensor:
    """The entropy summed over the pixels that are predicted as each class, divided by the number of all pixels.

    Args:
        probabilities: B×C×[D×]H×W.

    Returns:
        B×C; a row sums to the mean entropy of the image.
    """
    entropy, label = voxel_entropy(probabilities).flatten(1), hard_label(probabilities).flatten(1)
    totals = torch.zeros(probabilities.shape[:2], dtype=entropy.dtype, device=entropy.device)
    return totals.scatter_add(1, label, entropy) / entropy.shape[1]


def shares_of_classes(probabilities: Tensor) -> Tensor:
    """The share of the pixels that are predicted as each class.

    Args:
        probabilities: B×C×[D×]H×W.

    Returns:
        B×C; a row sums to 1.
    """
    label = hard_label(probabilities).flatten(1)
    totals = torch.zeros(probabilities.shape[:2], device=probabilities.device)
    return totals.scatter_add(1, label, torch.ones_like(label, dtype=totals.dtype)) / label.shape[1]


def last_layer_gradients(probabilities: Tensor, features: Tensor) -> Tensor:
    """The gradient of the cross-entropy by the weights of the last layer, as if the prediction were true.

    ``mean over pixels of (p − e_ŷ) ⊗ h``, with ŷ the most probable class and h the input of a last layer of 1×1
    filters.

    Args:
        probabilities: B×C×[D×]H×W.
        features: h, B×K×[D×]H×W.

    Returns:
        B×(C·K).
    """
    label = hard_label(probabilities).unsqueeze(1)
    error = probabilities - torch.zeros_like(probabilities).scatter(1, label, 1.0)
    pixels = error[0, 0].numel()
    return torch.einsum("bcn,bkn->bck", error.flatten(2), features.flatten(2)).flatten(1) / pixels
