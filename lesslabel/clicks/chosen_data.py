"""The data of a click protocol: the cases, the classes, and whether they fit the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesslabel.clicks.simulator import ClickProtocol
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.view import View, require_reference
from lesslabel.errors import ConfigError, DataError
from lesslabel.interaction.model import InteractiveModel


@dataclass(frozen=True)
class OtherStore:
    """A store other than the run's.

    Attributes:
        path: its path.
        split: see `SegmentationDataModule`.
        fold: the same.
        reference: annotation that holds the objects; None takes the name of the run's.
    """

    path: Path
    split: str = "random"
    fold: int = 0
    reference: str | None = None


def data_of(other: OtherStore, own: SegmentationDataModule, in_channels: int | None) -> SegmentationDataModule:
    """Another store with the preprocessing of the run; its classes are its own.

    The one channel of a grey store is every channel of a method of colours, as for the general clicker.
    """
    view = View(reference=other.reference or own.view.reference, channels=own.view.channels)
    data = SegmentationDataModule(
        str(other.path),
        split=other.split,
        fold=other.fold,
        view=view,
        dimensions=own.dimensions,
        size_voxel=own.grid.size_voxel,
        spacing_mm=own.grid.spacing_mm,
        interpolation=own.grid.interpolation,
        intensity=own.intensity,
    )
    if len(data.store.channels) == in_channels:
        data.view = View(reference=view.reference)
    elif len(data.store.channels) == 1 and in_channels:
        data.view = View(reference=view.reference, channels=[0] * in_channels)
    return data


def require_fit(model: InteractiveModel, data: SegmentationDataModule) -> None:
    """Refuse images with other channels or dimensions than the model takes.

    Raises:
        ConfigError: names both.
    """
    for name, mine, theirs in (
        ("channels", model.in_channels, data.in_channels),
        ("dimensions", model.dimensions, data.dimensions),
    ):
        if mine is not None and mine != theirs:
            raise ConfigError(
                f"{data.store_path}: images of {theirs} {name}, the method takes {mine}; use another store"
            )


def labels_of(data: SegmentationDataModule, labels: Sequence[str]) -> tuple[str, ...]:
    """The chosen classes in the order of the data; all of them if none is chosen.

    Raises:
        ConfigError: if the data have no such class.
    """
    known = data.mapping.names[1:]
    if unknown := [label for label in labels if label not in known]:
        raise ConfigError(f"--labels {unknown[0]}: {data.store_path} has {', '.join(known)}")
    return tuple(name for name in known if not labels or name in labels)


def uids_of(data: SegmentationDataModule, part: str, protocol: ClickProtocol) -> list[str]:
    """The cases of a part, sorted.

    Raises:
        DataError: if it has none, or one without a reference.
        ConfigError: if no case has an annotation that the protocol needs.
    """
    records = data.records(part)
    if not records:
        raise DataError(f"{data.store_path}: the {part} part holds no case; choose another with --part")
    require_reference(data.view, records, part)
    known = sorted({name for record in records for name in record.annotation_names})
    for option, name in (("first", protocol.annotation), ("start", protocol.start_annotation)):
        if name is not None and name not in known:
            raise ConfigError(f"--{option} annotation:{name}: the {part} cases have {', '.join(known)}")
    return sorted(record.uid for record in records)


def describe_data(data: SegmentationDataModule, part: str, labels: Sequence[str]) -> dict[str, Any]:
    """The data of a protocol, for its summary."""
    return {
        "source": data.store.source,
        "data_hash": data.store.data_hash,
        "split": data.split,
        "fold": data.fold,
        "part": part,
        "reference": data.view.reference,
        "labels": list(labels),
        "dimensions": data.dimensions,
        "size_voxel": data.grid.size_voxel,
        "spacing_mm": data.grid.spacing_mm,
    }
