"""A step of a recipe: the arguments of one `lesslabel` command, some with placeholders such as ``{seed}``."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from lesslabel.errors import ConfigError

Value = str | int | float | bool
Step = tuple[str, ...]
_PLACEHOLDER = re.compile(r"\{(\w[\w -]*)\}")
OUTPUTS = {"fit": "--run", "test": "--run", "pseudo": "--out", "clicks": "--out", "select": "--out", "adapt": "--out"}
"""The option of a command for its output; `bundle export` takes it as its second argument."""
COMMANDS = (*OUTPUTS, "bundle")
"""The commands of a step: they write complete results into the job's folder or nothing, and change nothing else."""


def split_step(text: str) -> Step:
    """Split a command into arguments before its placeholders are filled, so that a value with blanks is one argument.

    Raises:
        ConfigError: if a quote is open, the command is not in `COMMANDS`, or the output is not in the job's folder.
    """
    try:
        step = tuple(shlex.split(text))
    except ValueError as error:
        raise ConfigError(f"{error}; close the quote") from error
    if not step or step[0] not in COMMANDS:
        raise ConfigError(
            f"unknown command '{step[0] if step else ''}'; a step begins with one of {', '.join(COMMANDS)}"
        )
    if not output_of(step).startswith("{job}/"):
        where = "bundle export RUN {job}/NAME" if step[0] == "bundle" else f"{OUTPUTS[step[0]]} {{job}}/NAME"
        raise ConfigError(f"'{step[0]}' does not write into the job's folder; write {where}")
    return step


def placeholders(step: Iterable[str]) -> set[str]:
    """The names in braces."""
    return {name for word in step for name in _PLACEHOLDER.findall(word)}


def fill(step: Sequence[str], values: Mapping[str, Value | Sequence[Value]]) -> Step:
    """Fill placeholders with values, once: braces in a value are kept. A list becomes one argument per entry.

    Args:
        step: the arguments.
        values: by name; a placeholder of another name is kept.

    Raises:
        ConfigError: if a list is in a part of an argument.
    """
    return tuple(filled for word in step for filled in _fill_word(word, values))


def options(step: Sequence[str], name: str) -> list[str]:
    """Every value of an option, ``--name value`` or ``--name=value``."""
    found = []
    for index, word in enumerate(step):
        if word == name and index + 1 < len(step):
            found.append(step[index + 1])
        elif word.startswith(f"{name}="):
            found.append(word.partition("=")[2])
    return found


def option(step: Sequence[str], name: str) -> str | None:
    """The last value of an option; None without one."""
    return next(reversed(options(step, name)), None)


def without(step: Sequence[str], names: Iterable[str], flags: Iterable[str] = ()) -> Step:
    """The arguments without some options with their values, and without some flags."""
    kept, skip, names, flags = [], False, tuple(names), tuple(flags)
    for word in step:
        if skip:
            skip = False
        elif word in names:
            skip = True
        elif word not in flags and not word.startswith(tuple(f"{name}=" for name in names)):
            kept.append(word)
    return tuple(kept)


def output_of(step: Sequence[str]) -> str:
    """The output of a step: a file or a folder; of a test its run. Empty without one."""
    if step[0] == "bundle":
        return step[3] if len(step) > 3 and step[1] == "export" else ""
    return option(step, OUTPUTS[step[0]]) or ""


def _fill_word(word: str, values: Mapping[str, Value | Sequence[Value]]) -> Step:
    whole = _PLACEHOLDER.fullmatch(word)
    if whole is not None and isinstance(values.get(whole[1]), list | tuple):
        return tuple(map(_text, values[whole[1]]))  # type: ignore[arg-type]  # a list, as was just seen

    def put(match: re.Match[str]) -> str:
        value = values.get(match[1], match[0])
        if isinstance(value, list | tuple):
            raise ConfigError(f"the list {match[0]} is a part of '{word}'; it must be a whole argument")
        return _text(value)

    return (_PLACEHOLDER.sub(put, word),)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
