"""What a click protocol ended with, as label maps that another protocol can start from."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesslabel.clicks.objects import WHOLE_CASE, ClickObject
from lesslabel.data.formats.nifti import write_label_map
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.loading.resize import resize_labels
from lesslabel.interaction.prompts.seeds import Mask
from lesslabel.runs.recorder import prediction_path


class KeptMasks:
    """Writes one label map of each case, on its own grid, as `lesslabel predict` does.

    What is no object of the protocol is background. Where the masks of two classes overlap, the later class stands.

    Args:
        folder: where they go; it is made.
        data: brings the cases to the network's grid.
    """

    def __init__(self, folder: Path, data: SegmentationDataModule) -> None:
        folder.mkdir()
        self._folder = folder
        self._loader = data.loader()
        self._names = data.mapping.names
        self._found: list[tuple[int, int, Mask]] = []

    def add(self, entry: ClickObject, mask: Mask) -> None:
        """Take the mask after the last turn of an object of the case that is written next."""
        self._found.append((self._names.index(entry.label), entry.slice, mask))

    def write(self, uid: str) -> None:
        """Write the masks that were added since the last case."""
        case = self._loader.read(uid)
        labels: NDArray[np.uint8] = np.zeros(self._loader.shape_of(case), np.uint8)
        for index, place, mask in sorted(self._found, key=lambda found: found[0]):
            labels[... if place == WHOLE_CASE else place][mask] = index
        self._found.clear()
        path = prediction_path(self._folder, uid)
        write_label_map(path, resize_labels(labels, case.shape), case.spacing_mm, case.affine, case.qform)
