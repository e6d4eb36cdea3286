"""Statistics of a data set: of each case when it is read, then of the whole set."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lesslabel.data.case import IGNORE, Case
from lesslabel.data.sources.base import Source
from lesslabel.data.store.records import FORMAT, CaseRecord

_QUANTILES = (0.5, 50.0, 99.5)
_QUANTILE_SAMPLE = 200_000
_BLOCK_VOXELS = 2**18


@dataclass(frozen=True)
class CaseNumbers:
    """Intensity and label numbers of one case.

    Attributes:
        mean: mean intensity per channel.
        standard_deviation: of the intensity, per channel.
        quantiles: 0.5, 50 and 99.5 % of the intensity, per channel.
        voxels: voxel count by annotation name and label code; `IGNORE` counts the unknown.
    """

    mean: list[float]
    standard_deviation: list[float]
    quantiles: list[list[float]]
    voxels: dict[str, dict[int, int]]


def measure_case(case: Case) -> CaseNumbers:
    """Measure one case; quantiles come from an even subsample of at most 200 000 voxels a channel."""
    flat = case.image.reshape(case.image.shape[0], -1)
    sample = flat[:, :: max(1, flat.shape[1] // _QUANTILE_SAMPLE)]
    mean = flat.mean(axis=1, dtype=np.float64)
    return CaseNumbers(
        mean=mean.tolist(),
        standard_deviation=[_deviation(channel, about) for channel, about in zip(flat, mean, strict=True)],
        quantiles=np.percentile(sample, _QUANTILES, axis=1).T.tolist(),
        voxels={name: _count(annotation.labels) for name, annotation in case.annotations.items()},
    )


def summarise_store(source: Source, records: Sequence[CaseRecord], numbers: Sequence[CaseNumbers]) -> dict[str, Any]:
    """Make the content of `fingerprint.json`."""
    shapes = np.array([(record.depth, record.height, record.width) for record in records])
    spacings_mm = np.array([record.spacing_mm for record in records])
    return {
        "format": FORMAT,
        "source": source.name,
        "labels": {str(code): name for code, name in source.labels.items()},
        "channels": list(source.channels),
        "cases": len(records),
        "patients": len({record.patient for record in records}),
        "centres": sorted({record.centre for record in records if record.centre}),
        "shape_voxel": _spread(shapes),
        "spacing_mm": _spread(spacings_mm),
        "intensity": {
            name: {
                "mean": round(float(np.mean([case.mean[index] for case in numbers])), 6),
                "standard_deviation": round(float(np.mean([case.standard_deviation[index] for case in numbers])), 6),
                "quantiles_0.5_50_99.5": [
                    round(float(np.median([case.quantiles[index][q] for case in numbers])), 6) for q in range(3)
                ],
            }
            for index, name in enumerate(source.channels)
        },
        "annotations": _annotation_totals(numbers),
        "data_hash": hash_records(records),
    }


def hash_records(records: Sequence[CaseRecord]) -> str:
    """Hash over the contents of all cases, independent of their order."""
    lines = sorted(f"{record.uid} {record.patient} {record.sha256}" for record in records)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def retotal_annotations(totals: Mapping[str, Any], before: Case, after: Case) -> dict[str, Any]:
    """Update the totals of annotations when one case of the store changes.

    Args:
        totals: the entry ``annotations`` of `fingerprint.json`.
        before: the old case.
        after: the new case.
    """
    cases = Counter({name: entry["cases"] for name, entry in totals.items()})
    voxels = {name: Counter(entry["voxels"]) for name, entry in totals.items()}
    for case, sign in ((before, -1), (after, 1)):
        for name, annotation in case.annotations.items():
            cases[name] += sign
            counts = voxels.setdefault(name, Counter())
            for code, count in _count(annotation.labels).items():
                counts[_key(code)] += sign * count
    return {
        name: {"cases": cases[name], "voxels": {key: count for key, count in voxels[name].items() if count}}
        for name in voxels
        if cases[name]
    }


def _key(code: int) -> str:
    return "unknown" if code == IGNORE else str(code)


def _deviation(channel: np.ndarray[Any, np.dtype[np.float32]], mean: float) -> float:
    """Standard deviation in double precision, without numpy's copy of the channel."""
    total = 0.0
    for first in range(0, channel.size, _BLOCK_VOXELS):
        away = channel[first : first + _BLOCK_VOXELS].astype(np.float64) - mean
        total += float(np.einsum("i,i", away, away))
    return float(np.sqrt(total / channel.size))


def _count(labels: np.ndarray[Any, np.dtype[np.uint8]]) -> dict[int, int]:
    flat = np.ascontiguousarray(labels).reshape(-1)
    even = flat.size & ~1
    counts = np.bincount(flat[even:], minlength=IGNORE + 1)
    # two voxels at once, block by block, since numpy converts each counted number to eight bytes
    pairs = flat[:even].view(np.uint16)
    for first in range(0, pairs.size, _BLOCK_VOXELS):
        both = np.bincount(pairs[first : first + _BLOCK_VOXELS], minlength=(IGNORE + 1) ** 2)
        square = both.reshape(IGNORE + 1, IGNORE + 1)
        counts += square.sum(axis=0) + square.sum(axis=1)
    return {int(code): int(counts[code]) for code in np.flatnonzero(counts)}


def _spread(values: np.ndarray[Any, Any]) -> dict[str, list[float]]:
    return {
        "smallest": values.min(axis=0).tolist(),
        "median": np.median(values, axis=0).tolist(),
        "largest": values.max(axis=0).tolist(),
    }


def _annotation_totals(numbers: Sequence[CaseNumbers]) -> dict[str, Any]:
    totals: dict[str, dict[str, Any]] = {}
    for case in numbers:
        for name, voxels in case.voxels.items():
            entry = totals.setdefault(name, {"cases": 0, "voxels": {}})
            entry["cases"] += 1
            for code, count in voxels.items():
                entry["voxels"][_key(code)] = entry["voxels"].get(_key(code), 0) + count
    return totals
