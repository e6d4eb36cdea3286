"""What goes over the wire between page and server: changed voxels as runs, and an image as NIfTI, once.

Voxels are counted in the order of the store's arrays (z, y, x), the last axis fastest. NIfTI stores (x, y, z) with the
first axis fastest, which is the same order.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from lesslabel.data.case import Case
from lesslabel.data.exchange.base import affine_of
from lesslabel.errors import DataError

_LARGEST_BYTES_OF_A_NUMBER = 9
_BRIGHTEST = 255
_RGB24 = np.dtype([("R", np.uint8), ("G", np.uint8), ("B", np.uint8)])
"""As nibabel names the parts."""


@dataclass(frozen=True, eq=False)
class Runs:
    """Voxels of an array as runs in raster order.

    Attributes:
        starts: (N,) int64, the first voxel of each run; runs are in order and do not touch.
        lengths: (N,) int64, at least 1.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @classmethod
    def of_voxels(cls, voxels: NDArray[np.int64]) -> Self:
        """Make runs of flat indices that are sorted and occur once."""
        if not voxels.size:
            return cls(np.zeros(0, np.int64), np.zeros(0, np.int64))
        firsts = np.concatenate([[0], np.flatnonzero(np.diff(voxels) != 1) + 1])
        lengths = np.diff(np.concatenate([firsts, [voxels.size]]))
        return cls(voxels[firsts], lengths.astype(np.int64))

    @property
    def voxels(self) -> NDArray[np.int64]:
        """The flat indices, sorted."""
        before = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        return np.repeat(self.starts - before, self.lengths) + np.arange(self.lengths.sum())

    def same_as(self, other: Self) -> bool:
        """Whether these are the same voxels."""
        return np.array_equal(self.starts, other.starts) and np.array_equal(self.lengths, other.lengths)

    def encode(self) -> str:
        """Write the runs as text: gap since the end of the last run and length, in turn, as LEB128, in base64."""
        ends = self.starts + self.lengths
        gaps = self.starts - np.concatenate([[0], ends[:-1]])
        return base64.b64encode(_to_leb128(np.stack([gaps, self.lengths], axis=1).reshape(-1))).decode("ascii")

    @classmethod
    def decode(cls, text: str, size: int) -> Self:
        """Read what `encode` wrote.

        Args:
            text: the runs.
            size: how many voxels the array has.

        Raises:
            DataError: if it is something else, or a run leaves the array.
        """
        try:
            numbers = _from_leb128(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError) as error:
            raise DataError(f"runs: not base64 of LEB128 numbers ({error}); send gap and length in turn") from error
        if len(numbers) % 2 or (numbers[:1] < 0).any() or (numbers[1:] < 1).any():
            raise DataError(
                "runs: not in order, or empty; send gap and length in turn, both at least 1 after the first"
            )
        if (numbers > size).any() or numbers.sum() > size:
            raise DataError(f"runs: reach beyond the {size} voxels of the case")
        ends = np.cumsum(numbers)[1::2]
        return cls(ends - numbers[1::2], numbers[1::2])


@dataclass(frozen=True, eq=False)
class Change:
    """Voxels that get one value.

    Attributes:
        value: a label code, 0 for background, `IGNORE` for unknown.
        runs: the voxels.
    """

    value: int
    runs: Runs

    def to_json(self) -> dict[str, Any]:
        """Write it as a JSON object."""
        return {"value": self.value, "runs": self.runs.encode()}

    @classmethod
    def from_json(cls, content: dict[str, Any], size: int) -> Self:
        """Read what `to_json` wrote, for an array of so many voxels."""
        return cls(int(content["value"]), Runs.decode(content["runs"], size))


def changes_of(voxels: NDArray[np.int64], values: NDArray[np.uint8]) -> list[Change]:
    """Group voxels by the value that they get.

    Args:
        voxels: (N,) flat indices, sorted.
        values: (N,) what each gets.
    """
    return [Change(int(value), Runs.of_voxels(voxels[values == value])) for value in np.unique(values)]


def whole_map(labels: NDArray[np.uint8], rest: int) -> list[Change]:
    """All of a label map that is not `rest`, as changes of a map that is `rest` everywhere."""
    flat = labels.reshape(-1)
    voxels = np.flatnonzero(flat != rest)
    return changes_of(voxels, flat[voxels])


def image_bytes(case: Case) -> bytes:
    """Write the image of a case as an uncompressed NIfTI file: int16 where that loses nothing, else float32.

    One slice of three channels is a picture, and written in its colours (RGB24); otherwise several channels are the
    fourth dimension. No name, patient or path goes into the header.
    """
    turned = _colours(case.image).T if case.image.shape[:2] == (3, 1) else _numbers(case.image)
    affine = _affine_shown(case)
    image = nib.Nifti1Image(turned, affine)
    image.set_qform(affine, code="scanner")
    image.set_sform(affine, code="scanner")
    image.header.set_zooms((*reversed(case.spacing_mm), *[1.0] * (turned.ndim - 3)))
    content: bytes = image.to_bytes()
    return content


def _affine_shown(case: Case) -> NDArray[np.float64]:
    """Where voxels lie; one slice that knows of no side is shown as a picture: rows downwards, columns to the right."""
    affine = affine_of(case)
    plain = case.shape[0] == 1 and np.allclose(affine, np.diag([*case.spacing_mm[::-1], 1.0]))
    return affine @ np.diag([-1.0, -1.0, 1.0, 1.0]) if plain else affine


def _numbers(values: NDArray[np.float32]) -> NDArray[Any]:
    """(x, y, z), or (x, y, z, channel) of several."""
    with np.errstate(invalid="ignore"):
        short = values.astype(np.int16)
    exact = short if np.array_equal(short.astype(np.float32), values) else values
    return exact[0].T if len(exact) == 1 else exact.transpose(3, 2, 1, 0)


def _colours(values: NDArray[np.float32]) -> NDArray[Any]:
    """Three channels (3, z, y, x) as red, green and blue (z, y, x): bytes as they are, all else scaled to them."""
    known = values[np.isfinite(values)]
    low, high = float(known.min(initial=np.inf)), float(known.max(initial=-np.inf))
    if not known.size or (low >= 0 and high <= _BRIGHTEST and np.array_equal(known, known.round())):
        low, high = 0.0, float(_BRIGHTEST)
    scaled = (np.nan_to_num(values, nan=low, posinf=high, neginf=low) - low) * (_BRIGHTEST / max(high - low, 1e-12))
    pixels = np.moveaxis(scaled.round().clip(0, _BRIGHTEST).astype(np.uint8), 0, -1)
    return np.ascontiguousarray(pixels).view(_RGB24)[..., 0]


def _to_leb128(numbers: NDArray[np.int64]) -> bytes:
    lengths = np.ones(len(numbers), np.int64)
    for more in range(1, _LARGEST_BYTES_OF_A_NUMBER):
        lengths += numbers >= 1 << (7 * more)
    places = np.cumsum(lengths) - lengths
    written = np.zeros(int(lengths.sum()), np.uint8)
    for byte in range(int(lengths.max(initial=0))):
        there = lengths > byte
        low = (numbers[there] >> (7 * byte)) & 0x7F
        written[places[there] + byte] = low | np.where(lengths[there] > byte + 1, 0x80, 0)
    return written.tobytes()


def _from_leb128(content: bytes) -> NDArray[np.int64]:
    data = np.frombuffer(content, np.uint8)
    last = data < 0x80
    if len(data) and not last[-1]:
        raise ValueError("the last number is cut short")
    ends = np.flatnonzero(last)
    firsts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    if len(ends) and int((ends - firsts).max()) >= _LARGEST_BYTES_OF_A_NUMBER:
        raise ValueError("a number is too long")
    numbers = np.zeros(len(ends), np.int64)
    which = np.asarray(np.cumsum(last) - last, np.int64)
    shifts = 7 * (np.arange(len(data)) - firsts[which]) if len(ends) else np.zeros(0, np.int64)
    np.add.at(numbers, which, (data & 0x7F).astype(np.int64) << shifts)
    return numbers


def to_json(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Write changes as JSON objects."""
    return [change.to_json() for change in changes]
