"""What `lesslabel select` and `lesslabel adapt` do, once the command line is parsed."""

import argparse
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lesslabel.adaptation.choosing import choose_queue, features_of_training_part, make_strategy, name_strategy
from lesslabel.adaptation.pseudo_labels import predict_codes
from lesslabel.adaptation.stages import adapt, adapt_without_labels
from lesslabel.bundle import Bundle, load_bundle
from lesslabel.data.exchange.queue_images import export_queue_images
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.queue import Queue, read_queue, write_queue
from lesslabel.data.verify.soundness import keep_sound
from lesslabel.errors import ConfigError, DataError
from lesslabel.printing import print_warning
from lesslabel.runs.folder import RunFolder
from lesslabel.selection import parse_budget


def run_select(options: argparse.Namespace) -> int:
    """Write a queue, and if asked the images that an annotator opens."""
    for path in (options.out, options.images):
        if path is not None and path.exists():
            raise DataError(f"{path}: exists already; choose another name or remove it first")
    if options.out.suffix != ".csv":
        raise DataError(f"{options.out}: a queue is a CSV file; name it {options.out.stem}.csv")
    bundle = load_bundle(options.bundle)
    budget = parse_budget(options.budget)
    strategy = make_strategy(options.strategy, bundle, options.seed, diversity=options.diversity)
    data = bundle.data_module(
        options.store,
        split=options.split,
        fold=options.fold,
        allow_missing=options.allow_missing,
        centres=options.centres,
        workers=options.workers,
    )
    previous = None if options.previous is None else read_queue(options.previous, data.store)
    uids, left_out = keep_sound(
        data.store,
        [record.uid for record in data.records("train")],
        skip_damaged=options.skip_damaged,
        tell=print_warning,
    )
    features = features_of_training_part(bundle, data, uids)
    queue = choose_queue(bundle, data, strategy, budget, unit=options.unit, previous=previous, features=features)
    if options.images is not None:
        queue = export_queue_images(data.store, queue, options.images, _prelabels(bundle, data, queue))
    write_queue(options.out, queue)
    without, name = int((~features.has_feature).sum()), name_strategy(strategy)
    print(f"{options.out}: {len(queue.rows)} {options.unit}s of {len(queue.slices)} cases, chosen by {name}")
    skipped = f"; {len(left_out)} cases left out" if left_out else ""
    print(f"{len(features)} images looked at, {without} without predicted foreground{skipped}")
    print(
        f"next: annotate, then lesslabel import {options.store} --queue {options.out} --from FOLDER --annotation NAME "
        "--author WHO"
    )
    return 0


def run_adapt(options: argparse.Namespace, settings: Sequence[str]) -> int:
    """Adapt by a queue's labels, or without any."""
    try:
        run = _adapt(options, settings)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(f"interrupted; the same command goes on with {options.out}") from error
    print(f"adapted: {run.path}\nnext: lesslabel test --run {run.path}")
    return 0


def _adapt(options: argparse.Namespace, settings: Sequence[str]) -> RunFolder:
    bundle = load_bundle(options.bundle)
    if options.without_labels is not None:
        if options.queue is not None:
            raise ConfigError("--queue and --without-labels exclude each other; leave one out")
        return adapt_without_labels(bundle, options.store, options.without_labels, options.out, settings=settings)
    if options.queue is None or options.annotation is None:
        raise ConfigError("--queue and --annotation are missing: name what was annotated, or choose --without-labels")
    return adapt(
        bundle,
        options.store,
        options.queue,
        options.annotation,
        options.out,
        self_train=options.stages == 3,
        confidence=options.confidence,
        restart_from_source=options.restart_from_source,
        name=options.name,
        settings=settings,
    )


def _prelabels(bundle: Bundle, data: SegmentationDataModule, queue: Queue) -> dict[str, NDArray[np.uint8]]:
    """What the bundle's model says of the queued cases, in the codes of the store."""
    return {uid: labels for uid, labels, _ in predict_codes(bundle.build_method(), data, list(queue.slices))}
