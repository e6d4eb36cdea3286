"""Spread the scribbles of all cases of a store by a random walker, and add the result as pseudo-labels."""

from collections.abc import Callable, Iterator

import numpy as np

from lesslabel.data.case import IGNORE, Annotation, Case, Kind
from lesslabel.data.store import Store
from lesslabel.data.store.finite import require_finite
from lesslabel.data.weak_labels.random_walker import spread_scribbles
from lesslabel.errors import ConfigError, DataError

_BRIGHTEST = 99.0  # percentile that becomes 1


def spread_annotation(
    store: Store,
    source: str,
    name: str,
    *,
    beta: float = 100.0,
    confidence: float = 0.0,
    time: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Add pseudo-labels to every case that has scribbles, slice by slice: to all of them or to none.

    The walker sees the first channel, scaled so that 0 is the smallest intensity of the case and 1 its 99th percentile.
    Slices without a scribble are not covered.

    Args:
        store: the store; it changes.
        source: name of the scribbles.
        name: of the new annotation.
        beta: penalty of an edge, see `spread_scribbles`.
        confidence: voxels below it are unknown, in [0, 1].
        time: when, ISO 8601, or empty.
        progress: called with (finished cases, all cases).

    Returns:
        Number of cases that got the annotation.

    Raises:
        ConfigError: if beta or the confidence is out of range.
        DataError: if no case has `source`, a case has an annotation of the new name already, or its image has voxels
            that are NaN or infinite.
    """
    if not beta > 0 or not 0 <= confidence <= 1:
        raise ConfigError(f"spread: beta {beta} must be positive, confidence {confidence} in [0, 1]")
    uids = [uid for uid, record in store.records.items() if source in record.annotation_names]
    if not uids:
        known = ", ".join(store.fingerprint["annotations"]) or "none"
        raise DataError(f"{store.path}: no case has an annotation '{source}'; there are {known}")
    for uid in uids:
        if name in store.records[uid].annotation_names:
            raise DataError(f"case {uid}: has an annotation '{name}' already; choose another name")
    author = f"random walker from '{source}', beta {beta:g}, confidence {confidence:g}"

    def spread() -> Iterator[tuple[str, Annotation]]:
        for done, uid in enumerate(uids, start=1):
            case = store.read(uid)
            require_finite(case.image[0], f"{store.case_path(uid)}: image", store.path)
            yield uid, _spread_case(case, source, beta, confidence, author, time)
            if progress is not None:
                progress(done, len(uids))

    store.add_annotations(name, spread())
    return len(uids)


def _spread_case(case: Case, source: str, beta: float, confidence: float, author: str, time: str) -> Annotation:
    drawn = case.annotations[source]
    darkest, brightest = case.image[0].min(), np.percentile(case.image[0], _BRIGHTEST)
    scaled = (case.image[0] - darkest) / max(float(brightest - darkest), 1e-6)
    labels = np.full_like(drawn.labels, IGNORE)
    covered = [index for index, plane in enumerate(drawn.labels) if (plane != IGNORE).any()]
    for index in covered:
        labels[index] = spread_scribbles(scaled[index], drawn.labels[index], beta=beta, confidence=confidence)
    return Annotation(labels, Kind.PSEUDO, author, time, drawn.covered_labels, tuple(covered))
