"""Remove private paths from logs and shared files: names remain, folders of a person or a machine do not.

A path is absolute here if it begins with a slash or backslash (a server's name included), a drive (``C:``), a home
folder (``~``, ``~jane``) or ``file:``. A relative path is kept: it contains folders of the project only.
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
    """The name of a file or folder without its parent folders; a home folder, which has its owner's name, is ``~``.

    Args:
        path: of any system.
    """
    path = path.rstrip("\\/")
    return "~" if _HOME.fullmatch(path) else _SEPARATOR.split(path)[-1]


def without_folders(text: str) -> str:
    """Replace every absolute path in a text by its last part.

    Args:
        text: any text. A path with spaces is recognised if it is in quotes.
    """
    text = _QUOTED.sub(lambda found: found["quote"] + last_part(found["path"]) + found["quote"], text)
    text = _PATH.sub(lambda found: last_part(found.group()), text)
    return _USER.sub("~", text)


def argument_without_folders(argument: str) -> str:
    """Replace every absolute path in one argument of a command line by its last part.

    Args:
        argument: the word, such as ``--data.init_args.store=/data/my stores/acdc``; its paths may hold spaces.
    """
    argument = _QUOTED.sub(lambda found: found["quote"] + last_part(found["path"]) + found["quote"], argument)
    if re.match(_ABSOLUTE, argument):
        return last_part(argument)
    name, equals, value = argument.partition("=")
    return without_folders(name) + (equals and equals + argument_without_folders(value))


def command_without_folders(command: str | Sequence[str]) -> str:
    """A command line without the folders of absolute paths in its arguments.

    Args:
        command: as typed in a shell, or its arguments.
    """
    words = _shell_words(command) if isinstance(command, str) else command
    return " ".join(map(argument_without_folders, words))


def _shell_words(command: str) -> list[str]:
    try:
        return shlex.split(command, posix="\\" not in command)
    except ValueError:  # an unbalanced quote: not a shell command
        return command.split()
