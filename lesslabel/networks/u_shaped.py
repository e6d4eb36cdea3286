"""The interface of U-shaped networks, so that wrappers, heads and feature readers work on any of them."""

from collections.abc import Sequence

from torch import Tensor, nn


class Encoder(nn.Module):
    """The part of a network that computes feature maps of an image at several strides, and declares them.

    It maps an image B×C×[D×]H×W to a list of maps, the finest first; the last is the bottleneck. A side of n voxels has
    ⌈n / stride⌉ in a map. The first map has stride 1.

    Attributes:
        channels: of each map.
        strides: of each map, in voxels of the image; two maps may have the same stride.

    Args:
        channels: of each map.
        strides: of each map.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.strides = tuple(strides)


class Decoder(nn.Module):
    """The part of a network that combines the maps of an encoder to one map of the image size.

    It must not change the list of maps or its tensors, and every layer with weights must have ``reset_parameters()``,
    so that a second decoder can be initialised.

    Attributes:
        channels: of that map, the input of the head.
        level_channels: of each of its `level_maps`; a decoder without levels has one.

    Args:
        channels: of that map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.level_channels: tuple[int, ...] = (channels,)

    def level_maps(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Compute the maps of all levels, coarsest first: the bottleneck, then each level; the last is the result."""
        return [self(features)]


class UShaped(nn.Module):
    """A segmentation network in three parts: ``logits = head(decoder(encoder(image)))``.

    The parts are separate so that a second decoder or head can share the encoder, and so that the penultimate map can
    be read without running the network differently.

    Args:
        encoder: computes the maps of an image.
        decoder: combines them to one map of the image size.
        head: computes logits from the decoder map, B×classes×[D×]H×W, background at index 0.
    """

    encoder: Encoder
    decoder: Decoder
    head: nn.Module

    def __init__(self, encoder: Encoder, decoder: Decoder, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.head = head

    @property
    def feature_channels(self) -> int:
        """Channels of the penultimate map, the input of the head."""
        return self.decoder.channels

    def features(self, image: Tensor) -> Tensor:
        """Compute the penultimate map: the input of the head, at the image size.

        Args:
            image: B×C×[D×]H×W.

        Returns:
            B×features×[D×]H×W.
        """
        features: Tensor = self.decoder(self.encoder(image))
        return features

    def forward(self, image: Tensor) -> Tensor:
        """Compute the logits, B×classes×[D×]H×W, of an image B×C×[D×]H×W."""
        logits: Tensor = self.head(self.features(image))
        return logits
