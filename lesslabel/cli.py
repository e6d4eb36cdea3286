"""One command, `lesslabel <verb>`. Thin: it finds the verb, and says in one line what went wrong."""

import argparse
import re
import sys
from collections.abc import Sequence

from lesslabel import __version__
from lesslabel.commands import VERBS, run_verb
from lesslabel.errors import LesslabelError
from lesslabel.plain_text import visible
from lesslabel.terminal import READER_GONE, accept_any_character, is_reader_gone


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code: 0 done, 1 something to mend (said in one line), 2 not understood.

    141 if nobody reads what is printed any more, as in ``lesslabel verify STORE | head``; nothing is said then.
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
        epilog="verbs:\n" + "\n".join(f"  {name:11}{text}" for name, (_, text) in VERBS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lesslabel {__version__}")
    parser.add_argument("verb", choices=VERBS, metavar="verb", help="what to do; `lesslabel VERB --help` says how")
    verb = parser.parse_args(given[:1]).verb
    try:
        return run_verb(verb, list(given[1:]))
    except LesslabelError as error:
        return _fail(verb, str(error))
    except BrokenPipeError:
        if is_reader_gone():
            return READER_GONE
        return _fail(verb, "a process that was helping ended early; see what it said, and run the same command again")
    except OSError as error:
        return _fail(verb, f"{error.filename or 'disk'}: {error.strerror or error}; check the free space and rights")
    except KeyboardInterrupt as error:
        return _fail(verb, str(error) or "interrupted", 130)


def _fail(verb: str, message: str, code: int = 1) -> int:
    """Say what is wrong in one line; what a loader process raised comes with its traceback, of which the end counts."""
    line = re.sub(r"^lesslabel[.]errors[.][A-Za-z]+: ", "", message.strip().split("\n")[-1])
    print(f"lesslabel {verb}: {visible(line)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
