"""The base class of sources: they list their cases fast, and read each case."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from lesslabel.data.case import Case
from lesslabel.errors import DataError
from lesslabel.plain_text import composed


@dataclass(frozen=True)
class RawCase:
    """The files of one case in the raw data.

    Attributes:
        uid: name of the case, unique in the source.
        patient: its patient; splits divide by it.
        files: the files the case is read from, by role (``"image"``, ``"dense"``, ``"scribble"``).
        group: official part, if any.
        centre: hospital, if known.
        modality: modality, if it differs from case to case.
        same_grid: whether to take label maps in the image's order of voxels and ignore their header.
    """

    uid: str
    patient: str
    files: Mapping[str, Path] = field(default_factory=dict)
    group: str = ""
    centre: str = ""
    modality: str = ""
    same_grid: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "uid", composed(self.uid))
        object.__setattr__(self, "patient", composed(self.patient))


class Source(ABC):
    """A data layout. Subclasses list and read cases; the axes of a read case are (z, y, x).

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
    """Withdrawn patients that repeat another one, and that one; `verify` reports them."""
    warnings: tuple[str, ...] = ()
    """One line each on what a user may not expect of the listed cases; `prepare` passes them on."""

    def __init__(self, raw: Path) -> None:
        self.raw = Path(raw)
        if not self.raw.exists():
            raise DataError(f"{self.raw}: no such file or folder; pass the raw data of '{self.name}' as RAW")

    @abstractmethod
    def list_cases(self) -> list[RawCase]:
        """List the cases in a fixed order without reading voxels.

        Raises:
            DataError: if no files of this layout are found; the message names the expected files and folder.
        """

    @abstractmethod
    def read(self, raw: RawCase) -> Case:
        """Read one case.

        Raises:
            DataError: if a file is damaged or its parts do not fit; the message names the file.
        """


def source_options(source: type[Source]) -> dict[str, inspect.Parameter]:
    """The arguments of a source besides its raw data, by name."""
    parameters = dict(inspect.signature(source).parameters)
    parameters.pop("raw")
    return parameters
