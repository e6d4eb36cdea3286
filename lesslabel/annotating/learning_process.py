"""The process that learns between two cases.

    python -m lesslabel.annotating.learning_process STORE ANNOTATION WEIGHTS STEPS

The server starts it (`Learner`). It ends early with its input, that is with the server, also while it still imports.
"""

import sys
from pathlib import Path

from lesslabel.errors import LesslabelError
from lesslabel.processes import end_with_input


def main() -> int:
    """Learn once; an error is one line."""
    end_with_input()
    import torch  # takes seconds, in which the server may be killed

    from lesslabel.annotating.learning import learn

    torch.set_num_threads(1)
    store, annotation, served, steps = sys.argv[1:]
    try:
        learn(Path(store), annotation, served, int(steps))
    except LesslabelError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
