"""MedScribble: scribbles of people as prompts (`lesslabel.data.formats.medscribble` reads the files)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesslabel.data.formats.medscribble import find_examples, read_example
from lesslabel.interaction.prompts import Scribble, Side
from lesslabel.interaction.prompts.seeds import Mask


@dataclass(frozen=True, eq=False)
class MedScribbleExample:
    """One image with scribbles of people.

    Attributes:
        uid: the example's folder below the root, with ``/``.
        image: (y, x) float32.
        truth: (y, x) bool; None if the example comes without it.
        scribbles: for each annotator in order of their number, the positive scribble and the negative one; a side
            without a scribble is absent.
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
    for folder in find_examples(root):
        example = read_example(folder)
        uid = folder.relative_to(root).as_posix()
        yield MedScribbleExample(uid, example.image, example.truth, tuple(map(_scribbles, example.scribbles)))


def _scribbles(painted: Mask) -> tuple[Scribble, ...]:
    sides = zip(painted, (Side.FOREGROUND, Side.BACKGROUND), strict=True)
    return tuple(Scribble.from_mask(mask, side) for mask, side in sides if mask.any())
