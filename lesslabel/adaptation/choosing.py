"""Choose units to annotate from the features of unlabelled images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lesslabel.adaptation.strategies import name_strategy
from lesslabel.adaptation.units import AnnotationUnit, UnitKey
from lesslabel.bundle import Bundle
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.queue import Queue, QueueRow, UnitName
from lesslabel.data.store import CaseRecord
from lesslabel.disagreement import FurtherColumns, Predictor
from lesslabel.features import extract_features
from lesslabel.image_features import ImageFeatures
from lesslabel.selection import Annotated, Pool, Ranking, Strategy
from lesslabel.selection.budget import Budget, count_units
from lesslabel.selection.cost import AnnotationCost, Work

SLICE = AnnotationUnit()
_PASSES = 10
_SPARE = 0.1  # of a budget; if it buys no usual unit, no more are ranked for it
_GROWTH = 8  # at least an eighth more units are ranked where minutes are left


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
    unit: AnnotationUnit | UnitName = SLICE,
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
        unit: the annotation unit; the name alone for slices and whole cases.
        previous: the queue of earlier rounds; its units are not chosen again.
        features: those of the training part in images of this unit, if they were extracted before.

    Returns:
        The previous rows, and those of this round after them.

    Raises:
        ConfigError: if slices are requested of a 3D model, or of a model of resampled slices, or the
            previous queue has another unit.
        DataError: if a case cannot be read, or the previous queue is of another store.
    """
    unit = _as_unit(unit)
    check_round(data, unit, previous)
    if features is None:
        further = further_columns(strategy)
        features = features_of_training_part(bundle, data, further=further, patch_voxel=unit.patch_voxel)
    return rank_queue(features, data, strategy, budget, unit=unit, previous=previous, model_sha256=bundle.model_sha256)


def check_round(data: SegmentationDataModule, unit: AnnotationUnit, previous: Queue | None) -> None:
    """Check before features are extracted that units can be annotated and continue a queue.

    Raises:
        ConfigError: see `choose_queue`.
        DataError: if the previous queue is of another store.
    """
    unit.require_annotatable(data)
    if previous is not None:
        previous.require_known(data.store.records)
        unit.require_same(previous, data.store.records)


def rank_queue(
    features: ImageFeatures,
    data: SegmentationDataModule,
    strategy: Strategy,
    budget: Budget | MinuteBudget,
    *,
    unit: AnnotationUnit | UnitName = SLICE,
    previous: Queue | None = None,
    model_sha256: str = "",
) -> Queue:
    """Rank images by their features and append the chosen units to a queue.

    Args:
        features: of all images that may be chosen, earlier units included.
        data: the store of the images.
        strategy: the strategy that ranks.
        budget: of this round: a share of all units, a count, or minutes.
        unit: the annotation unit; the name alone for slices and whole cases.
        previous: the queue of earlier rounds.
        model_sha256: of the weights behind the features; empty if none were used.

    Returns:
        The previous rows, and those of this round after them.
    """
    unit = _as_unit(unit)
    rows = () if previous is None else previous.rows
    units, records = _units(features, unit), data.store.records
    taken = {row.key for row in rows}
    left = [entry for entry in units if entry not in taken]
    patients = {uid: record.patient for uid, record in records.items()}
    round_number = max((row.round for row in rows), default=0) + 1
    own_rounds = len({row.round for row in rows if row.strategy == name_strategy(strategy)})
    annotated = _annotated(features, taken, unit, patients, (round_number - 1, own_rounds))
    pool = _pool(features, set(left), unit, patients, annotated)
    if isinstance(budget, MinuteBudget):
        ranking = _rank_in_minutes(strategy, pool, budget, _Priced(unit, left, records), rows)
    else:
        ranking = strategy.rank(pool, min(count_units(budget, len(units)), len(left)))
    places = zip(ranking.indices.tolist(), ranking.scores.tolist(), ranking.reasons, strict=True)
    chosen = [
        QueueRow(
            uid=left[index][0],
            slice=left[index][1],
            patch=left[index][2],
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


def price_queue(
    rows: Sequence[QueueRow], unit: AnnotationUnit, records: Mapping[str, CaseRecord], cost: AnnotationCost
) -> list[float]:
    """The minutes of each unit of a queue, in its order.

    Args:
        rows: of all rounds.
        unit: the annotation unit.
        records: rows of the store's table of cases by uid.
        cost: the prices.
    """
    patients = [records[row.uid].patient for row in rows]
    return cost.minutes(patients, (), [unit.work(row.key, records) for row in rows])


@dataclass(frozen=True)
class _Priced:
    """The units that are left, with the store that says whose they are and how large."""

    unit: AnnotationUnit
    left: Sequence[UnitKey]
    records: Mapping[str, CaseRecord]

    def patients(self, keys: Sequence[UnitKey]) -> list[str]:
        return [self.records[uid].patient for uid, _, _ in keys]

    def works(self, keys: Sequence[UnitKey]) -> list[Work]:
        return [self.unit.work(key, self.records) for key in keys]


def _rank_in_minutes(
    strategy: Strategy, pool: Pool, budget: MinuteBudget, priced: _Priced, before: Sequence[QueueRow]
) -> Ranking:
    """Rank about as many units as the minutes buy, since strategies that cluster or filter plan for the number."""
    if not priced.left:
        return strategy.rank(pool, 0)
    works, opened = priced.works(priced.left), priced.patients([row.key for row in before])
    cheapest = min(budget.cost.price(work, first=False) for work in set(works))
    usual = budget.cost.usual_price(works, first=False)
    count = min(max(int(budget.minutes / budget.cost.usual_price(works, first=True)), 1), len(priced.left))
    while True:
        ranking = strategy.rank(pool, count)
        in_order = [priced.left[index] for index in ranking.indices.tolist()]
        patients, asked = priced.patients(in_order), priced.works(in_order)
        taken = budget.cost.afford(patients, budget.minutes, opened, asked)
        spent = sum(budget.cost.minutes([patients[at] for at in taken], opened, [asked[at] for at in taken]))
        spare = budget.minutes - spent
        is_little = spare < usual and spare <= _SPARE * budget.minutes
        if count == len(priced.left) or spare < cheapest or is_little:
            break
        count = min(count + max(int(spare / usual), 1 + count // _GROWTH), len(priced.left))
    kept = np.array(taken, np.int64)
    return Ranking(ranking.indices[kept], ranking.scores[kept], tuple(ranking.reasons[place] for place in kept))


def further_columns(strategy: Strategy, members: Sequence[Predictor] = ()) -> FurtherColumns:
    """The columns that a strategy needs beside the usual ones.

    Args:
        strategy: that ranks.
        members: further models of an ensemble, which take the place of dropout.
    """
    passes = _PASSES if "several predictions" in strategy.needs else 0
    return FurtherColumns(passes, "gradients" in strategy.needs, strategy.seed, tuple(members) if passes else ())


def features_of_training_part(
    bundle: Bundle,
    data: SegmentationDataModule,
    uids: Sequence[str] | None = None,
    further: FurtherColumns | None = None,
    patch_voxel: tuple[int, int, int] | None = None,
) -> ImageFeatures:
    """Extract the features of the source's model from the images that may be chosen.

    Args:
        bundle: the bundle of the source.
        data: the target.
        uids: cases of the training part; None takes all.
        further: columns that cost more than one prediction.
        patch_voxel: makes patches of this size the images, see `lesslabel.features.iterate_features`.
    """
    if uids is None:
        uids = [record.uid for record in data.records("train")]
    features = bundle.manifest.features
    method = bundle.build_method()
    return extract_features(
        method, data, uids, mask=features.mask, scale=features.scale, further=further, patch_voxel=patch_voxel
    )


def _as_unit(unit: AnnotationUnit | UnitName) -> AnnotationUnit:
    return unit if isinstance(unit, AnnotationUnit) else AnnotationUnit(unit)


def _units(features: ImageFeatures, unit: AnnotationUnit) -> list[UnitKey]:
    """The units in the order of a pool of these images."""
    keys = unit.of_images(features)
    return keys if unit.is_image else sorted(set(keys))


def _pool(
    features: ImageFeatures,
    units: set[UnitKey],
    unit: AnnotationUnit,
    patients: dict[str, str],
    annotated: Annotated | None = None,
) -> Pool:
    """The images of the given units; the pool's units come in the same order as `_units`."""
    kept = features.take(np.array([key in units for key in unit.of_images(features)], bool))
    return Pool(
        features=kept.features,
        foreground_voxel=kept.foreground_voxel,
        entropy=kept.entropy,
        margin=kept.margin,
        least_confidence=kept.least_confidence,
        groups=None if unit.is_image else kept.uid,
        patients=np.array([patients[uid] for uid in kept.uid.tolist()], np.str_),
        mutual_information=kept.mutual_information,
        deviation=kept.deviation,
        class_entropy=kept.class_entropy,
        class_shares=kept.class_shares,
        gradients=kept.gradients,
        annotated=annotated,
    )


def _annotated(
    features: ImageFeatures,
    taken: set[UnitKey],
    unit: AnnotationUnit,
    patients: dict[str, str],
    rounds: tuple[int, int],
) -> Annotated | None:
    """The units of earlier rounds, as strategies see them; None in the first round.

    Args:
        features: of all images.
        taken: the units.
        unit: the annotation unit.
        patients: of each case.
        rounds: the number of earlier rounds, and of those of the strategy that ranks now.
    """
    if not rounds[0]:
        return None
    names = [entry for entry in _units(features, unit) if entry in taken]
    before = _pool(features, taken, unit, patients).unit_features()
    return Annotated(before, np.array([patients[uid] for uid, _, _ in names], np.str_), *rounds)
