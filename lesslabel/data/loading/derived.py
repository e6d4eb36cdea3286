"""Maps that a method derives from the labels of a case; computed once and kept in the store."""

import hashlib
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from lesslabel.files import written_aside


class MapDerivation(Protocol):
    """How a method derives maps from a label map; the only thing that the data module knows about it."""

    @property
    def whole(self) -> bool:
        """True computes the maps once from the whole case, False from each augmented sample."""
        ...

    @property
    def name(self) -> str:
        """Names everything that the values depend on besides the labels; also the name of a folder."""
        ...

    def make(self, labels: NDArray[np.uint8], classes: int) -> NDArray[np.float32]:
        """Compute K maps (K, [D,] H, W) from class indices ([D,] H, W), which may contain `IGNORE`."""
        ...


def make_in_runs(
    make: Callable[[NDArray[Any]], NDArray[np.float32]], labels: NDArray[Any], dense: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Compute maps of the densely labelled slices only.

    Each run of neighbouring dense slices is treated as a volume: slices beyond it are as unknown as those beyond the
    image. So adding slices without dense labels before or after it changes nothing.

    Args:
        make: computes maps (K, [D,] H, W) from class indices ([D,] H, W).
        labels: ([D,] H, W) class indices.
        dense: (D,) or, in 2D, () bool; at least one is True.

    Returns:
        (K, [D,] H, W), 0 in slices that are not dense.
    """
    if dense.all():
        return make(labels)
    maps = np.zeros(0, dtype=np.float32)
    for start, stop in np.flatnonzero(np.diff(dense, prepend=False, append=False)).reshape(-1, 2):
        part = make(labels[start:stop])
        if not maps.size:
            maps = np.zeros((len(part), *labels.shape), dtype=np.float32)
        maps[:, start:stop] = part
    return maps


def derivation_of(method: object) -> MapDerivation | None:
    """The derivation that a method defines; None for none. Its old name, `recipe`, works for one version more."""
    if hasattr(method, "recipe"):
        warnings.warn(f"{type(method).__name__}.recipe: rename it to map_derivation", FutureWarning, stacklevel=2)
        return cast(MapDerivation, method.recipe)
    return cast(MapDerivation | None, getattr(method, "map_derivation", None))


class DerivedMaps:
    """Maps of whole cases in ``STORE/derived/<derivation>``; see docs/formats.md.

    The name of a file is the hash of the labels that it was computed from, on the network's grid. So a file is never
    out of date and can be removed at any time.

    Args:
        store: folder of the store.
        derivation: computes the maps.
    """

    def __init__(self, store: Path, derivation: MapDerivation) -> None:
        self.folder = store / "derived" / derivation.name
        self.derivation = derivation

    def read(
        self, labels: NDArray[np.uint8], classes: int, dense: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """The maps (K, z, y, x) of a label map, memory-mapped from the disk; they are computed and written if absent.

        Args:
            labels: (z, y, x) class indices, `IGNORE` where unknown.
            classes: classes, background included.
            dense: (z,) bool, the slices that are densely labelled, see `make_in_runs`; None means all.

        Raises:
            DataError: if they are absent and the store cannot be written.
        """
        if dense is None:
            dense = np.ones(len(labels), dtype=np.bool_)
        path = self.folder / f"{self._key(labels, classes, dense)}.npy"
        maps = _mapped(path)
        if maps is None:
            self._write(path, make_in_runs(lambda part: self.derivation.make(part, classes), labels, dense))
            maps = np.load(path, mmap_mode="c")
        return maps

    def _key(self, labels: NDArray[np.uint8], classes: int, dense: NDArray[np.bool_]) -> str:
        digest = hashlib.sha256(f"{self.derivation.name} {classes} {labels.shape}".encode())
        digest.update(np.ascontiguousarray(labels).data)
        if not dense.all():
            digest.update(dense.tobytes())
        return digest.hexdigest()

    def _write(self, path: Path, maps: NDArray[np.float32]) -> None:
        # first under a name of this process: several loader processes may write the same maps at once
        own = path.with_name(f"{path.stem}-{os.getpid()}.npy")
        with written_aside(own) as aside, aside.open("wb") as file:
            np.save(file, maps)
        own.replace(path)


def _mapped(path: Path) -> NDArray[np.float32] | None:
    """Map a file copy-on-write, since torch requires writable memory; None if absent or damaged."""
    try:
        maps: NDArray[np.float32] = np.load(path, mmap_mode="c")
    except (OSError, ValueError):
        return None
    return maps
