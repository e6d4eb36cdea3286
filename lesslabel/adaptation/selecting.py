"""Write a queue of units to annotate, from a bundle and a store of another hospital."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesslabel.adaptation.choosing import (
    AnnotationUnit,
    choose_queue,
    features_of_training_part,
    make_strategy,
    name_strategy,
    require_strategy,
)
from lesslabel.adaptation.pseudo_labels import predict_codes
from lesslabel.bundle import Bundle, load_bundle
from lesslabel.data.exchange.queue_images import export_queue_images
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.queue import Queue, read_queue, write_queue
from lesslabel.data.verify.soundness import keep_sound
from lesslabel.errors import DataError
from lesslabel.selection import parse_budget
from lesslabel.terminal import print_warning


@dataclass(frozen=True)
class QueueSummary:
    """Summary of the images that a queue was chosen from.

    Attributes:
        strategy: name of the strategy.
        images: the number of ranked images.
        without_foreground: the number of them without predicted foreground.
        left_out: the number of damaged cases that were skipped.
    """

    strategy: str
    images: int
    without_foreground: int
    left_out: int


def select(
    bundle: str | Path,
    store: str | Path,
    out: str | Path,
    *,
    budget: str | float,
    strategy: str = "stdr",
    unit: AnnotationUnit = "slice",
    images: str | Path | None = None,
    previous: str | Path | None = None,
    diversity: bool = False,
    seed: int = 0,
    split: str = "random",
    fold: int = 0,
    allow_missing: bool = False,
    centres: Sequence[str] | None = None,
    workers: int = 0,
    skip_damaged: bool = False,
    describe: Callable[[QueueSummary], None] | None = None,
) -> Queue:
    """Rank the training part of a store and write a queue of units to annotate; labels are not used.

    Args:
        bundle: the bundle of the source.
        store: the target.
        out: the queue.csv to write; a queue.json comes beside it.
        budget: a share of all units, ``0.2`` or ``"20%"``, or a count.
        strategy: ``stdr``, ``random``, ``entropy`` …; the error of a wrong name lists them all.
        unit: the annotation unit.
        images: folder to write the images and prelabels to, if any.
        previous: queue of earlier rounds, continued in the new one.
        diversity: spread the choice inside each end of STDR.
        seed: of the strategy.
        split: of the target; only its training part is chosen from.
        fold: of the split.
        allow_missing: drop patients of the split that are not there.
        centres: choose from these hospitals of the store alone.
        workers: processes that read.
        skip_damaged: skip and list the cases in which `lesslabel verify` finds an error.
        describe: called with a summary after the queue is written.

    Returns:
        The queue, the most useful unit first.

    Raises:
        ConfigError: if there is no such strategy, or the budget is not valid.
        DataError: if a file exists already, or bundle, store or previous queue are absent or damaged.
    """
    path, folder = Path(out), None if images is None else Path(images)
    for made in (path, folder):
        if made is not None and made.exists():
            raise DataError(f"{made}: exists already; choose another name or remove it first")
    if path.suffix != ".csv":
        raise DataError(f"{path}: a queue is a CSV file; name it {path.stem}.csv")
    require_strategy(strategy, diversity=diversity)
    opened = load_bundle(bundle)
    wanted = parse_budget(str(budget))
    ranking = make_strategy(strategy, opened, seed, diversity=diversity)
    data = opened.data_module(
        Path(store),
        split=split,
        fold=fold,
        allow_missing=allow_missing,
        centres=None if centres is None else list(centres),
        workers=workers,
    )
    earlier = None if previous is None else read_queue(Path(previous), data.store)
    uids, left_out = keep_sound(
        data.store,
        [record.uid for record in data.records("train")],
        skip_damaged=skip_damaged,
        tell=print_warning,
    )
    features = features_of_training_part(opened, data, uids)
    queue = choose_queue(opened, data, ranking, wanted, unit=unit, previous=earlier, features=features)
    if folder is not None:
        queue = export_queue_images(data.store, queue, folder, _prelabels(opened, data, queue))
    write_queue(path, queue)
    if describe is not None:
        describe(QueueSummary(name_strategy(ranking), len(features), int((~features.has_feature).sum()), len(left_out)))
    return queue


def _prelabels(bundle: Bundle, data: SegmentationDataModule, queue: Queue) -> dict[str, NDArray[np.uint8]]:
    """Predictions of the bundle's model for the queued cases, in the codes of the store."""
    return {uid: labels for uid, labels, _ in predict_codes(bundle.build_method(), data, list(queue.slices))}
