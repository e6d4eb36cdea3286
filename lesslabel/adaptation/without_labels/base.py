"""The base class of adaptations without labels: a run that starts from the weights of a bundle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from lesslabel.adaptation.configuration import data_of, model_of, run_settings
from lesslabel.bundle import Bundle
from lesslabel.disagreement import has_dropout
from lesslabel.errors import ConfigError
from lesslabel.runs.settings import Settings

_BATCH = 8


class Adaptation:
    """An adaptation of the model of a bundle to a target without annotations.

    It defines the method that continues training, if any, and how model and data differ from those of the bundle.
    Training, resuming and testing work as for every run. Add a subclass to `ADAPTATIONS` to find it by name.

    Attributes:
        name: the value of ``--without-labels``, and the name of the run folder.
        title: name of the method in tables.
        method: the class in `lesslabel.methods` that continues training with the network of the bundle; empty without
            training, if the method of the bundle keeps its weights.
        own_settings: settings of the method in addition to those that all methods have. If `settings` reads them from
            the bundle, example values for two classes: a study checks its steps before a bundle exists.
        needs_dropout: whether it compares several predictions with dropout of the bundle's model.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    method: ClassVar[str] = ""
    own_settings: ClassVar[Mapping[str, Any]] = {}
    needs_dropout: ClassVar[bool] = False

    @property
    def trains(self) -> bool:
        """Whether it trains; otherwise the run keeps the weights of the bundle."""
        return bool(self.method)

    def settings(self, bundle: Bundle) -> dict[str, Any]:  # noqa: ARG002  a subclass may ask for it
        """Settings of the method in addition to those that all methods have, which come from the bundle.

        Raises:
            ConfigError: if the bundle lacks what the method needs.
        """
        return dict(self.own_settings)

    def configure_data(self, bundle: Bundle, store: Path, out: Path) -> dict[str, Any]:  # noqa: ARG002  likewise
        """Settings of the data module: the training part of the target, preprocessed as in the bundle, without labels.

        Args:
            bundle: the bundle of the source.
            store: the store of the target.
            out: folder of the adaptation, for files that the run reads.

        Raises:
            ConfigError: if the store lacks a label or a channel.
        """
        data = data_of(bundle, store)
        data["init_args"] |= {"batch_size": 0, "unlabelled_batch_size": _BATCH}
        return data

    def weights(self, bundle: Bundle, run: Settings, out: Path) -> Path:  # noqa: ARG002  likewise
        """The weights that the run starts from, or keeps if it is not trained: by default those of the bundle.

        Args:
            bundle: the bundle of the source.
            run: the settings of the run, those of the caller included.
            out: folder of the adaptation, for weights that are made without training.

        Raises:
            LesslabelError: if they cannot be made.
        """
        return bundle.weights

    def configure(self, bundle: Bundle, store: Path, out: Path) -> dict[str, Any]:
        """The configuration of the run for `lesslabel fit`.

        Args:
            bundle: the bundle of the source.
            store: the store of the target.
            out: folder of the adaptation, for files that the run reads.

        Raises:
            ConfigError: if the bundle lacks what the method needs, as dropout, or has other networks, or the store
                lacks a label or a channel.
        """
        settings = self.settings(bundle)
        model = model_of(bundle, self.method, settings) if self.trains else bundle.model_settings()
        if self.needs_dropout and not has_dropout(bundle.build_method()):
            raise ConfigError(
                f"{bundle.path}: its model has no dropout, so that {self.title} would call every voxel certain; train "
                "the source with network.encoder_dropout, or choose another adaptation"
            )
        return run_settings(self.title, model, self.configure_data(bundle, store, out))


class ClassSharesAdaptation(Adaptation):
    """An adaptation whose method takes the class shares of the source."""

    own_settings: ClassVar[Mapping[str, Any]] = {"class_shares": [0.5, 0.5]}

    def settings(self, bundle: Bundle) -> dict[str, Any]:
        """The class shares; a bundle from too few dense labels has none."""
        if not bundle.manifest.class_shares:
            raise ConfigError(
                f"{bundle.path}: no class shares, which {self.title} needs; export a run whose store has dense labels"
            )
        return {"class_shares": list(bundle.manifest.class_shares)}
