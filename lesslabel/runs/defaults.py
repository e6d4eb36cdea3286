"""The defaults of the classes that a configuration names: what a run did before a setting of today existed."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytorch_lightning as pl

from lesslabel.moved import same_class

_NO_DEFAULT = inspect.Parameter.empty


@dataclass(frozen=True)
class _Setting:
    """What a class says of one of its arguments."""

    annotation: object
    default: object = _NO_DEFAULT


_GROUPS: Mapping[str, _Setting] = {name: _Setting(object) for name in ("model", "data")}


def with_later_settings(recorded: Mapping[str, Any], resolved: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded configuration with the settings that came later, each at the default of the class that takes it.

    Args:
        recorded: of a run, possibly from an earlier version.
        resolved: of today; only settings that it has are added, and only where both name the same class.
    """
    trainer = {"trainer": recorded.get("trainer") or {}}
    completed = _filled({**recorded, **trainer}, resolved, _GROUPS)
    completed["trainer"] = _filled(trainer["trainer"], resolved.get("trainer") or {}, _settings_of(pl.Trainer))
    return completed


def _filled(
    recorded: Mapping[str, Any], resolved: Mapping[str, Any], settings: Mapping[str, _Setting]
) -> dict[str, Any]:
    filled = dict(recorded)
    for name, setting in settings.items():
        if name in recorded and name in resolved:
            filled[name] = _completed(recorded[name], resolved[name], setting)
        elif name in resolved and setting.default is not _NO_DEFAULT:
            filled[name] = _plain(setting.default, resolved[name])
    return filled


def _completed(recorded: Any, resolved: Any, setting: _Setting) -> Any:
    """One recorded value, with what came later inside it."""
    if isinstance(recorded, list) and isinstance(resolved, list) and len(recorded) == len(resolved):
        entry = _Setting(setting.annotation)
        return [_completed(ours, today, entry) for ours, today in zip(recorded, resolved, strict=True)]
    if not isinstance(recorded, Mapping) or not isinstance(resolved, Mapping):
        return recorded
    if "class_path" not in resolved:
        return _filled(recorded, resolved, _settings_inside(setting))
    path = same_class(resolved["class_path"])
    if same_class(recorded.get("class_path")) != path:
        return recorded
    ours, today = (config.get("init_args") or {} for config in (recorded, resolved))
    return {**recorded, "init_args": _filled(ours, today, _settings_of(_class_at(path)))}


def _settings_inside(setting: _Setting) -> Mapping[str, _Setting]:
    """The settings of the dataclass that an argument takes; as the default has them if it is one."""
    kind = _dataclass_in(setting.annotation)
    settings = {} if kind is None else _settings_of(kind)
    if kind is None or type(setting.default) is not kind:
        return settings
    return {name: replace(each, default=getattr(setting.default, name)) for name, each in settings.items()}


def _settings_of(kind: type | None) -> dict[str, _Setting]:
    """The arguments of a class by name."""
    if kind is None:
        return {}
    hints = _hints_of(kind)
    made = {field.name: field.default_factory for field in fields(kind)} if is_dataclass(kind) else {}
    settings = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        factory = made.get(name, MISSING)
        default = parameter.default if factory is MISSING else factory()
        settings[name] = _Setting(hints.get(name), default)
    return settings


def _hints_of(kind: type) -> dict[str, Any]:
    try:
        return get_type_hints(kind if is_dataclass(kind) else inspect.unwrap(kind.__init__))  # type: ignore[misc]
    except NameError:  # of a type that only the type checker imports, in a method of somebody else
        return {}


def _dataclass_in(annotation: object) -> type | None:
    """The dataclass in an annotation such as ``list[Supervision]`` or ``Inference | None``."""
    if isinstance(annotation, type) and is_dataclass(annotation):
        return annotation
    return next((found for each in get_args(annotation) if (found := _dataclass_in(each))), None)


def _class_at(path: object) -> type | None:
    """The class of a name with dots, if there is one."""
    module, _, name = str(path).rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        return None
    return found if isinstance(found, type) else None


def _plain(default: object, like: object) -> Any:
    """A default as a configuration states it, with a class path where a value of today has one."""
    if is_dataclass(default) and not isinstance(default, type):
        named = isinstance(like, Mapping) and "class_path" in like
        values = {field.name: _plain(getattr(default, field.name), None) for field in fields(default) if field.init}
        kind = type(default)
        return {"class_path": f"{kind.__module__}.{kind.__qualname__}", "init_args": values} if named else values
    if isinstance(default, Enum):
        return default.name
    if isinstance(default, Path):
        return str(default)
    if isinstance(default, Mapping):
        return {name: _plain(value, None) for name, value in default.items()}
    if isinstance(default, Sequence) and not isinstance(default, str):
        return [_plain(value, None) for value in default]
    return default
