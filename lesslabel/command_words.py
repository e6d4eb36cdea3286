"""Read the settings of a run from the arguments of a command line."""

from collections.abc import Sequence

from lesslabel.runs.settings import CONFIG, Setting, Settings


def read_settings(words: Sequence[str]) -> Settings:
    """Read ``--name value`` and ``--name=value``; every argument is kept, so that an error can name a wrong one.

    Args:
        words: arguments of the command line, only the settings of a run.
    """
    given: list[Setting] = []
    waiting = [f"--{CONFIG}{word[2:]}" if word == "-c" or word.startswith("-c=") else word for word in words]
    while waiting:
        word = waiting.pop(0)
        if not word.startswith("--"):
            given.append(Setting("", word))
            continue
        name, equals, value = word[2:].partition("=")
        if equals:
            given.append(Setting(name, value, joined=True))
        else:
            given.append(Setting(name, waiting.pop(0) if waiting and not waiting[0].startswith("--") else None))
    return Settings(tuple(given))
