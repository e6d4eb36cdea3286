"""Errors of a configuration in one line: the file, the setting and the fix."""

import dataclasses
import difflib
import inspect
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, get_args, get_type_hints

import pytorch_lightning as pl

from lesslabel import methods, networks
from lesslabel.data.loading import module, modules
from lesslabel.methods import SegmentationMethod
from lesslabel.networks import Network
from lesslabel.runs.config_files import config_files, shared_files
from lesslabel.runs.settings import Settings

TOP_LEVEL = ("model", "data", "trainer", "name", "run", "ckpt_path", "weights", "seed", "wandb")
_LIST_THEM = "--print_config lists every setting"
_MOST_NAMES = 12


def explain(message: str, settings: Settings) -> str:
    """Condense an error message of jsonargparse.

    Args:
        message: the message, of many lines.
        settings: of the run; the wrong setting is searched in them and in the files that they name.
    """
    text = " ".join(message.split()).partition(" Given value type:")
    given = _short(text[2].partition("Given value: ")[2])
    flat = re.sub(r"Does not validate against any of the Union subtypes Subtypes: \[.*?\] Errors: - ", "", text[0])
    flat = flat.removesuffix(" - Expected a <class 'NoneType'>")
    path = ".".join(re.findall(r'Parser key "([\w.]+)":', flat))
    reason = re.sub(r"""Parser key "[\w.]+": (- )?|Problem with given class_path '[\w.]+': """, "", flat).strip()
    problem = (
        _unknown(path, reason) or _missing(path, reason) or _class(path, flat) or _value(path, reason, given)
    ) or reason
    return _where(problem, settings) + problem


@cache
def known_settings() -> tuple[str, ...]:
    """Every setting by its dotted name: of the run, of all methods, of the data and of the trainer."""
    owners = [("model", entry) for entry in _classes(SegmentationMethod, methods)]
    owners += [("data", entry) for entry in _classes(module.SegmentationDataModule, modules)]
    owners += [("trainer", pl.Trainer)]
    return tuple(sorted({*TOP_LEVEL, *(name for prefix, entry in owners for name in _settings(entry, prefix))}))


def _unknown(path: str, reason: str) -> str | None:
    group = re.search(r"Group '([\w.]+)' does not accept option '([\w.]+)'", reason)
    single = re.search(r"Option '([\w.]+)' is not accepted|[Uu]nrecognized arguments?: --([\w.-]+)", reason)
    if group is None and single is None:
        stray = re.search(r"[Uu]nrecognized arguments?: (.+)", reason)
        return stray and f"'{stray.group(1)}' belongs to no setting; settings are written --name value"
    found = ".".join(group.groups()) if group else next(filter(None, single.groups()))  # type: ignore[union-attr]  # one of both
    name = re.sub(r"\binit_args\.", "", f"{path}.{found}" if path else found)
    return f"unknown setting '{name}'; {_suggestion(name, known_settings())}"


def _missing(path: str, reason: str) -> str | None:
    required = re.search(r"following arguments are required: (.+)", reason)
    if required is None:
        return None
    if not path:
        return f"{required.group(1)} missing; name a configuration file with --config"
    names = [f"{path}.{name}" for name in required.group(1).split(", ")]
    return f"{', '.join(names)} missing; set it in the configuration file, or with --{names[0]}"


def _class(path: str, flat: str) -> str | None:
    if "Not a valid subclass" in flat:
        return f"{path}: needs class_path, the name of its class, and init_args, the settings of that class"
    patterns = (
        r"module '([\w.]+)' has no attribute '(\w+)'",
        r"No module named '([\w.]+)'",
        r"Import path ([\w.]+) does not correspond",
        r"Expected a dot import path string: (\w+)",
        r"Expected an instantiatable class, but ([\w.]+) is abstract",
    )
    found = next(filter(None, (re.search(pattern, flat) for pattern in patterns)), None)
    if found is None:
        return None
    named = re.findall(r"Problem with given class_path '([\w.]+)'", flat[: found.start()])
    is_whole = len(found.groups()) == 1 and "No module named" not in found.group()
    name = found.group(1) if is_whole or not named else named[-1]
    if path == "model.network":
        kind, room, names = "network", "lesslabel.networks", _classes(Network, networks)
    elif path == "data":
        kind, room, names = (
            "data module",
            "lesslabel.data",
            _classes(module.SegmentationDataModule, modules),
        )
    else:
        kind, room, names = "method", "lesslabel.methods", _classes(SegmentationMethod, methods)
    known = [f"{room}.{entry.__name__}" for entry in names]
    there_are = f"{room} has {_listed([entry.__name__ for entry in names])}"
    return f"{path}.class_path: no {kind} '{name}'; {_suggestion(name, known, there_are)}"


def _value(path: str, reason: str, given: str) -> str | None:
    expected = re.findall(r"Expected an? (<class '\w+'>|typing\.Literal\[.*?\])", reason)
    if not expected:
        return None
    choices = ", ".join(re.sub(r"<class '(\w+)'>|typing\.Literal\[(.*)\]", r"\1\2", entry) for entry in expected)
    got = re.search(r"Got value: (.*)", reason)
    one_of = "one of " if "," in choices else ""
    return f"{path}: expected {one_of}{choices}, got {got.group(1) if got else given}"


def _where(problem: str, settings: Settings) -> str:
    """Name the files that hold the setting, unless it is on the command line."""
    quoted = re.match(r"unknown setting '([\w.-]+)'|([\w.]+): expected", problem)
    key = next(filter(None, quoted.groups())).rsplit(".", 1)[-1] if quoted else ""
    if key and any(setting.name.endswith(key) for setting in settings.given):
        return ""
    files = config_files(settings)
    shared = [part for file in files for part in shared_files(file)]
    holders = [file for file in (*files, *shared) if key and key in file.read_text(encoding="utf-8")] or files
    return f"{', '.join(map(str, holders))}: " if holders else ""


def _suggestion(name: str, known: Sequence[str], otherwise: str = _LIST_THEM) -> str:
    if name in known:
        return f"another class has it, this one does not; {_LIST_THEM}"
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return f"did you mean '{near[0]}'?" if near else otherwise


def _listed(names: Sequence[str]) -> str:
    """So many names that the message stays one line that can be read."""
    return ", ".join(names[:_MOST_NAMES]) + (" …" if len(names) > _MOST_NAMES else "")


def _short(value: str) -> str:
    return value if len(value) < 40 else f"{value[:40]}…"


def _classes(base: type, room: Any) -> list[type]:
    """Classes of a module that a configuration may name; the base of all methods is not one."""
    found = [entry for entry in vars(room).values() if inspect.isclass(entry) and issubclass(entry, base)]
    return [entry for entry in found if entry not in (SegmentationMethod, Network)]


def _settings(entry: type, prefix: str) -> Iterator[str]:
    hints = get_type_hints(entry if dataclasses.is_dataclass(entry) else entry.__init__)  # type: ignore[misc]  # of a class, not an instance
    for name in inspect.signature(entry).parameters:
        yield f"{prefix}.{name}"
        for kind in (hints.get(name), *get_args(hints.get(name))):
            described = _classes(Network, networks) if kind is Network else [kind]
            for each in described:
                if inspect.isclass(each) and dataclasses.is_dataclass(each):
                    yield from _settings(each, f"{prefix}.{name}")
