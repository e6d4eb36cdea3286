"""What may stand in logs and in files that are handed over: names, but no path to a folder of a person or a machine.

A path is absolute here if it begins with a slash or backslash (a server's name included), a drive (``C:``), a home
folder (``~``, ``~jane``) or ``file:``. A relative path stays: it tells only what lies in the project.
"""

import re
import shlex
from collections.abc import Sequence

_SEPARATOR = re.compile(r"[\\/]+")
_SEGMENT = r"[^\s/\\'\",;:=()\[\]{}<>|]+"
_DRIVE_OR_HOME = r"(?:~[\w.-]*|[A-Za-z]:)(?=[\\/])"
_PATH = re.compile(rf"(?<![\w./\\])(?<![\w.~-][-~])(?:{_DRIVE_OR_HOME})?(?:[\\/]+{_SEGMENT})+[\\/]*")
_ABSOLUTE = rf"(?:{_DRIVE_OR_HOME}|[Ff][Ii][Ll][Ee]:)?[\\/]"
_QUOTED = re.compile(rf"""(?P<quote>['"])(?P<path>{_ABSOLUTE}[^'"\n]*)(?P=quote)""")
_USER = re.compile(r"(?<![\w./\\~])(?<![\w.~-]-)~[A-Za-z_][\w.-]*[\\/]*")
_HOME = re.compile(r"(?:file:)?(?:[A-Za-z]:)?[\\/]+(?:home|users)[\\/]+[^\\/]+|~[\w.-]*", re.IGNORECASE)


def last_part(path: str) -> str:
    """The name of a file or folder without the folders above it; a home folder, whose name is its owner's, is ``~``.

    Args:
        path: of any system.
    """
    path = path.rstrip("\\/")
    return "~" if _HOME.fullmatch(path) else _SEPARATOR.split(path)[-1]


def without_folders(text: str) -> str:
    """Replace every absolute path in a text by its last part.

    Args:
        text: any. A path that holds spaces is seen whole if it stands in quotes.
    """
    text = _QUOTED.sub(lambda found: found["quote"] + last_part(found["path"]) + found["quote"], text)
    text = _PATH.sub(lambda found: last_part(found.group()), text)
    return _USER.sub("~", text)


def argument_without_folders(argument: str) -> str:
    """Replace every absolute path in one word of a command line by its last part.

    Args:
        argument: the word, such as ``--data.init_args.store=/data/my stores/acdc``; its paths may hold spaces.
    """
    argument = _QUOTED.sub(lambda found: found["quote"] + last_part(found["path"]) + found["quote"], argument)
    if re.match(_ABSOLUTE, argument):
        return last_part(argument)
    name, equals, value = argument.partition("=")
    return without_folders(name) + (equals and equals + argument_without_folders(value))


def command_without_folders(command: str | Sequence[str]) -> str:
    """A command line whose words have lost the folders of their absolute paths.

    Args:
        command: as typed in a shell, or its words.
    """
    words = _shell_words(command) if isinstance(command, str) else command
    return " ".join(map(argument_without_folders, words))


def _shell_words(command: str) -> list[str]:
    try:
        return shlex.split(command, posix="\\" not in command)
    except ValueError:  # an unbalanced quote: not a shell line after all
        return command.split()
