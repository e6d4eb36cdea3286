"""One command, `lesslabel <verb>`. Thin: it finds the verb, and says in one line what went wrong."""

import argparse
import re
import sys
from collections.abc import Sequence

from lesslabel import __version__
from lesslabel.commands import VERBS, run_verb
from lesslabel.errors import LesslabelError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code: 0 done, 1 something to mend (said in one line), 2 not understood."""
    given = list(sys.argv[1:] if arguments is None else arguments)
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
        return run_verb(verb, given[1:])
    except LesslabelError as error:
        return _fail(verb, str(error))
    except OSError as error:
        return _fail(verb, f"{error.filename or 'disk'}: {error.strerror or error}; check the free space and rights")
    except KeyboardInterrupt as error:
        return _fail(verb, str(error) or "interrupted", 130)


def _fail(verb: str, message: str, code: int = 1) -> int:
    """Say what is wrong in one line; what a loader process raised comes with its traceback, of which the end counts."""
    line = message.strip().splitlines()[-1]
    print(f"lesslabel {verb}: {re.sub(r'^lesslabel[.]errors[.][A-Za-z]+: ', '', line)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
