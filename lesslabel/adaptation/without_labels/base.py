"""The base of what adapts without a label: an ordinary run that starts from the bundle's weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from lesslabel.adaptation.configuration import data_of, model_of, run_settings
from lesslabel.bundle import Bundle

_BATCH = 8


class Adaptation:
    """A way to adapt a bundle's model to a target of which nothing was annotated.

    It says which method trains on, if any, and where model or data differ from the bundle's. Training, resuming and
    testing are those of every run. A subclass is found by its name once it stands in `ADAPTATIONS`.

    Attributes:
        name: what ``--without-labels`` takes, and the name of the run folder.
        title: name of the method in tables.
        method: the class in `lesslabel.methods` that trains on with the bundle's network; empty if nothing is trained
            and the bundle's own method keeps its weights.
        own_settings: of the method, beside those that all methods have. Where `settings` takes them from the bundle,
            those of some model of two classes: a study checks its steps before any bundle is there.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    method: ClassVar[str] = ""
    own_settings: ClassVar[Mapping[str, Any]] = {}

    @property
    def trains(self) -> bool:
        """Whether a training follows, rather than a run that has the bundle's weights."""
        return bool(self.method)

    def settings(self, bundle: Bundle) -> dict[str, Any]:  # noqa: ARG002  a subclass may ask for it
        """Settings of the method beside those that all methods have, which are the bundle's.

        Raises:
            ConfigError: if the bundle lacks what the method needs.
        """
        return dict(self.own_settings)

    def configure_data(self, bundle: Bundle, store: Path, out: Path) -> dict[str, Any]:  # noqa: ARG002  likewise
        """Settings of the data module: the training part of the target as the bundle's model sees it, without labels.

        Args:
            bundle: what the source handed over.
            store: the target.
            out: folder of the adaptation, for files that the run reads.

        Raises:
            ConfigError: if the store lacks a label or a channel.
        """
        data = data_of(bundle, store)
        data["init_args"] |= {"batch_size": 0, "unlabelled_batch_size": _BATCH}
        return data

    def configure(self, bundle: Bundle, store: Path, out: Path) -> dict[str, Any]:
        """The configuration of the run, as `lesslabel fit` takes it.

        Args:
            bundle: what the source handed over.
            store: the target.
            out: folder of the adaptation, for files that the run reads.

        Raises:
            ConfigError: if the bundle lacks what the method needs or has other networks, or the store a label or a
                channel.
        """
        settings = self.settings(bundle)
        model = model_of(bundle, self.method, settings) if self.trains else bundle.model_settings()
        return run_settings(self.title, model, self.configure_data(bundle, store, out))
