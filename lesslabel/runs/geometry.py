"""The geometry of a run's training images, and which images differ from it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lesslabel.data.geometry import plane_of
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.store import CaseRecord
from lesslabel.terminal import print_warning

FAR = 1.5
"""Smallest factor between a voxel side and the nearest one of the training that is reported."""
_SHOWN = 5


def describe_geometry(data: SegmentationDataModule) -> dict[str, Any]:
    """Geometry of the training images for `data.json`.

    Returns:
        ``axes``, every orientation that occurs (the nearest name, see `lesslabel.data.geometry.axis_codes`), and
        ``spacing_mm``, the ``smallest`` and the ``largest`` side along z, y and x.
    """
    records = data.records("train")
    sides = list(zip(*(record.spacing_mm for record in records), strict=True))
    return {
        "axes": sorted({codes for record in records for codes in data.store.axis_codes(record.uid)[:1]}),
        "spacing_mm": {"smallest": [min(side) for side in sides], "largest": [max(side) for side in sides]},
    }


def list_differences(data: SegmentationDataModule, records: Sequence[CaseRecord], trained: Any) -> Iterator[str]:
    """Describe how the geometry of images differs from that of the training images, one line each.

    Args:
        data: the module that loads the images; where it resamples, spacings are equal.
        records: rows of the images.
        trained: the entry ``geometry`` of `data.json`; None, as in runs of older versions, gives no line.
    """
    if not isinstance(trained, Mapping):
        return
    if trained["axes"]:
        yield from _list_axes(data, records, trained["axes"])
    if data.grid.spacing_mm is None:
        yield from _list_spacings(data, records, trained["spacing_mm"])


def warn_of_differences(data: SegmentationDataModule, records: Sequence[CaseRecord], trained: Any) -> None:
    """Print on stderr how the geometry of images differs from that of the training images; the work goes on.

    Args:
        data: see `list_differences`, as the next two.
        records: the same.
        trained: the same.
    """
    for line in list_differences(data, records, trained):
        print_warning(f"{data.store_path}: {line}")


def _list_axes(data: SegmentationDataModule, records: Sequence[CaseRecord], trained: Sequence[str]) -> Iterator[str]:
    found: dict[str, list[str]] = {}
    for record in records:
        possible = data.store.axis_codes(record.uid)
        if possible and not set(possible) & set(trained):
            found.setdefault(possible[0], []).append(record.uid)
    for codes, uids in found.items():
        yield (
            f"axes (z, y, x) run to {codes} ({plane_of(codes)} slices) in {_name(uids)}, the training images to "
            f"{', '.join(f'{each} ({plane_of(each)})' for each in trained)}; bring images to the orientation of "
            "the training and prepare them again"
        )


def _list_spacings(
    data: SegmentationDataModule, records: Sequence[CaseRecord], trained: Mapping[str, Sequence[float]]
) -> Iterator[str]:
    for axis, name in enumerate("zyx"):
        if axis == 0 and data.dimensions == 2:
            continue  # a 2D network gets slices one by one
        low, high = trained["smallest"][axis], trained["largest"][axis]
        far = [record for record in records if not low / FAR <= record.spacing_mm[axis] <= high * FAR]
        if far:
            sides = sorted({record.spacing_mm[axis] for record in far})
            span = f"{sides[0]:.4g}" if len(sides) == 1 else f"{sides[0]:.4g} to {sides[-1]:.4g}"
            seen = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
            yield (
                f"spacing along {name} is {span} mm in {_name([record.uid for record in far])}, {seen} mm in training; "
                "resample the images to that, or train with data.spacing_mm"
            )


def _name(uids: Sequence[str]) -> str:
    count = f"{len(uids)} case{'s' * (len(uids) != 1)}"
    return f"{count} ({', '.join(uids[:_SHOWN])}{' …' if len(uids) > _SHOWN else ''})"
