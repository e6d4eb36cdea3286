"""The old description of networks, from before each architecture had its own class; kept for one more version.

All code that reads it is here: configurations, run folders and bundles in the old form still load.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final

from lesslabel.errors import ConfigError
from lesslabel.networks.description import Network
from lesslabel.networks.u_shaped import UShaped
from lesslabel.networks.unet import UNet
from lesslabel.networks.vnet import VNet

_CLASSES: Final[Mapping[str, type[Network]]] = {"unet": UNet, "vnet": VNet}
_WITHOUT_EFFECT: Final[Mapping[str, Mapping[str, object]]] = {
    "unet": {"decoder_dropout": 0},
    "vnet": {"upsampling": "transposed"},
}
"""Settings of the old form that only the other architecture has, and their allowed value."""

_NAMES: Final = ("model.network.name", "model.init_args.network.name")


def NetworkShape(name: str = "unet", *args: Any, **settings: Any) -> Network:  # noqa: N802  it was a class
    """Make the description of a U-Net or V-Net from the old common settings; use ``UNet(…)`` or ``VNet(…)`` instead.

    Args:
        name: ``unet`` or ``vnet``.
        args: dimensions, channels, encoder dropout, upsampling, normalisation, decoder dropout, in this order.
        settings: the same by name.

    Raises:
        ConfigError: if a value is out of its range.
    """
    warnings.warn("NetworkShape is deprecated; use lesslabel.networks.UNet or VNet", DeprecationWarning, stacklevel=2)
    if name not in _CLASSES:
        raise ConfigError(f"network.name: {name!r} is not one of {', '.join(map(repr, _CLASSES))}")
    order = ("dimensions", "channels", "encoder_dropout", "upsampling", "normalisation", "decoder_dropout")
    given: dict[str, Any] = current_form({"name": name, **dict(zip(order, args, strict=False)), **settings})[
        "init_args"
    ]
    known = [field.name for field in fields(_CLASSES[name])]  # type: ignore[arg-type]  # both are dataclasses
    if unknown := sorted(given.keys() - set(known)):
        raise ConfigError(f"network.{unknown[0]}: {_CLASSES[name].__name__} has none, it has {', '.join(known)}")
    return _CLASSES[name](**given)


def build_network(network: Network, in_channels: int, out_channels: int) -> UShaped:
    """Build a network; the same as ``network.build(in_channels, out_channels)``."""
    return network.build(in_channels, out_channels)


def current_form(network: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the settings of a network to the current form, a class path and its arguments.

    Args:
        network: plain values; in the old form if they hold the name of an architecture, otherwise unchanged.
    """
    name = network.get("name")
    if "class_path" in network or not isinstance(name, str) or name not in _CLASSES:
        return dict(network)
    idle = _WITHOUT_EFFECT[name]
    settings = {
        key: value for key, value in network.items() if key != "name" and not (key in idle and value == idle[key])
    }
    return {"class_path": f"lesslabel.networks.{_CLASSES[name].__name__}", "init_args": settings}


def with_current_network(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a run with its network in the current form.

    Args:
        config: plain values; may be partial, such as an overlay.
    """
    return _with_network(config, current_form)


def same_networks(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a run in a form where equal networks have equal values, for comparisons."""
    return _with_network(config, lambda network: _without_idle_dropout(current_form(network)))


def with_current_name(name: str, value: str) -> tuple[str, str]:
    """Name and value of a setting that names the class of the network where it named an architecture."""
    if name not in _NAMES or value not in _CLASSES:
        return name, value
    return name.removesuffix(".name"), f"lesslabel.networks.{_CLASSES[value].__name__}"


def _with_network(config: Mapping[str, Any], change: Callable[[Mapping[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    model = config.get("model")
    settings = model.get("init_args") if isinstance(model, Mapping) else None
    network = settings.get("network") if isinstance(settings, Mapping) else None
    if not isinstance(model, Mapping) or not isinstance(settings, Mapping) or not isinstance(network, Mapping):
        return dict(config)
    return {**config, "model": {**model, "init_args": {**settings, "network": change(network)}}}


def _without_idle_dropout(network: dict[str, Any]) -> dict[str, Any]:
    """Remove dropout values that are all 0, which the old form wrote out."""
    settings = dict(network.get("init_args") or {})
    if not any(settings.get("encoder_dropout") or ()):
        settings.pop("encoder_dropout", None)
    return {**network, "init_args": settings}
