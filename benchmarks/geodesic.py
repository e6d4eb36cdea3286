"""Our exact geodesic distances beside FastGeodis and scipy's Dijkstra: same image, seeds, process and thread.

    python benchmarks/geodesic.py --slices stores/acdc --volumes stores/la

FastGeodis is its Toivanen variant with 2 sweeps, the fastest of its CPU variants; it is not a dependency: install it
first, with ``pip install "setuptools<81"`` and ``pip install --no-build-isolation FastGeodis``. Without it only ours
is timed. Images are the middle of the first cases of the stores, 256×256 and 64×96×96; crops around their objects, with
seeds just inside the edge, for the exponential cue and its bound, of their own size and on the grid of a network; and
generated ones. All are in [0, 1], so that ours scales what is scaled already. Both sides run in turn; the fastest run
of a case counts, and a row is the median over cases. Errors are against scipy's Dijkstra, in intensity. ``--clock cpu``
counts the seconds that the process itself computed, for a machine busy with other work.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice, product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from lesslabel.data.store import Store
from lesslabel.interaction import EGD_BOUND, geodesic_distance
from lesslabel.interaction.crop import Crop

try:
    import FastGeodis
except ImportError:
    FastGeodis = None

CLOCKS: Mapping[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
SLICE_VOXEL, VOLUME_VOXEL = (256, 256), (64, 96, 96)
GRID_VOXEL: Mapping[int, tuple[int, ...]] = {2: (96, 96), 3: (64, 96, 96)}
SEEDS = 5
GROW_VOXEL = 5
SWEEPS = 2

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Situation = tuple[Image, Mask, float | None]
"""Image, seeds and bound."""


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(1)
    rng = np.random.default_rng(arguments.seed)
    print(f"one thread, {arguments.clock} ms, fastest of {arguments.repeats}; median over the cases of a row")
    print("| image | cases | ours | FastGeodis | ours / FastGeodis | largest error, ours | FastGeodis |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, situations in rows(arguments, rng):
        results = [compare(situation, arguments) for situation in situations]
        ours, theirs, our_error, their_error = (statistics.median(column) for column in zip(*results, strict=True))
        print(
            f"| {name} | {len(results)} | {ours:.2f} | {theirs:.2f} | {ratios(results)} | {our_error:.1e} "
            f"| {their_error:.2f} |",
            flush=True,
        )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=Path, help="a prepared store whose middle slices are taken")
    parser.add_argument("--volumes", type=Path, help="a prepared store whose volumes are taken")
    parser.add_argument("--annotation", default="dense", help="the annotation whose object is cropped")
    parser.add_argument("--cases", type=int, default=5, help="cases of each store")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each side; the fastest counts")
    parser.add_argument("--no-errors", action="store_true", help="skip Dijkstra, which takes seconds per volume")
    parser.add_argument("--seed", type=int, default=0, help="seed of the seeds and of generated images")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="whose seconds count")
    return parser.parse_args()


def rows(arguments: argparse.Namespace, rng: np.random.Generator) -> Iterator[tuple[str, list[Situation]]]:
    for store, shape, name in ((arguments.slices, SLICE_VOXEL, "slice"), (arguments.volumes, VOLUME_VOXEL, "volume")):
        size = "×".join(map(str, shape))
        if store is not None:
            cases = list(islice(labelled_images(store, len(shape), arguments.annotation), arguments.cases))
            yield f"{name}, {size}", [(middle(image, shape), random_seeds(shape, rng), None) for image, _ in cases]
            crops = [object_crop(*case, rng) for case in cases]
            yield f"{name}, crop around the object", crops
            grid = GRID_VOXEL[len(shape)]
            yield f"{name}, that crop on {'×'.join(map(str, grid))}", [on_grid(*crop, grid) for crop in crops]
        noise = unit(rng.random(shape, np.float32))
        yield f"white noise, {size}", [(noise, random_seeds(shape, rng), None)]
        yield f"smooth noise, {size}", [(unit(ndimage.gaussian_filter(noise, 2)), random_seeds(shape, rng), None)]


def labelled_images(store: Path, dimensions: int, annotation: str) -> Iterator[tuple[Image, Mask]]:
    """Image and object of each case; of its middle slice in 2D."""
    opened = Store(store)
    for uid in sorted(opened.records):
        case = opened.read(uid)
        image, inside = case.image[0], case.annotations[annotation].labels > 0
        z = len(image) // 2
        yield (image[z], inside[z]) if dimensions == 2 else (image, inside)


def middle(image: Image, shape: tuple[int, ...]) -> Image:
    """The middle of an image, with a border of zeros where it is smaller."""
    short = [max(0, size - length) for size, length in zip(shape, image.shape, strict=True)]
    image = np.pad(image, [(missing // 2, missing - missing // 2) for missing in short])
    starts = [(length - size) // 2 for size, length in zip(shape, image.shape, strict=True)]
    return unit(image[tuple(slice(start, start + size) for start, size in zip(starts, shape, strict=True))])


def unit(image: Image) -> Image:
    return np.ascontiguousarray((image - image.min()) / np.ptp(image), np.float32)


def random_seeds(shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
    seeds = np.zeros(shape, np.bool_)
    seeds.flat[rng.choice(seeds.size, SEEDS, replace=False)] = True
    return seeds


def object_crop(image: Image, inside: Mask, rng: np.random.Generator) -> Situation:
    (box,) = ndimage.find_objects(inside.astype(np.uint8))
    crop = tuple(slice(max(0, side.start - GROW_VOXEL), side.stop + GROW_VOXEL) for side in box)
    depth = ndimage.distance_transform_edt(inside[crop])
    margin = np.flatnonzero((depth > 1) & (depth <= 3))
    seeds = np.zeros(depth.shape, np.bool_)
    seeds.flat[rng.choice(margin, SEEDS, replace=False)] = True
    return unit(image[crop]), seeds, EGD_BOUND


def on_grid(image: Image, seeds: Mask, bound: float | None, grid: tuple[int, ...]) -> Situation:
    """A crop on the grid of a network."""
    crop = Crop(tuple(slice(0, length) for length in seeds.shape), seeds.shape, grid)
    return unit(crop.image_to_grid(torch.from_numpy(image)[None])[0].numpy()), crop.seeds_to_grid(seeds), bound


def compare(situation: Situation, arguments: argparse.Namespace) -> tuple[float, float, float, float]:
    """Milliseconds of both and their largest errors; NaN where there is none."""
    image, seeds, bound = situation
    sides = {"ours": lambda: geodesic_distance(image, seeds, (1.0,) * image.ndim, bound=bound)}
    if FastGeodis is not None:
        tensors = torch.from_numpy(image)[None, None], torch.from_numpy(~seeds).float()[None, None]
        sides["FastGeodis"] = lambda: fast_geodis(*tensors)
    clock, seconds = CLOCKS[arguments.clock], {name: [] for name in sides}
    results = {name: side() for name, side in sides.items()}  # compiles the kernel, or loads it from the disk
    for _ in range(arguments.repeats):
        for name, side in sides.items():
            begin = clock()
            side()
            seconds[name].append(clock() - begin)
    errors = {}
    if not arguments.no_errors:
        exact = by_dijkstra(image, seeds)
        errors = {name: float(np.abs(result - exact).max()) for name, result in results.items()}
    names = ("ours", "FastGeodis")
    milliseconds = (1e3 * min(seconds.get(name, [np.nan])) for name in names)
    return *milliseconds, *(errors.get(name, np.nan) for name in names)


def fast_geodis(image: torch.Tensor, not_seeds: torch.Tensor) -> NDArray[np.float32]:
    if image.ndim == 4:
        distance = FastGeodis.generalised_geodesic2d_toivanen(image, not_seeds, 1e10, 1.0, SWEEPS)
    else:
        distance = FastGeodis.generalised_geodesic3d_toivanen(image, not_seeds, [1.0] * 3, 1e10, 1.0, SWEEPS)
    return distance[0, 0].numpy()


def by_dijkstra(image: Image, seeds: Mask) -> NDArray[np.float64]:
    numbers = np.arange(image.size, dtype=np.int32).reshape(image.shape)
    begins, ends, costs = [], [], []
    for move in islice(product((-1, 0, 1), repeat=image.ndim), 3**image.ndim // 2):  # the other half is their opposite
        here = tuple(slice(max(-step, 0), size - max(step, 0)) for step, size in zip(move, image.shape, strict=True))
        there = tuple(slice(max(step, 0), size - max(-step, 0)) for step, size in zip(move, image.shape, strict=True))
        begins.append(numbers[here].ravel())
        ends.append(numbers[there].ravel())
        costs.append(np.abs(image[here].astype(np.float64) - image[there]).ravel())
    edges = np.concatenate(costs), (np.concatenate(begins), np.concatenate(ends))
    graph = csr_array(edges, shape=(image.size, image.size))
    return dijkstra(graph, directed=False, indices=np.flatnonzero(seeds), min_only=True).reshape(image.shape)


def ratios(results: list[tuple[float, float, float, float]]) -> str:
    each = [ours / theirs for ours, theirs, *_ in results]
    return f"{statistics.median(each):.2f} ({min(each):.2f} – {max(each):.2f})"


if __name__ == "__main__":
    main()
