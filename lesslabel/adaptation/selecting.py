"""Write a queue of units to annotate, from a store and, if there is one, a model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesslabel.adaptation.choosing import MinuteBudget, check_round, further_columns, price_queue, rank_queue
from lesslabel.adaptation.coarse_prelabels import COARSE_PROMPTS, CoarsePrompt, coarse_prelabels, prelabel_code
from lesslabel.adaptation.feature_sources import Part, open_source
from lesslabel.adaptation.strategies import make_strategy, name_strategy, require_model, require_strategy
from lesslabel.adaptation.units import AnnotationUnit
from lesslabel.data.exchange.queue_images import export_queue_images
from lesslabel.data.queue import Queue, UnitName, read_queue, write_queue
from lesslabel.data.verify.soundness import keep_sound
from lesslabel.errors import ConfigError, DataError
from lesslabel.runs.geometry import warn_of_differences
from lesslabel.selection import parse_budget
from lesslabel.selection.budget import Budget
from lesslabel.selection.cost import AnnotationCost, parse_minutes
from lesslabel.terminal import print_warning

WITHOUT_SOURCE = "foreground-random"
"""The strategy where there is no source to compare with: no other one was significantly better so far."""


@dataclass(frozen=True)
class QueueSummary:
    """Summary of the images that a queue was chosen from.

    Attributes:
        strategy: name of the strategy.
        images: the number of ranked images.
        without_foreground: the number of them without predicted foreground.
        left_out: the number of damaged cases that were skipped.
        minutes: what the units of this round cost, by the given prices.
        held_out: the number of cases that are in no training part; not counted where centres are chosen.
    """

    strategy: str
    images: int
    without_foreground: int
    left_out: int
    minutes: float = 0.0
    held_out: int = 0


def select(
    bundle: str | Path | None,
    store: str | Path,
    out: str | Path,
    *,
    budget: str | float,
    run: str | Path | None = None,
    ensemble: Sequence[str | Path] = (),
    strategy: str | None = None,
    unit: UnitName = "slice",
    patch_voxel: Sequence[int] | None = None,
    images: str | Path | None = None,
    prelabels: CoarsePrompt | None = None,
    prelabel_label: str | None = None,
    previous: str | Path | None = None,
    diversity: bool = False,
    seed: int = 0,
    split: str | None = None,
    fold: int | None = None,
    allow_missing: bool = False,
    centres: Sequence[str] | None = None,
    workers: int = 0,
    skip_damaged: bool = False,
    cost: AnnotationCost | None = None,
    describe: Callable[[QueueSummary], None] | None = None,
) -> Queue:
    """Rank the training part of a store and write a queue of units to annotate; labels are not used.

    Args:
        bundle: the bundle of the source; None with a run, or without any model: features are then of the image alone.
        store: the target.
        out: the queue.csv to write; a queue.json comes beside it.
        budget: a share of all units, ``0.2`` or ``"20%"``, a count, or minutes, ``"45 min"``.
        run: a finished run whose model gives the features, instead of a bundle.
        ensemble: further finished runs of the same data; strategies that compare several predictions compare those of
            these models and of `run`, without dropout.
        strategy: ``stdr``, ``random``, ``entropy`` …; the error of a wrong name lists them all. None is ``stdr`` with a
            bundle, else ``foreground-random``.
        unit: the annotation unit, ``slice``, ``case`` or ``patch``.
        patch_voxel: of patches: their size (z, y, x) in voxels of the store; they lie side by side from the first voxel
            of a case on, and those at its far ends are smaller.
        images: folder to write the images and prelabels to, if any.
        prelabels: without a bundle and a run, prelabels are masks of the general clicker from this prompt, see
            `lesslabel.adaptation.coarse_prelabels`; None writes none.
        prelabel_label: name of the label that they get; None if the store has only one.
        previous: queue of earlier rounds, continued in the new one.
        diversity: spread the choice inside each end of STDR.
        seed: of the strategy.
        split: of the target; only its training part is chosen from. None is that of the run, or ``random``.
        fold: of the split; None is that of the run, or 0.
        allow_missing: drop patients of the split that are not there.
        centres: choose from these hospitals of the store alone.
        workers: processes that read.
        skip_damaged: skip and list the cases in which `lesslabel verify` finds an error.
        cost: prices of a budget in minutes.
        describe: called with a summary after the queue is written.

    Returns:
        The queue, the most useful unit first.

    Raises:
        ConfigError: if there is no such strategy or unit, it needs a model that is not given, or the budget or the
            choice of prelabels is not valid.
        DataError: if a file exists already, or bundle, store or previous queue are absent or damaged.
        RunError: if there is no such run.
    """
    path, folder = Path(out), None if images is None else Path(images)
    _require_new(path, folder)
    _check_prelabels(prelabels, prelabel_label, bundle or run, folder)
    strategy = strategy or ("stdr" if bundle is not None else WITHOUT_SOURCE)
    require_strategy(strategy, diversity=diversity)
    prices, asked = cost or AnnotationCost(), AnnotationUnit.of(unit, patch_voxel)
    wanted = _parse(budget, prices)
    source = open_source(bundle, run, store, Part(split, fold, allow_missing, centres, workers), ensemble)
    ranking = make_strategy(strategy, source.bundle, seed, diversity=diversity)
    if source.method is None:
        require_model(ranking)
    if ensemble and "several predictions" not in ranking.needs:
        raise ConfigError(f"--ensemble: strategy '{strategy}' uses one model; choose bald or mean-deviation")
    data = source.data
    code = None if prelabels is None else prelabel_code(data.store, prelabel_label)  # before the slow features
    warn_of_differences(data, data.records("train"), source.geometry)
    earlier = None if previous is None else read_queue(Path(previous), data.store)
    check_round(data, asked, earlier)
    uids, left_out = keep_sound(
        data.store,
        [record.uid for record in data.records("train")],
        skip_damaged=skip_damaged,
        tell=print_warning,
    )
    features = source.extract(uids, further_columns(ranking, source.members), asked.patch_voxel)
    queue = rank_queue(features, data, ranking, wanted, unit=asked, previous=earlier, model_sha256=source.model_sha256)
    if folder is not None:
        if prelabels is None or code is None:
            made = source.prelabels(queue.slices)
        else:
            made = coarse_prelabels(data.store, queue.slices, prelabels, code)
        queue = export_queue_images(data.store, queue, folder, made)
    write_queue(path, queue)
    if describe is not None:
        empty, before = int((~features.has_feature).sum()), 0 if earlier is None else len(earlier.rows)
        minutes = sum(price_queue(queue.rows, asked, data.store.records, prices)[before:])
        held_out = 0 if centres else len(data.records("all")) - len(uids) - len(left_out)
        describe(QueueSummary(name_strategy(ranking), len(features), empty, len(left_out), minutes, held_out))
    return queue


def _require_new(path: Path, folder: Path | None) -> None:
    for made in (path, folder):
        if made is not None and made.exists():
            raise DataError(f"{made}: exists already; choose another name or remove it first")
    if path.suffix != ".csv":
        raise DataError(f"{path}: a queue is a CSV file; name it {path.stem}.csv")


def _check_prelabels(
    prelabels: CoarsePrompt | None, label: str | None, model: str | Path | None, folder: Path | None
) -> None:
    if prelabels is None and label is not None:
        raise ConfigError("--prelabel-label goes with --prelabels box or --prelabels centre; add it, or leave it out")
    if prelabels is None:
        return
    if prelabels not in COARSE_PROMPTS:
        raise ConfigError(f"--prelabels {prelabels}: choose one of {', '.join(COARSE_PROMPTS)}")
    if model is not None:
        raise ConfigError(f"--prelabels {prelabels}: the model of {model} makes the prelabels; leave it out")
    if folder is None:
        raise ConfigError(f"--prelabels {prelabels}: they are written beside the images; add --images FOLDER")


def _parse(budget: str | float, cost: AnnotationCost) -> Budget | MinuteBudget:
    minutes = parse_minutes(str(budget))
    return parse_budget(str(budget)) if minutes is None else MinuteBudget(minutes, cost)
