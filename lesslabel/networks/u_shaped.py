"""What every U-shaped network offers, so that wrappers, heads and feature readers work on any of them."""

from torch import Tensor, nn


class UShaped(nn.Module):
    """A segmentation network in three parts: ``logits = head(decoder(encoder(image)))``.

    The parts are separate so that a second decoder or head can share the encoder, and so that the penultimate map can
    be read without running the network differently.

    Args:
        encoder: maps an image B×C×[D×]H×W to a list of feature maps, one per level, the finest first; its last entry is
            the bottleneck.
        decoder: maps that list to one feature map of the image's size. It must not change the list or its tensors.
        head: maps the decoder's map to logits, B×classes×[D×]H×W, background at index 0.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.head = head

    def features(self, image: Tensor) -> Tensor:
        """Compute the penultimate map: what the head sees, at the image's size.

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
