"""How the work on a case begins: the first line of its journal, by which the image and its start are known again."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lesslabel.annotating.events import image_digest, now
from lesslabel.annotating.journal import VERSION, Journal
from lesslabel.annotating.wire import to_json, whole_map
from lesslabel.data.case import Case
from lesslabel.errors import DataError


def first_event(
    journal: Journal,
    key: str,
    case: Case,
    base: Callable[[], NDArray[np.uint8]],
    erased: int,
    described: Mapping[str, str],
) -> dict[str, Any]:
    """The first event of a journal, written now if there is none.

    Args:
        journal: of the case and an author.
        key: what the case is called on the wire.
        case: the case.
        base: makes the label map (z, y, x) to begin with; called for a new journal only.
        erased: the value of what nobody marked.
        described: what the model is, in words.

    Raises:
        DataError: if the journal is of another image, or cannot be written.
    """
    digest = image_digest(case)
    if not journal.events:
        journal.append(
            {
                "event": "begin",
                "version": VERSION,
                "case": key,
                "image_sha256": digest,
                "erased": erased,
                "model": dict(described),
                "base": to_json(whole_map(base(), erased)),
                "at": now(),
            }
        )
    first = journal.events[0]
    if first["image_sha256"] != digest or first["erased"] != erased:
        raise DataError(f"{journal.path.name}: of another image or kind of annotation; choose another --annotation")
    return first
