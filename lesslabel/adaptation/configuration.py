"""The configuration of a run that continues training with the model of a bundle at another hospital."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from lesslabel.bundle import Bundle
from lesslabel.bundle.manifest import MethodConfig
from lesslabel.errors import ConfigError

_ITERATIONS = 2000


def model_of(bundle: Bundle, name: str, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Settings of a method with the network of the bundle.

    Args:
        bundle: the bundle of the source.
        name: the method's class in `lesslabel.methods`.
        more: further settings; those that all methods have come from the bundle.

    Raises:
        ConfigError: if the bundle's method has more networks than that.
    """
    common = ("num_classes", "in_channels", "network", "optimiser", "inference")
    settings = {key: value for key, value in bundle.manifest.method.settings.items() if key in common}
    method = MethodConfig(name, {**settings, **(more or {})})
    with torch.device("meta"):
        built, given = method.build(), bundle.manifest.build_method().state_dict()
        alike = built.state_dict().keys() == built.complete_weights(given).keys()
    if not alike:
        raise ConfigError(
            f"{bundle.path}: {bundle.manifest.method.name} has other networks than {name}, which goes on with one; "
            "bundle a model of Supervised or PartialCrossEntropy"
        )
    return {"class_path": f"lesslabel.methods.{name}", "init_args": method.settings}


def data_of(bundle: Bundle, store: Path, supervision: Sequence[Mapping[str, str]] = ()) -> dict[str, Any]:
    """Settings of a data module for the target with the preprocessing of the bundle.

    Args:
        bundle: the bundle of the source.
        store: the store of the target.
        supervision: the supervising annotations.

    Raises:
        ConfigError: if the store lacks a label or a channel.
    """
    settings = bundle.data_settings(store)
    settings["view"]["supervision"] = [dict(entry) for entry in supervision]
    return {"class_path": "lesslabel.data.SegmentationDataModule", "init_args": settings}


def run_settings(name: str, model: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """The whole configuration.

    Args:
        name: of the method in tables.
        model: its class and settings.
        data: those of its data module.
    """
    return {"name": name, "model": model, "data": data, "trainer": {"max_steps": _ITERATIONS}}
