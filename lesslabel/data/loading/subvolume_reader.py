"""Read regions of cases for training, for data that do not fit into memory."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from lesslabel.data.case import Case, Subvolume
from lesslabel.data.loading.case_loader import CaseLoader, TrainingCase
from lesslabel.data.loading.crop import Window
from lesslabel.data.loading.intensity import Scaling, apply_scalings, measure_scalings
from lesslabel.data.loading.merge import GridTarget, merge_annotations
from lesslabel.data.loading.resize import to_tensor
from lesslabel.data.store.finite import require_finite
from lesslabel.data.view import VisibleAnnotation


class SubvolumeReader:
    """Reads the region of a window from the store. Only for cases whose native grid is the network's grid.

    The normalisation of each case is cached; for `percentile` and `zscore` the whole image is read once.

    Args:
        loader: reads cases.
        shown: supervising annotations by uid, for the labelled cases.
    """

    def __init__(self, loader: CaseLoader, shown: Mapping[str, Sequence[VisibleAnnotation]]) -> None:
        self._loader = loader
        self._shown = shown
        self._scalings: dict[str, list[Scaling] | None] = {}

    def read(self, uid: str, index: int | None, window: Window | None) -> tuple[TrainingCase, Window | None]:
        """Read a region of a case.

        Args:
            uid: the case.
            index: the slice, if only one is read; None reads a volume.
            window: on the slice or volume; it may reach beyond it. None reads all.

        Returns:
            The region inside the case, and the window relative to it.

        Raises:
            DataError: if the case file is damaged.
        """
        record = self._loader.store.records[uid]
        shape = (record.depth, record.height, record.width)
        spans = [(0, side) for side in shape] if window is None else [*window]
        if index is not None:
            spans = [(index, 1), *spans[-2:]]
        z, y, x = (
            slice(max(start, 0), min(start + side, end)) for (start, side), end in zip(spans, shape, strict=True)
        )
        target, image = self._target(uid, (z, y, x))
        part = TrainingCase(
            image=image,
            labels=torch.from_numpy(target.labels),
            kinds=torch.from_numpy(target.kinds),
            annotated_labels=torch.from_numpy(target.annotated_labels),
            weight=None if target.weight is None else torch.from_numpy(target.weight),
        )
        if window is None:
            return part, None
        firsts = [span.start for span in (z, y, x)][-len(window) :]
        return part, tuple((start - first, side) for (start, side), first in zip(window, firsts, strict=True))

    def _target(self, uid: str, subvolume: Subvolume) -> tuple[GridTarget, torch.Tensor]:
        """Target and normalised image of a region."""
        loader, shown = self._loader, self._shown.get(uid, ())
        case = loader.store.read_subvolume(uid, subvolume, [entry.annotation for entry in shown])
        here = [entry.crop(subvolume) for entry in shown]
        if uid not in self._scalings:
            self._scalings[uid] = self._measure(uid)
        image = apply_scalings(self._finite_channels(case), self._scalings[uid])
        return merge_annotations(case, here, loader.mapping, case.shape), to_tensor(image)

    def _measure(self, uid: str) -> list[Scaling] | None:
        loader = self._loader
        if loader.intensity.name in ("window", "none"):  # the same whatever the image
            empty = np.zeros((loader.store.records[uid].channels, 1, 1, 1), dtype=np.float32)
            return measure_scalings(loader.select(empty), loader.intensity)
        return measure_scalings(self._finite_channels(loader.read(uid)), loader.intensity)

    def _finite_channels(self, case: Case) -> NDArray[np.float32]:
        """The channels of the view, of a case or a part of it; voxels that are not finite are refused."""
        channels = self._loader.select(case.image)
        require_finite(channels, f"{self._loader.store.case_path(case.uid)}: image", self._loader.store.path)
        return channels
