"""MedScribble: scribbles that people drew, as prompts.

Wong et al., "ScribblePrompt: Fast and flexible interactive segmentation for any biomedical image", ECCV 2024: 2D images
of several public data sets with the object to segment and the scribbles of three annotators. An example is a folder
with ``img.npy`` (y, x), ``seg.npy`` (y, x) and ``scribble_<n>.npy`` (2, y, x), positive and negative strokes, all in
[0, 1] and soft at their edges.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError
from lesslabel.interaction.prompts import Scribble, Side
from lesslabel.interaction.prompts.seeds import Mask

_THRESHOLD = 0.5


@dataclass(frozen=True, eq=False)
class MedScribbleExample:
    """One image with what people drew on it.

    Attributes:
        uid: the example's folder below the root, with ``/``.
        image: (y, x) float32.
        truth: (y, x) bool; None if the example comes without it.
        scribbles: for each annotator in order of their number, the positive scribble and the negative one; a side on
            which they drew nothing is left out.
    """

    uid: str
    image: NDArray[np.float32]
    truth: Mask | None
    scribbles: tuple[tuple[Scribble, ...], ...]


def read_medscribble(root: Path) -> Iterator[MedScribbleExample]:
    """Read all examples below a folder, in order of their uid.

    Raises:
        DataError: if there are none, or an array is unreadable, not finite, or of another shape than its image.
    """
    folders = sorted(file.parent for file in root.rglob("img.npy"))
    if not folders:
        raise DataError(f"{root}: no MedScribble examples; pass the folder that holds them, each with an img.npy")
    for folder in folders:
        image = _read(folder / "img.npy")
        if image.ndim != 2:
            raise DataError(f"{folder / 'img.npy'}: shape {image.shape}; expected (y, x)")
        seg = folder / "seg.npy"
        truth = _read(seg, image.shape) > _THRESHOLD if seg.exists() else None
        painted = [_read(file, (2, *image.shape)) > _THRESHOLD for file in sorted(folder.glob("scribble_*.npy"))]
        uid = folder.relative_to(root).as_posix()
        yield MedScribbleExample(uid, image, truth, tuple(map(_scribbles, painted)))


def _scribbles(painted: Mask) -> tuple[Scribble, ...]:
    sides = zip(painted, (Side.FOREGROUND, Side.BACKGROUND), strict=True)
    return tuple(Scribble.from_mask(mask, side) for mask, side in sides if mask.any())


def _read(file: Path, shape: tuple[int, ...] | None = None) -> NDArray[np.float32]:
    try:
        array = np.asarray(np.load(file, allow_pickle=False), dtype=np.float32)
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: not readable as an array ({error}); fetch it again") from error
    if shape is not None and array.shape != shape:
        raise DataError(f"{file}: shape {array.shape}; expected {shape} beside its image")
    if not np.isfinite(array).all():
        raise DataError(f"{file}: holds NaN or infinite values; fetch it again")
    return array
