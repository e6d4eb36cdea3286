"""The base of wrappers around an interactive model."""

from lesslabel.interaction.model import InteractiveModel, kinds_of


class Wrapper:
    """An interactive model that takes the images of another one.

    Args:
        model: the wrapped model.
    """

    def __init__(self, model: InteractiveModel) -> None:
        self.model = model

    @property
    def dimensions(self) -> int:
        """2 for images (y, x), 3 for volumes (z, y, x)."""
        return self.model.dimensions

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of prompts that it uses."""
        return kinds_of(self.model)

    @property
    def in_channels(self) -> int | None:
        """Channels of the image; None for any number."""
        return self.model.in_channels
