"""Are the cases of a store alike in axes, spacing, channels and scale?

Each check compares a case with the typical one. A difference may be intended, so it is a warning. The limits are
ours, chosen so that scanners of one kind pass.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from statistics import median_low

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from lesslabel.data.case import Case
from lesslabel.data.findings import PREPARE_AGAIN, Finding
from lesslabel.data.geometry import plane_of, possible_axis_codes, usual_axis_codes

LARGEST_SPACING_FACTOR = 2.5
"""Between the voxel side of a case and the typical one; slices of one protocol differ by less."""
LARGEST_SCALE_FACTOR = 8.0
"""Between the range of intensities of a case and the typical one."""
_AIR_BELOW, _NO_AIR_ABOVE = -500.0, -200.0
"""HU: a CT with air begins below the first; one that begins above the second has none, or is shifted."""
_OTHER_ORDER = 0.5
"""Channels fit in another order if their distance is less than this share of that in the given order."""
_FAR_APART = 0.3
"""The orders must also differ by more than this share of the range of intensities, since channels may be alike."""
_QUANTILES = (0.5, 50.0, 99.5)
_SAMPLE = 50_000
_SHOWN = 5


@dataclass(frozen=True)
class CaseMeasures:
    """The values of a case that are compared with other cases.

    Attributes:
        uid: the case.
        axes: see `possible_axis_codes`.
        spacing_mm: (z, y, x).
        quantiles: 0.5, 50 and 99.5 % of the intensity of each channel; empty if a value is not finite.
    """

    uid: str
    axes: tuple[str, ...]
    spacing_mm: tuple[float, float, float]
    quantiles: tuple[tuple[float, float, float], ...]


def measure_case(case: Case) -> CaseMeasures:
    """Measure a case; quantiles come from an even subsample of its voxels."""
    flat = case.image.reshape(len(case.image), -1)
    sample = flat[:, :: max(1, flat.shape[1] // _SAMPLE)]
    quantiles: tuple[tuple[float, float, float], ...] = ()
    if sample.size and np.isfinite(sample).all():
        low, middle, high = np.percentile(sample, _QUANTILES, axis=1).tolist()
        quantiles = tuple(zip(low, middle, high, strict=True))
    return CaseMeasures(case.uid, possible_axis_codes(case.affine), case.spacing_mm, quantiles)


def check_cohort(
    cases: Sequence[CaseMeasures], channels: Sequence[str], said: Collection[str] = ()
) -> Iterator[Finding]:
    """Run every check that compares cases.

    Args:
        cases: measures of the cases that could be read.
        channels: names of the channels of the store.
        said: cases whose own findings say that their voxels have another size; that is not said again.
    """
    if len(cases) < 2:
        return
    yield from check_names([case.uid for case in cases])
    yield from check_axes(cases)
    yield from check_spacings([case for case in cases if case.uid not in said])
    measured = [case for case in cases if len(case.quantiles) == len(channels)]
    if len(measured) >= 2:
        shifted = {case.uid for case in measured if _order_of(case, measured) is not None}
        yield from check_channel_order(measured, channels)
        yield from check_scale([case for case in measured if case.uid not in shifted], channels)


def check_names(uids: Sequence[str]) -> Iterator[Finding]:
    """Are the names of cases different on every file system?"""
    spelt: dict[str, str] = {}
    for uid in uids:
        if (other := spelt.setdefault(uid.casefold(), uid)) != uid:
            problem = f"'{other}' and '{uid}' differ in capitals alone"
            cause = "on Windows and on a Mac they are one file"
            yield Finding.warning(uid, problem, cause, f"rename one of them and {PREPARE_AGAIN}")


def check_axes(cases: Sequence[CaseMeasures]) -> Iterator[Finding]:
    """Do the axes run the same way in all cases?"""
    known = [case for case in cases if case.axes]
    if not known:
        return
    usual = usual_axis_codes([case.axes for case in known])
    different = [case for case in known if usual not in case.axes]
    for codes in dict.fromkeys(case.axes[0] for case in different):
        others = [case.uid for case in different if case.axes[0] == codes]
        problem = f"axes (z, y, x) run to {codes} ({plane_of(codes)} slices) in {_name(others)}, to {usual} "
        problem += f"({plane_of(usual)} slices) in {len(known) - len(different)} of {len(known)} cases"
        cause = "images of several scans or programs; arrays are taken as they are stored"
        fix = f"bring all images and labels to one orientation (nibabel.as_closest_canonical) and {PREPARE_AGAIN}"
        yield Finding.warning(_about(others), problem, cause, fix)


def check_spacings(cases: Sequence[CaseMeasures]) -> Iterator[Finding]:
    """Are the voxels of all cases of about one size?"""
    valid = [case for case in cases if all(np.isfinite(side) and side > 0.0 for side in case.spacing_mm)]
    if len(valid) < 2:
        return
    typical = [median_low([case.spacing_mm[axis] for case in valid]) for axis in range(3)]
    for axis, name in enumerate("zyx"):
        factors = {case.uid: case.spacing_mm[axis] / typical[axis] for case in valid}
        far = [uid for uid, factor in factors.items() if max(factor, 1 / factor) > LARGEST_SPACING_FACTOR]
        if far:
            sides = [case.spacing_mm[axis] for case in valid if case.uid in far]
            span = f"{min(sides):.4g}" if min(sides) == max(sides) else f"{min(sides):.4g} to {max(sides):.4g}"
            problem = f"spacing along {name} is {span} mm in {_name(far)}, {typical[axis]:.4g} mm in a typical case"
            cause = "another protocol, another order of the axes, or another unit than mm"
            fix = f"check the headers; if they are right, set data.spacing_mm, else correct them and {PREPARE_AGAIN}"
            yield Finding.warning(_about(far), problem, cause, fix)


def check_channel_order(cases: Sequence[CaseMeasures], channels: Sequence[str]) -> Iterator[Finding]:
    """Do the channels have the same order in all cases, by their intensities?"""
    orders = {case.uid: order for case in cases if (order := _order_of(case, cases)) is not None}
    for order in dict.fromkeys(orders.values()):
        swapped = [uid for uid, own in orders.items() if own == order]
        like = ", ".join(channels[place] for place in order)
        problem = f"channels {', '.join(channels)} look like {like} of the other cases in {_name(swapped)}"
        fix = f"look at the images; name the files of the channels in one order and {PREPARE_AGAIN}"
        yield Finding.warning(_about(swapped), problem, "the files of the channels were listed in another order", fix)


def check_scale(cases: Sequence[CaseMeasures], channels: Sequence[str]) -> Iterator[Finding]:
    """Are the intensities of all cases on one scale?"""
    if len(cases) < 2:
        return
    for index, channel in enumerate(channels):
        ranges = {case.uid: case.quantiles[index][2] - case.quantiles[index][0] for case in cases}
        lows = {case.uid: case.quantiles[index][0] for case in cases}
        usual, usual_low = median_low(ranges.values()), median_low(lows.values())
        scaled = [uid for uid, own in ranges.items() if 0.0 < min(own, usual) * LARGEST_SCALE_FACTOR < max(own, usual)]
        has_air = usual_low < _AIR_BELOW
        shifted = [
            uid
            for uid, low in lows.items()
            if uid not in scaled and (low > _NO_AIR_ABOVE if has_air else low < _AIR_BELOW)
        ]
        of_usual_range = next(case for case in cases if ranges[case.uid] == usual)
        of_usual_low = next(case for case in cases if lows[case.uid] == usual_low)
        for far, typical, cause in (
            (scaled, of_usual_range, "some images were normalised or rescaled, others were not"),
            (shifted, of_usual_low, "some images are in HU, others are shifted by 1024, or hold no air"),
        ):
            if far:
                shown = "; ".join(_span(case, index) for case in cases if case.uid in far[:_SHOWN])
                problem = f"channel '{channel}' goes from {shown} in {_name(far)}, from {_span(typical, index)} "
                problem += "in a typical case"
                fix = f"export all images on one scale and {PREPARE_AGAIN}, or choose an intensity that evens it out"
                yield Finding.warning(_about(far), problem, cause, fix)


def _order_of(case: CaseMeasures, cases: Sequence[CaseMeasures]) -> tuple[int, ...] | None:
    """The channels of other cases that the channels of a case resemble, if they have other names."""
    others = np.array([_relative(other) for other in cases if other.uid != case.uid])
    own = _relative(case)
    if len(own) < 2 or not len(others):
        return None
    typical = np.median(others, axis=0)
    distances = np.abs(own[:, None] - typical[None]).sum(axis=2)
    _, order = linear_sum_assignment(distances)
    given, best = float(np.trace(distances)), float(distances[np.arange(len(own)), order].sum())
    return tuple(order.tolist()) if best < _OTHER_ORDER * given and given - best > _FAR_APART else None


def _relative(case: CaseMeasures) -> NDArray[np.float64]:
    """Quantiles of the channels divided by their common range, so that a common factor has no effect."""
    quantiles = np.array(case.quantiles, dtype=np.float64)
    spread = float((quantiles[:, 2] - quantiles[:, 0]).max(initial=0.0))
    return quantiles / spread if spread > 0.0 else np.zeros_like(quantiles)


def _span(case: CaseMeasures, channel: int) -> str:
    low, _, high = case.quantiles[channel]
    return f"{low:.4g} to {high:.4g}"


def _name(uids: Sequence[str]) -> str:
    count = f"{len(uids)} case{'s' * (len(uids) != 1)}"
    return f"{count} ({', '.join(uids[:_SHOWN])}{' …' if len(uids) > _SHOWN else ''})"


def _about(uids: Sequence[str]) -> str:
    return uids[0] if len(uids) == 1 else f"{len(uids)} cases"
