"""Make a weak annotation for every case of a store from its dense labels.

Any dense data set thus becomes a benchmark of weak supervision. Known share of the voxels of each label, compared with
scribbles of people, over 40 volumes (381 slices) of ACDC, with defaults unless noted:

===================== ========== ===== ===== =====
drawn                 background RV    Myo   LV
===================== ========== ===== ===== =====
by people             0.67 %     9.3 % 15.7% 9.9 %
skeleton              0.41 %     3.9 % 6.4 % 2.5 %
skeleton, thickness 2 0.89 %     9.1 % 15.5% 6.1 %
loop                  0.64 %     10.2% 14.1% 9.5 %
points                < 0.01 %   0.1 % 0.2 % 0.1 %
===================== ========== ===== ===== =====
"""

import hashlib
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor
from contextlib import closing, nullcontext
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import IGNORE, Annotation, Kind
from lesslabel.data.store import Store
from lesslabel.data.weak_labels.sparse_labels import (
    Plane,
    SparseLabelSettings,
    make_sparse_slice,
    measure_largest_component,
)
from lesslabel.errors import DataError
from lesslabel.processes import worker_pool

_KINDS = {"scribble": Kind.SCRIBBLE, "points": Kind.POINTS, "box": Kind.BOX}
_SLICES_AT_ONCE = 4


def make_weak_labels(
    store: Store,
    source: str,
    name: str,
    settings: SparseLabelSettings,
    *,
    seed: int = 0,
    time: str = "",
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Make a weak annotation for every densely annotated case and add it to the store: to all cases or to none.

    Args:
        store: the store; it changes.
        source: name of the dense annotation.
        name: of the new annotation.
        settings: settings of the weak labels.
        seed: random seed; each slice is a deterministic function of (seed, case, slice), whatever the workers.
        time: when, ISO 8601, or empty.
        workers: number of processes; 0 uses this process.
        progress: called with (finished cases, all cases).

    Returns:
        Number of cases that got the annotation; cases without `source` do not change.

    Raises:
        DataError: if no case has `source`, it is not dense, or a case has an annotation of the new name already.
    """
    uids = [uid for uid, record in store.records.items() if source in record.annotation_names]
    if not uids:
        known = ", ".join(store.fingerprint["annotations"]) or "none"
        raise DataError(f"{store.path}: no case has an annotation '{source}'; there are {known}")
    for uid in uids:
        if name in store.records[uid].annotation_names:
            raise DataError(f"case {uid}: has an annotation '{name}' already; choose another name")
    how = f"{settings.style} {settings.kind}" if settings.kind == "scribble" else settings.kind
    author = f"drawn from '{source}': {how}, seed {seed}"

    def annotate(pool: Executor | None) -> Generator[tuple[str, Annotation], None, None]:
        for done, uid in enumerate(uids, start=1):
            dense = store.read(uid).annotations[source]
            if dense.kind is not Kind.DENSE:
                raise DataError(f"case {uid}: '{source}' is {dense.kind.name.lower()}; name a dense annotation")
            labels, covered = _draw_case(dense, settings, _seed_of(seed, uid), pool)
            yield uid, Annotation(labels, _KINDS[settings.kind], author, time, dense.covered_labels, covered)
            if progress is not None:
                progress(done, len(uids))

    pool = worker_pool(workers, store.path) if workers else nullcontext()
    with pool as running, closing(annotate(running)) as annotated:
        store.add_annotations(name, annotated)
    return len(uids)


def choose_slices(
    labels: NDArray[np.uint8],
    covered: Sequence[int] | None,
    share: float,
    rng: np.random.Generator,
    minimum_area_voxel: int = 1,
) -> tuple[int, ...]:
    """Choose evenly spaced slices from a random start; for a missed label add the slice of its largest component.

    Args:
        labels: (z, y, x) uint8.
        covered: the z indices to choose from; None means all.
        share: share of them to choose, in (0, 1]; at least one is chosen.
        rng: random number generator for the start.
        minimum_area_voxel: a label whose components on the chosen slices are all smaller counts as missed too.
    """
    candidates = np.arange(len(labels)) if covered is None else np.sort(np.asarray(covered, dtype=np.int64))
    count = max(round(share * len(candidates)), 1)
    places = np.floor((np.arange(count) + rng.random()) * len(candidates) / count).astype(np.int64)
    chosen = set(candidates[places].tolist())
    for code in np.setdiff1d(np.unique(labels[candidates]), [0, IGNORE]):
        areas = np.array([measure_largest_component(labels[index] == code) for index in candidates])
        if areas[np.isin(candidates, list(chosen))].max() < minimum_area_voxel:
            chosen.add(int(candidates[np.argmax(areas)]))
    return tuple(sorted(chosen))


def _draw_case(
    dense: Annotation, settings: SparseLabelSettings, seed: Sequence[int], pool: Executor | None
) -> tuple[NDArray[np.uint8], tuple[int, ...] | None]:
    """The sparse labels of a case, and the slices that they cover; None means all."""
    chosen = choose_slices(
        dense.labels, dense.covered_slices, settings.slices, np.random.default_rng(seed), settings.minimum_area_voxel
    )
    planes = [dense.labels[index] for index in chosen]
    seeds = [(*seed, index + 1) for index in chosen]  # a last 0 would repeat the generator that chose the slices
    draw = map if pool is None else pool.map
    options = {} if pool is None else {"chunksize": _SLICES_AT_ONCE}
    labels = np.full_like(dense.labels, IGNORE)
    for index, plane in zip(chosen, draw(_draw_seeded, planes, repeat(settings), seeds, **options), strict=True):
        labels[index] = plane
    return labels, None if len(chosen) == len(labels) else chosen


def _draw_seeded(plane: Plane, settings: SparseLabelSettings, seed: Sequence[int]) -> Plane:
    return make_sparse_slice(plane, settings, np.random.default_rng(seed))


def _seed_of(seed: int, uid: str) -> tuple[int, int]:
    return seed, int.from_bytes(hashlib.sha256(uid.encode()).digest()[:8], "big")
