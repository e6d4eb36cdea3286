"""An example of MedScribble: an image and the scribbles of its annotators.

Wong et al., "ScribblePrompt: Fast and flexible interactive segmentation for any biomedical image", ECCV 2024: 2D images
of several public data sets with the object to segment and the scribbles of three annotators. An example is a folder
with ``img.npy`` (y, x), ``seg.npy`` (y, x) and ``scribble_<n>.npy`` (2, y, x), positive and negative strokes, all in
[0, 1] and soft at their edges.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesslabel.errors import DataError

_THRESHOLD = 0.5


@dataclass(frozen=True, eq=False)
class MedScribbleImage:
    """One image with the scribbles of its annotators.

    Attributes:
        image: (y, x) float32.
        truth: (y, x) bool; None if the example comes without it.
        scribbles: (2, y, x) bool of each annotator in order of their number: scribbles on the object, and
            outside it.
    """

    image: NDArray[np.float32]
    truth: NDArray[np.bool_] | None
    scribbles: tuple[NDArray[np.bool_], ...]


def find_examples(root: Path) -> list[Path]:
    """The folders of all examples below a folder, sorted.

    Raises:
        DataError: if there are none.
    """
    folders = sorted(file.parent for file in root.rglob("img.npy"))
    if not folders:
        raise DataError(f"{root}: no MedScribble examples; pass the folder that holds them, each with an img.npy")
    return folders


def read_example(folder: Path) -> MedScribbleImage:
    """Read one example.

    Raises:
        DataError: if an array is unreadable, not finite, or of another shape than its image.
    """
    image = _read(folder / "img.npy")
    if image.ndim != 2:
        raise DataError(f"{folder / 'img.npy'}: shape {image.shape}; expected (y, x)")
    seg = folder / "seg.npy"
    truth = _read(seg, image.shape) > _THRESHOLD if seg.exists() else None
    scribbles = (_read(file, (2, *image.shape)) > _THRESHOLD for file in sorted(folder.glob("scribble_*.npy")))
    return MedScribbleImage(image, truth, tuple(scribbles))


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
