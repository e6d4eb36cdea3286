"""Batch statistics: batch normalisation with the means and variances of the target; nothing is trained."""

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from lesslabel.adaptation.without_labels.base import Adaptation
from lesslabel.bundle import Bundle
from lesslabel.data.verify.soundness import require_sound
from lesslabel.errors import ConfigError
from lesslabel.files import written_aside
from lesslabel.methods import SegmentationMethod
from lesslabel.runs.parsing import parse_run
from lesslabel.runs.settings import Settings
from lesslabel.runs.weights import save_weights

_WEIGHTS = "weights.safetensors"


class BatchStatistics(Adaptation):
    """Replaces the running statistics of batch normalisation by those of the target's images.

    After "Revisiting batch normalization for practical domain adaptation" (AdaBN; Li et al., 2016, arXiv:1603.04779):
    the statistics describe a domain, the weights the task. They are the means over the batches of one epoch, drawn as
    for training.
    """

    name = "batch-statistics"
    title = "Batch statistics"

    def weights(self, bundle: Bundle, run: Settings, out: Path) -> Path:
        """The weights of the bundle with other statistics; see `Adaptation.weights`.

        Raises:
            ConfigError: if the network has no batch normalisation.
            DataError: if `lesslabel verify` finds an error in a case; names it.
        """
        method, data = bundle.build_method(), parse_run(run).datamodule
        require_sound(data.store, [record.uid for record in data.records("train")])
        if not replace_statistics(method, (batch["image"] for batch in data.train_dataloader())):
            raise ConfigError(
                f"{bundle.path}: the network has no batch normalisation, whose statistics could be replaced; choose "
                "another adaptation"
            )
        with written_aside(out / _WEIGHTS) as aside:
            save_weights(method.state_dict(), aside)
        return out / _WEIGHTS


@torch.no_grad()
def replace_statistics(method: SegmentationMethod, images: Iterable[Tensor]) -> int:
    """Replace the statistics of each layer of batch normalisation by their mean over batches.

    Each layer normalises a batch by that batch alone, so that the layers behind it see what they see in training.

    Args:
        method: in evaluation mode; it is so afterwards, with the new statistics.
        images: batches B×C×[D×]H×W.

    Returns:
        The number of layers.
    """
    layers = [layer for layer in method.modules() if isinstance(layer, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # torch then averages all batches alike
        layer.train()
    if layers:
        for image in images:
            method.probabilities(image)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
        layer.eval()
    return len(layers)
