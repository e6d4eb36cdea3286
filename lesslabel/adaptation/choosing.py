"""Choose units to annotate from a bundle and a store of unlabelled images."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from lesslabel.bundle import Bundle
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.queue import WHOLE_CASE, Queue, QueueRow
from lesslabel.errors import ConfigError
from lesslabel.features import ImageFeatures, extract_features
from lesslabel.selection import STDR, STRATEGIES, Pool, Strategy
from lesslabel.selection.budget import Budget, count_units

AnnotationUnit = Literal["slice", "case"]
_STDR = ("stdr", "stdr-invariant", "stdr-specific")


def make_strategy(name: str, bundle: Bundle, seed: int, *, diversity: bool = False) -> Strategy:
    """Make a strategy by its name; STDR takes the references of the bundle.

    Args:
        name: a key of `lesslabel.selection.STRATEGIES`, ``stdr-invariant`` or ``stdr-specific`` for one end of STDR; in
            small or capital letters.
        bundle: the bundle of the source.
        seed: random seed.
        diversity: of STDR, see there.

    Raises:
        ConfigError: if there is no such strategy, or it takes no `diversity`.
    """
    require_strategy(name, diversity=diversity)
    name = name.lower()
    if name in _STDR:
        ends = name.removeprefix("stdr").removeprefix("-") or "both"
        return STDR.from_references(bundle.references, ends=ends, diversity=diversity)  # type: ignore[arg-type]  # one of the three
    return STRATEGIES[name](seed)


def require_strategy(name: str, *, diversity: bool = False) -> None:
    """Refuse an unknown strategy, or `diversity` for one that has no such option; see `make_strategy`.

    Raises:
        ConfigError: if there is no such strategy; lists all.
    """
    name = name.lower()
    if name in _STDR:
        return
    if name not in STRATEGIES:
        known = ", ".join((*STRATEGIES, "stdr-invariant", "stdr-specific"))
        raise ConfigError(f"strategy: '{name}' is not one of {known}")
    if diversity:
        raise ConfigError(f"--diversity is an option of stdr, not of {name}; leave it out")


def name_strategy(strategy: Strategy) -> str:
    """The name of a strategy in a queue: that of `make_strategy`, and whether the choice was diverse."""
    if not isinstance(strategy, STDR):
        return strategy.name
    ends = "" if strategy.ends == "both" else f"-{strategy.ends}"
    return f"{strategy.name}{ends}{' with diversity' if strategy.diversity else ''}"


def choose_queue(
    bundle: Bundle,
    data: SegmentationDataModule,
    strategy: Strategy,
    budget: Budget,
    *,
    unit: AnnotationUnit = "slice",
    previous: Queue | None = None,
    features: ImageFeatures | None = None,
) -> Queue:
    """Rank the training part of a store by features of the source's model.

    Features and uncertainty come from the bundle's model in every round: those of an adapted model cannot be compared
    with the source's references.

    Args:
        bundle: the bundle of the source.
        data: the target, with the bundle's preprocessing; labels are not used.
        strategy: the strategy that ranks.
        budget: of this round: a share of all units of the training part, or a count.
        unit: the annotation unit, slices or whole cases.
        previous: the queue of earlier rounds; its units are not chosen again.
        features: those of the training part, if they were extracted before.

    Returns:
        The previous rows, and those of this round after them.

    Raises:
        ConfigError: if slices are requested of a 3D model, or of a model of resampled slices, or the
            previous queue has the other unit.
        DataError: if a case cannot be read, or the previous queue is of another store.
    """
    if unit == "slice":
        _require_native_slices(data)
    rows = () if previous is None else previous.rows
    if previous is not None:
        previous.require_known(data.store.records)
        _require_same_unit(previous, unit)
    if features is None:
        features = features_of_training_part(bundle, data)
    units = _units(features, unit)
    taken = {(row.uid, row.slice) for row in rows}
    left = [entry for entry in units if entry not in taken]
    ranking = strategy.rank(_pool(features, set(left), unit), min(count_units(budget, len(units)), len(left)))
    round_number = max((row.round for row in rows), default=0) + 1
    places = zip(ranking.indices.tolist(), ranking.scores.tolist(), ranking.reasons, strict=True)
    chosen = [
        QueueRow(
            uid=left[index][0],
            slice=left[index][1],
            rank=rank,
            score=score,
            strategy=name_strategy(strategy),
            reason=reason,
            round=round_number,
            model_sha256=bundle.model_sha256,
            seed=strategy.seed,
        )
        for rank, (index, score, reason) in enumerate(places, start=len(rows) + 1)
    ]
    return Queue((*rows, *chosen))


def features_of_training_part(
    bundle: Bundle, data: SegmentationDataModule, uids: Sequence[str] | None = None
) -> ImageFeatures:
    """Extract the features of the source's model from the images that may be chosen.

    Args:
        bundle: the bundle of the source.
        data: the target.
        uids: cases of the training part; None takes all.
    """
    if uids is None:
        uids = [record.uid for record in data.records("train")]
    features = bundle.manifest.features
    return extract_features(bundle.build_method(), data, uids, mask=features.mask, scale=features.scale)


def _units(features: ImageFeatures, unit: AnnotationUnit) -> list[tuple[str, int]]:
    """The units in order, as (uid, slice)."""
    if unit == "case":
        return [(uid, WHOLE_CASE) for uid in sorted(set(features.uid.tolist()))]
    return list(zip(features.uid.tolist(), features.slice.tolist(), strict=True))


def _pool(features: ImageFeatures, units: set[tuple[str, int]], unit: AnnotationUnit) -> Pool:
    """The images of the given units; the pool's units come in the same order as `_units`."""
    names = zip(features.uid.tolist(), features.slice.tolist(), strict=True)
    wanted = np.array([((uid, WHOLE_CASE) if unit == "case" else (uid, index)) in units for uid, index in names], bool)
    return Pool(
        features=features.features[wanted],
        foreground_voxel=features.foreground_voxel[wanted],
        entropy=features.entropy[wanted],
        margin=features.margin[wanted],
        least_confidence=features.least_confidence[wanted],
        groups=features.uid[wanted] if unit == "case" else None,
    )


def _require_native_slices(data: SegmentationDataModule) -> None:
    if data.dimensions == 3:
        raise ConfigError("unit: the bundle's model sees volumes; choose cases with --unit case")
    for record in data.records("train"):
        if data.grid.shape_of(record)[0] != record.depth:
            raise ConfigError(
                f"unit: the bundle's model sees resampled slices of case '{record.uid}', which nobody can annotate; "
                "choose cases with --unit case"
            )


def _require_same_unit(previous: Queue, unit: AnnotationUnit) -> None:
    other = "slice" if unit == "case" else "case"
    if any((row.slice == WHOLE_CASE) == (other == "case") for row in previous.rows):
        raise ConfigError(f"unit: the previous queue holds {other}s; go on with --unit {other}")
