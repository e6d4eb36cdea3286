"""A second, perturbed decoder on the encoder of any U-shaped network."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Literal, get_args

from torch import Tensor, nn
from torch.nn import functional as F

from lesslabel.errors import ConfigError
from lesslabel.networks.u_shaped import UShaped

DropoutPlace = Literal["bottleneck", "all"]
DropoutElement = Literal["voxel", "channel"]


class DualDecoder(nn.Module):
    """One shared encoder, a main branch, and an auxiliary branch with dropout on the features.

    The main branch is the given network, unchanged. The auxiliary decoder and head have the same shape and
    independent random weights. From DMPLS (Luo et al., "Scribble-supervised medical image segmentation via
    dual-branch network and dynamically mixed pseudo labels supervision", MICCAI 2022).

    The defaults are the method as its author's thesis describes it: plain dropout on the bottleneck map, no
    dropout on skips. The published code is ``dropout_at="all", element="channel", in_evaluation=True``.

    Args:
        network: any U-shaped network, 2D or 3D.
        dropout: probability in [0, 1) that an element is dropped before the auxiliary decoder.
        dropout_at: only the bottleneck map, or every map of the encoder.
        element: what is dropped, single voxels of a feature map or whole channels.
        in_evaluation: whether dropout stays on in evaluation; the auxiliary branch is then random at test time too.

    Raises:
        ConfigError: if a value is out of its range, or a layer of the decoder or head cannot be initialised again.
    """

    def __init__(
        self,
        network: UShaped,
        dropout: float = 0.5,
        dropout_at: DropoutPlace = "bottleneck",
        element: DropoutElement = "voxel",
        in_evaluation: bool = False,
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ConfigError(f"dropout: {dropout} must lie in [0, 1)")
        if dropout_at not in get_args(DropoutPlace):
            raise ConfigError(f"dropout_at: {dropout_at!r} is not 'bottleneck' or 'all'")
        if element not in get_args(DropoutElement):
            raise ConfigError(f"element: {element!r} is not 'voxel' or 'channel'")
        self.network = network
        self.auxiliary_decoder = drawn_anew(network.decoder)
        self.auxiliary_head = drawn_anew(network.head)
        self.dropout = dropout
        self.dropout_at = dropout_at
        self.element = element
        self.in_evaluation = in_evaluation

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Compute both branches with one pass of the encoder.

        Args:
            image: B×C×[D×]H×W.

        Returns:
            Main and auxiliary logits, each B×classes×[D×]H×W.
        """
        features: list[Tensor] = self.network.encoder(image)
        main: Tensor = self.network.head(self.network.decoder(features))
        auxiliary: Tensor = self.auxiliary_head(self.auxiliary_decoder(self._perturbed(features)))
        return main, auxiliary

    def main(self, image: Tensor) -> Tensor:
        """Compute only the main logits, at the cost of the network without its second decoder."""
        logits: Tensor = self.network(image)
        return logits

    def _perturbed(self, features: Sequence[Tensor]) -> list[Tensor]:
        if self.dropout_at == "all":
            return [self._dropped(level) for level in features]
        return [*features[:-1], self._dropped(features[-1])]

    def _dropped(self, features: Tensor) -> Tensor:
        active = self.training or self.in_evaluation
        if self.element == "voxel":
            return F.dropout(features, self.dropout, active)
        if features.ndim == 5:
            return F.dropout3d(features, self.dropout, active)
        return F.dropout2d(features, self.dropout, active)


def drawn_anew(module: nn.Module) -> nn.Module:
    """Copy a part of a network with new random weights, for example as a second decoder.

    Raises:
        ConfigError: if a layer with weights cannot be initialised again.
    """
    copy = deepcopy(module)
    for layer in copy.modules():
        reset = getattr(layer, "reset_parameters", None)
        if callable(reset):
            reset()
        elif next(layer.parameters(recurse=False), None) is not None:
            raise ConfigError(
                f"{type(layer).__name__} has parameters but no reset_parameters(), so a second decoder would start as "
                "a copy of the first; give the layer that method"
            )
    return copy
