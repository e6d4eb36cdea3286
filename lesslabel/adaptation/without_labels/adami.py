"""AdaMI on the training part of the target, with the class shares of the source."""

from collections.abc import Mapping
from typing import Any, ClassVar

from lesslabel.adaptation.without_labels.base import Adaptation
from lesslabel.bundle import Bundle
from lesslabel.errors import ConfigError


class AdaMIAdaptation(Adaptation):
    """Minimises the entropy and keeps the class shares of the source, see `lesslabel.methods.AdaMI`."""

    name = "adami"
    title = "AdaMI"
    method = "AdaMI"
    own_settings: ClassVar[Mapping[str, Any]] = {"class_shares": [0.5, 0.5]}

    def settings(self, bundle: Bundle) -> dict[str, Any]:
        """The class shares; a bundle from too few dense labels has none."""
        if not bundle.manifest.class_shares:
            raise ConfigError(
                f"{bundle.path}: no class shares, which AdaMI needs; export a run whose store has dense labels"
            )
        return {"class_shares": list(bundle.manifest.class_shares)}
