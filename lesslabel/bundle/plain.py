"""Convert plain values of JSON or YAML to typed ones: known keys and types, short words; no code is imported or run."""

import inspect
import math
import re
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import lesslabel.networks
from lesslabel.errors import DataError, LesslabelError
from lesslabel.networks import Network
from lesslabel.networks.shape import current_form

T = TypeVar("T")

TEXT = re.compile(r"[\w .,+()-]{0,64}")
"""Names of a label or a version; a path of a folder contains a slash, so it does not match."""


def build(kind: type[T], value: object, where: str) -> T:
    """Make an object from a mapping of its constructor's arguments; arguments with a default may be absent.

    Args:
        kind: a dataclass, or a class whose constructor's arguments are annotated.
        value: the mapping; nested values are read by their annotations.
        where: names the value in errors.

    Raises:
        DataError: if a key is unknown or missing, a value has another type, or the class refuses it.
    """
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected an object, got {_short(value)}")
    parameters, hints = inspect.signature(kind).parameters, get_type_hints(kind.__init__)
    if unknown := sorted(value.keys() - parameters.keys()):
        raise DataError(f"{where}: unknown key {_short(unknown[0])}; it has {', '.join(parameters)}")
    required = {name for name, parameter in parameters.items() if parameter.default is inspect.Parameter.empty}
    if missing := sorted(required - value.keys()):
        raise DataError(f"{where}: {missing[0]} is missing")
    arguments = {name: read_value(hints[name], entry, f"{where}.{name}") for name, entry in value.items()}
    try:
        return kind(**arguments)
    except LesslabelError as error:
        raise DataError(f"{where}: {error}") from error


def read_value(kind: Any, value: object, where: str) -> Any:
    """Read a plain value as the type of an annotation.

    Args:
        kind: int, float, bool, str, a literal, a list, a tuple, an optional of these, a dict (taken as it is), a
            dataclass of them, or `Network`.
        value: as JSON gives it.
        where: names the value in errors.

    Raises:
        DataError: if it has another type.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if value is None and NoneType in arguments:
            return None
        (kind,) = (one for one in arguments if one is not NoneType)
        return read_value(kind, value, where)
    if kind is Network:
        return _read_network(value, where)
    if is_dataclass(kind) and isinstance(kind, type):
        return build(kind, value, where)
    if origin in (list, tuple):
        return _read_sequence(kind, value, where)
    if origin is Literal:
        matches = [choice for choice in arguments if choice == value and type(choice) is type(value)]
        if not matches:
            raise DataError(f"{where}: {_short(value)} is not one of {', '.join(map(repr, arguments))}")
        return matches[0]
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not (origin or kind) or (isinstance(value, float) and not math.isfinite(value)):
        raise DataError(f"{where}: expected {getattr(kind, '__name__', kind)}, got {_short(value)}")
    if isinstance(value, str) and not TEXT.fullmatch(value):
        raise DataError(f"{where}: {_short(value)}; use at most 64 letters, digits, spaces and _ . , + - ( )")
    return value


def _read_network(value: object, where: str) -> Network:
    """Make the description of a network of the library; no other class is accepted."""
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected an object, got {_short(value)}")
    current = current_form(value)
    if "class_path" not in current:
        current = {"class_path": "lesslabel.networks.UNet", "init_args": current}
    if unknown := sorted(current.keys() - {"class_path", "init_args"}):
        raise DataError(f"{where}: unknown key {_short(unknown[0])}; it has class_path, init_args")
    path = current["class_path"]
    room, _, name = path.rpartition(".") if isinstance(path, str) else ("", "", "")
    kind = getattr(lesslabel.networks, name) if name in lesslabel.networks.__all__ else None
    is_network = isinstance(kind, type) and issubclass(kind, Network) and not inspect.isabstract(kind)
    if room != lesslabel.networks.__name__ or kind is None or not is_network:
        raise DataError(f"{where}.class_path: {_short(path)} is not a network of lesslabel.networks, as it must be")
    settings = current.get("init_args", {})
    if isinstance(settings, dict) and settings.get("pretrained") is not None:
        raise DataError(
            f"{where}.pretrained: a bundle's weights are its own, so that no other file is read; set it to null"
        )
    network: Network = build(kind, settings, where)
    return network


def _read_sequence(kind: Any, value: object, where: str) -> Any:
    origin, kinds = get_origin(kind), get_args(kind)
    if not isinstance(value, list | tuple):
        raise DataError(f"{where}: expected a list, got {_short(value)}")
    if origin is list or kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise DataError(f"{where}: expected {len(kinds)} entries, got {len(value)}")
    entries = [
        read_value(entry_kind, entry, f"{where}[{index}]")
        for index, (entry_kind, entry) in enumerate(zip(kinds, value, strict=True))
    ]
    return entries if origin is list else tuple(entries)


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
