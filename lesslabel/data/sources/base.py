"""What every source offers: a list of its cases, cheap to make, and a way to read each."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from lesslabel.data.case import Case
from lesslabel.errors import DataError


@dataclass(frozen=True)
class RawCase:
    """Where one case lies in the raw data, before it is read.

    Attributes:
        uid: name of the case, unique in the source.
        patient: what splits are made by.
        files: the files the case is read from, by role (``"image"``, ``"dense"``, ``"scribble"``).
        group: official part, if any.
        centre: hospital, if known.
        modality: modality, if it differs from case to case.
        same_grid: whether label maps are taken in the image's order of voxels, whatever their header says.
    """

    uid: str
    patient: str
    files: Mapping[str, Path] = field(default_factory=dict)
    group: str = ""
    centre: str = ""
    modality: str = ""
    same_grid: bool = False


class Source(ABC):
    """A public data layout. Subclasses list and read; axes are (z, y, x) when a case leaves `read`.

    Args:
        raw: folder (or table) that holds the raw data.
    """

    name: ClassVar[str]
    labels: Mapping[int, str]
    """Label codes and names, background (0) left out."""
    channels: Sequence[str] = ("image",)
    dense_unknown: int | None = None
    """The value of an unknown voxel in whole label maps; None, as in most layouts, where every voxel is known."""
    withdrawn: Mapping[str, str] = MappingProxyType({})
    """Patients that the publisher took back since they repeat another one, and that one; `verify` looks for them."""

    def __init__(self, raw: Path) -> None:
        self.raw = Path(raw)
        if not self.raw.exists():
            raise DataError(f"{self.raw}: no such file or folder; pass the raw data of '{self.name}' as RAW")

    @abstractmethod
    def list_cases(self) -> list[RawCase]:
        """List the cases in a fixed order without reading voxels.

        Raises:
            DataError: if nothing that looks like this layout is found; the message says what was expected where.
        """

    @abstractmethod
    def read(self, raw: RawCase) -> Case:
        """Read one case.

        Raises:
            DataError: if a file is damaged or its parts do not fit; the message names the file.
        """


def source_options(source: type[Source]) -> dict[str, inspect.Parameter]:
    """The arguments of a source beside its raw data, by name."""
    parameters = dict(inspect.signature(source).parameters)
    parameters.pop("raw")
    return parameters
