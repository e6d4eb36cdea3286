"""One call that opens the page for a store, for the command line, Python and notebooks."""

from collections.abc import Sequence
from pathlib import Path

from lesslabel.data.case import Kind
from lesslabel.data.store import Store
from lesslabel.errors import ConfigError

NO_MODEL = "none"
LOOPBACK = "127.0.0.1"


def annotate(
    store: Path | str,
    *,
    annotation: str,
    authors: Sequence[str],
    queue: Path | str | None = None,
    kind: str = "dense",
    model: str = "general",
    second_reading: bool = False,
    learn: int = 0,
    host: str = LOOPBACK,
    port: int = 0,
) -> None:
    """Open a page in which people work off a queue; returns when the server is ended with Ctrl-C.

    In a notebook the cell runs until it is interrupted.

    Args:
        store: the prepared data set; what is finished is an annotation of it.
        annotation: name of the annotation to make.
        authors: who draws, without patient data; each gets a link.
        queue: ``queue.csv`` of `lesslabel select`; None takes all cases.
        kind: ``dense`` or ``scribble``.
        model: what answers prompts: ``general``, ``training-free``, the folder of a run or bundle, or ``none``.
        second_reading: whether every author draws every case, as ``NAME/AUTHOR``; else each case is drawn once.
        learn: steps by which the general clicker is fine-tuned in the background on what was drawn, whenever a case was
            finished; 0 leaves it as it is.
        host: address to listen at; the default lets in nobody but this machine.
        port: 0 takes a free one.

    Raises:
        ConfigError: if a value will not do, the page was not built, or the extra ``lesslabel[annotate]`` is missing.
        DataError: if the store or the queue cannot be read.
    """
    try:
        from lesslabel.annotating.serving import serve
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error.name} is not installed; pip install 'lesslabel[annotate]'") from error
    from lesslabel.annotating.desk import Desk
    from lesslabel.annotating.models import open_model
    from lesslabel.annotating.task import Task

    if kind not in ("dense", "scribble"):
        raise ConfigError(f"kind {kind!r}: say dense or scribble")
    opened = Store(store)
    task = Task(annotation, Kind[kind.upper()], second_reading, None if queue is None else Path(queue), learn=learn)
    alone = model == NO_MODEL or task.kind is Kind.SCRIBBLE
    serve(Desk(opened, task, None if alone else open_model(model, opened)), authors, host=host, port=port)
