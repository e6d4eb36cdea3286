"""The program `lesslabel COMMAND`: it runs a command and prints an error in one line."""

import argparse
import re
import sys
from collections.abc import Sequence

from lesslabel import __version__
from lesslabel.commands import COMMANDS, run_command
from lesslabel.errors import LesslabelError
from lesslabel.plain_text import visible
from lesslabel.terminal import READER_GONE, accept_any_character, is_reader_gone


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0 done, 1 an error (one line on stderr), 2 wrong usage.

    141 without a message if the reader of the output has gone, as in ``lesslabel verify STORE | head``.
    """
    accept_any_character()
    try:
        try:
            return _run(list(sys.argv[1:] if arguments is None else arguments))
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if is_reader_gone():
            return READER_GONE
        raise


def _run(given: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        "lesslabel",
        description="Medical image segmentation from few labels.",
        epilog="commands:\n" + "\n".join(f"  {name:11}{text}" for name, (_, text) in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lesslabel {__version__}")
    parser.add_argument("command", choices=COMMANDS, metavar="command", help="`lesslabel COMMAND --help` explains it")
    command = parser.parse_args(given[:1]).command
    try:
        return run_command(command, list(given[1:]))
    except LesslabelError as error:
        return _fail(command, str(error))
    except BrokenPipeError:
        if is_reader_gone():
            return READER_GONE
        return _fail(command, "a worker process ended early; read its message, and run the same command again")
    except OSError as error:
        return _fail(command, f"{error.filename or 'disk'}: {error.strerror or error}; check the free space and rights")
    except KeyboardInterrupt as error:
        return _fail(command, str(error) or "interrupted", 130)


def _fail(command: str, message: str, code: int = 1) -> int:
    """Print an error in one line; of an error of a loader process only the end of its traceback."""
    line = re.sub(r"^lesslabel[.]errors[.][A-Za-z]+: ", "", message.strip().split("\n")[-1])
    print(f"lesslabel {command}: {visible(line)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
