"""Choose units to annotate from the features of unlabelled images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lesslabel.adaptation.strategies import name_strategy
from lesslabel.bundle import Bundle
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.queue import WHOLE_CASE, Queue, QueueRow
from lesslabel.disagreement import FurtherColumns
from lesslabel.errors import ConfigError
from lesslabel.features import ImageFeatures, extract_features
from lesslabel.selection import Annotated, Pool, Ranking, Strategy
from lesslabel.selection.budget import Budget, count_units
from lesslabel.selection.cost import AnnotationCost

AnnotationUnit = Literal["slice", "case"]
_UnitName = tuple[str, int]
_PASSES = 10


@dataclass(frozen=True)
class MinuteBudget:
    """A budget in minutes of an annotator.

    Attributes:
        minutes: 0 or more.
        cost: the price of a unit.
    """

    minutes: float
    cost: AnnotationCost


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
    check_round(data, unit, previous)
    if features is None:
        features = features_of_training_part(bundle, data, further=further_columns(strategy))
    return rank_queue(features, data, strategy, budget, unit=unit, previous=previous, model_sha256=bundle.model_sha256)


def check_round(data: SegmentationDataModule, unit: AnnotationUnit, previous: Queue | None) -> None:
    """Check before features are extracted that units can be annotated and continue a queue.

    Raises:
        ConfigError: see `choose_queue`.
        DataError: if the previous queue is of another store.
    """
    if unit == "slice":
        _require_native_slices(data)
    if previous is not None:
        previous.require_known(data.store.records)
        _require_same_unit(previous, unit)


def rank_queue(
    features: ImageFeatures,
    data: SegmentationDataModule,
    strategy: Strategy,
    budget: Budget | MinuteBudget,
    *,
    unit: AnnotationUnit = "slice",
    previous: Queue | None = None,
    model_sha256: str = "",
) -> Queue:
    """Rank images by their features and append the chosen units to a queue.

    Args:
        features: of all images that may be chosen, earlier units included.
        data: the store of the images.
        strategy: the strategy that ranks.
        budget: of this round: a share of all units, a count, or minutes.
        unit: the annotation unit.
        previous: the queue of earlier rounds.
        model_sha256: of the weights behind the features; empty if none were used.

    Returns:
        The previous rows, and those of this round after them.
    """
    rows = () if previous is None else previous.rows
    units = _units(features, unit)
    taken = {(row.uid, row.slice) for row in rows}
    left = [entry for entry in units if entry not in taken]
    patients = {uid: record.patient for uid, record in data.store.records.items()}
    round_number = max((row.round for row in rows), default=0) + 1
    annotated = _annotated(features, taken, unit, patients, round_number - 1)
    pool = _pool(features, set(left), unit, patients, annotated)
    ranking = _rank(strategy, pool, budget, left, len(units), patients, [patients[row.uid] for row in rows])
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
            model_sha256=model_sha256,
            seed=strategy.seed,
        )
        for rank, (index, score, reason) in enumerate(places, start=len(rows) + 1)
    ]
    return Queue((*rows, *chosen))


def _rank(
    strategy: Strategy,
    pool: Pool,
    budget: Budget | MinuteBudget,
    left: Sequence[_UnitName],
    all_units: int,
    patients: dict[str, str],
    before: Sequence[str],
) -> Ranking:
    if not isinstance(budget, MinuteBudget):
        return strategy.rank(pool, min(count_units(budget, all_units), len(left)))
    ranking = strategy.rank(pool, min(budget.cost.most_units(budget.minutes), len(left)))
    in_order = [patients[left[index][0]] for index in ranking.indices.tolist()]
    kept = np.array(budget.cost.afford(in_order, budget.minutes, before), np.int64)
    return Ranking(ranking.indices[kept], ranking.scores[kept], tuple(ranking.reasons[place] for place in kept))


def further_columns(strategy: Strategy) -> FurtherColumns:
    """The columns that a strategy needs beside the usual ones."""
    passes = _PASSES if "several predictions" in strategy.needs else 0
    return FurtherColumns(passes, "gradients" in strategy.needs, strategy.seed)


def features_of_training_part(
    bundle: Bundle,
    data: SegmentationDataModule,
    uids: Sequence[str] | None = None,
    further: FurtherColumns | None = None,
) -> ImageFeatures:
    """Extract the features of the source's model from the images that may be chosen.

    Args:
        bundle: the bundle of the source.
        data: the target.
        uids: cases of the training part; None takes all.
        further: columns that cost more than one prediction.
    """
    if uids is None:
        uids = [record.uid for record in data.records("train")]
    features = bundle.manifest.features
    method = bundle.build_method()
    return extract_features(method, data, uids, mask=features.mask, scale=features.scale, further=further)


def _units(features: ImageFeatures, unit: AnnotationUnit) -> list[_UnitName]:
    """The units in order, as (uid, slice)."""
    if unit == "case":
        return [(uid, WHOLE_CASE) for uid in sorted(set(features.uid.tolist()))]
    return list(zip(features.uid.tolist(), features.slice.tolist(), strict=True))


def _pool(
    features: ImageFeatures,
    units: set[_UnitName],
    unit: AnnotationUnit,
    patients: dict[str, str],
    annotated: Annotated | None = None,
) -> Pool:
    """The images of the given units; the pool's units come in the same order as `_units`."""
    kept = features.take(_rows_of(features, units, unit))
    return Pool(
        features=kept.features,
        foreground_voxel=kept.foreground_voxel,
        entropy=kept.entropy,
        margin=kept.margin,
        least_confidence=kept.least_confidence,
        groups=kept.uid if unit == "case" else None,
        patients=np.array([patients[uid] for uid in kept.uid.tolist()], np.str_),
        mutual_information=kept.mutual_information,
        deviation=kept.deviation,
        class_entropy=kept.class_entropy,
        gradients=kept.gradients,
        annotated=annotated,
    )


def _annotated(
    features: ImageFeatures, taken: set[_UnitName], unit: AnnotationUnit, patients: dict[str, str], rounds: int
) -> Annotated | None:
    """The units of earlier rounds, as strategies see them; None in the first round."""
    if not rounds:
        return None
    names = [entry for entry in _units(features, unit) if entry in taken]
    before = _pool(features, taken, unit, patients).unit_features()
    return Annotated(before, np.array([patients[uid] for uid, _ in names], np.str_), rounds)


def _rows_of(features: ImageFeatures, units: set[_UnitName], unit: AnnotationUnit) -> NDArray[np.bool_]:
    """The images of units: (N,) bool."""
    names = zip(features.uid.tolist(), features.slice.tolist(), strict=True)
    return np.array([((uid, WHOLE_CASE) if unit == "case" else (uid, index)) in units for uid, index in names], bool)


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
