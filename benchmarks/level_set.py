"""Our level-set targets beside two scipy transforms and scikit-image's boundaries: same patch, process and thread.

    python benchmarks/level_set.py --labels "data/la/2018LA_Seg_Training Set"

One patch of 80×112×112 voxels of every label map, at a place that follows from the seed. Without ``--labels`` the maps
are generated ellipsoids. Prints the median of all patches for the published formula, for ours, and for ours read from
the cache of whole volumes, and refuses if a value differs by more than 1e-5.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import find_boundaries

from lesslabel.data.loading.crop import crop, sample_window
from lesslabel.data.loading.derived import DerivedMaps
from lesslabel.losses import LevelSetDerivation, level_set

PATCH_VOXEL = (80, 112, 112)
TOLERANCE = 1e-5
GENERATED = 10


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(1)
    rng = np.random.default_rng(arguments.seed)
    level_set(np.eye(8, dtype=bool))  # compiles the kernel, or loads it from the disk
    times: dict[str, list[float]] = {"published": [], "ours": [], "from the cache": [], "whole volume": []}
    with tempfile.TemporaryDirectory() as folder:
        maps = DerivedMaps(Path(folder), LevelSetDerivation(whole=True, dimensions=3))
        for labels in label_maps(arguments.labels):
            window = sample_window(labels.shape, PATCH_VOXEL, rng)
            patch = crop(torch.from_numpy(labels), window, 0).numpy() == 1
            wanted = timed(times["published"], lambda patch=patch: published(patch), arguments.repeats)
            ours = timed(times["ours"], lambda patch=patch: level_set(patch), arguments.repeats)
            difference = float(np.abs(ours - wanted).max())
            if difference > TOLERANCE:
                raise SystemExit(f"ours and the published formula differ by {difference:.2e}")
            timed(times["whole volume"], lambda labels=labels: level_set(labels == 1), 1)
            whole = torch.from_numpy(maps.read(labels, 2))  # what a case in memory holds: a map of the file
            read = timed(
                times["from the cache"],
                lambda whole=whole, window=window: crop(whole, window, 0).contiguous().clone(),
                arguments.repeats,
            )
            assert torch.equal(read, crop(torch.from_numpy(level_set(labels == 1))[None], window, 0))
    report(times)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, help="folder with */mri_norm2.h5; without it maps are generated")
    parser.add_argument("--repeats", type=int, default=3, help="runs per patch; the fastest counts")
    parser.add_argument("--seed", type=int, default=0, help="seed of the patches")
    return parser.parse_args()


def label_maps(folder: Path | None) -> Iterator[NDArray[np.uint8]]:
    """Label maps (z, y, x) with the label 1."""
    if folder is None:
        grid = np.ogrid[0:88, 0:180, 0:200]
        for index in range(GENERATED):
            radii = (20 + 2 * index, 40 + index, 60 - index)
            inside = sum(((axis - c) / r) ** 2 for axis, c, r in zip(grid, (44, 90, 100), radii, strict=True)) < 1
            yield inside.astype(np.uint8)
        return
    for path in sorted(folder.glob("*/mri_norm2.h5")):
        with h5py.File(path, "r") as file:
            yield np.ascontiguousarray(file["label"][()].T)


def published(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The published formula: two transforms, each scaled by its largest value, and zero on the inner boundary."""
    inside = ndimage.distance_transform_edt(mask)
    outside = ndimage.distance_transform_edt(~mask)
    result = outside / outside.max() - inside / inside.max()
    result[find_boundaries(mask, mode="inner")] = 0
    return result


def timed(times: list[float], call: Callable[[], object], repeats: int):
    """The call's result; the time of the fastest run is added, in ms."""
    runs = []
    for _ in range(repeats):
        begin = time.perf_counter()
        result = call()
        runs.append(1e3 * (time.perf_counter() - begin))
    times.append(min(runs))
    return result


def report(times: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"{len(times['ours'])} patches of {'×'.join(map(str, PATCH_VOXEL))} voxels, one thread; ms, median (range)")
    for name, values in times.items():
        print(f"{name:>16}: {medians[name]:7.2f}  ({min(values):.2f} – {max(values):.2f})")
    ratios = [slow / fast for slow, fast in zip(times["published"], times["ours"], strict=True)]
    print(f"published / ours: {statistics.median(ratios):.1f}  ({min(ratios):.1f} – {max(ratios):.1f})")


if __name__ == "__main__":
    main()
