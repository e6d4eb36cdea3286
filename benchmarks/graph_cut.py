"""Our graph cut beside PyMaxflow: same energy, process and thread.

    python benchmarks/graph_cut.py --slices stores/acdc --volumes stores/la --clock cpu

PyMaxflow is GPL and no dependency: install it first. Without it only ours is timed. Images are crops around the objects
of the first cases of the stores, resampled to 96×96 and 64×96×96, and generated ones. The output of a network is
simulated from the object: its smoothed shape plus smooth noise as log-odds, sure of itself or not, with three clicks on
missed foreground and three on background that was taken for foreground. Both sides get the same arrays and end with a
mask; PyMaxflow is given what each edge costs, computed within its time. They run in turn; the fastest run of a case
counts, and a row is the median over cases. The energy column is the largest relative difference. ``--clock cpu`` counts
the seconds that the process itself computed, for a machine busy with other work.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lesslabel.data.store import Store
from lesslabel.interaction.graph_cut import cut_energy, graph_cut
from lesslabel.interaction.information_fusion import information_fusion_graph_cut

try:
    import maxflow
except ImportError:
    maxflow = None

CLOCKS: Mapping[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
SLICE_VOXEL, VOLUME_VOXEL = (96, 96), (64, 96, 96)
GROW_VOXEL = 5
CLICKS = 3
WEIGHT, SIGMA = 5.0, 0.1
CERTAINTIES = {"sure": 6.0, "unsure": 1.0, "vague": 0.2}
"""By how much the log-odds of a simulated network are multiplied."""

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]
Situation = tuple[Values, Values, Mask, Mask]
"""Probability, image, foreground and background clicks."""


def main() -> None:
    arguments = parse_arguments()
    rng = np.random.default_rng(arguments.seed)
    print(f"one thread, {arguments.clock} ms, fastest of {arguments.repeats}; median over the cases of a row")
    print("| crop | network | cases | ours | PyMaxflow | ours / PyMaxflow | energy | with information fusion |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, objects in rows(arguments, rng):
        for network, certainty in CERTAINTIES.items():
            results = [compare(simulate(*each, certainty, rng), arguments) for each in objects]
            ours, theirs, difference, fused = zip(*results, strict=True)
            print(
                f"| {name} | {network} | {len(results)} | {statistics.median(ours):.1f} "
                f"| {statistics.median(theirs):.1f} | {ratios(ours, theirs)} | {max(difference):.0e} "
                f"| {statistics.median(fused):.1f} |",
                flush=True,
            )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=Path, help="a prepared store whose middle slices are taken")
    parser.add_argument("--volumes", type=Path, help="a prepared store whose volumes are taken")
    parser.add_argument("--annotation", default="dense", help="the annotation whose object is cropped")
    parser.add_argument("--cases", type=int, default=3, help="cases of each store")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each side; the fastest counts")
    parser.add_argument("--seed", type=int, default=0, help="seed of noise and clicks")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="whose seconds count")
    return parser.parse_args()


def rows(arguments: argparse.Namespace, rng: np.random.Generator) -> Iterator[tuple[str, list[tuple[Values, Mask]]]]:
    """Name of a row and its images with their objects."""
    for store, shape, name in ((arguments.slices, SLICE_VOXEL, "slice"), (arguments.volumes, VOLUME_VOXEL, "volume")):
        size = "×".join(map(str, shape))
        if store is not None:
            yield f"{name}, {size}", list(islice(crops(store, shape, arguments.annotation), arguments.cases))
        yield f"generated, {size}", [blob(shape, rng)]


def crops(store: Path, shape: tuple[int, ...], annotation: str) -> Iterator[tuple[Values, Mask]]:
    """Image and object of each case, around the object, of its middle slice in 2D."""
    opened = Store(store)
    for uid in sorted(opened.records):
        case = opened.read(uid)
        image, inside = case.image[0], case.annotations[annotation].labels == 1
        if len(shape) == 2:
            image, inside = image[len(image) // 2], inside[len(inside) // 2]
        if inside.any():
            (box,) = ndimage.find_objects(inside.astype(np.uint8))
            crop = tuple(slice(max(0, side.start - GROW_VOXEL), side.stop + GROW_VOXEL) for side in box)
            factors = [size / length for size, length in zip(shape, image[crop].shape, strict=True)]
            yield unit(ndimage.zoom(image[crop], factors, order=1)), ndimage.zoom(inside[crop], factors, order=0)


def blob(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[Values, Mask]:
    axes = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
    inside = sum(axis**2 for axis in axes) + 0.1 * smooth_noise(shape, 3, rng) < 0.45
    return unit(0.5 * ndimage.gaussian_filter(inside.astype(float), 1) + 0.1 * rng.standard_normal(shape)), inside


def smooth_noise(shape: tuple[int, ...], width: float, rng: np.random.Generator) -> Values:
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), width)
    return noise / noise.std()


def unit(image: NDArray[np.floating]) -> Values:
    return np.divide(image - image.min(), np.ptp(image), dtype=np.float64)


def simulate(image: Values, inside: Mask, certainty: float, rng: np.random.Generator) -> Situation:
    """What a network might say of an object, and clicks where it is wrong."""
    log_odds = 4 * ndimage.gaussian_filter(inside - 0.5, 3) + smooth_noise(inside.shape, 4, rng)
    seeds = []
    for wrong in (inside & (log_odds < 0), ~inside & (log_odds > 0)):
        clicks = np.zeros(inside.shape, np.bool_)
        places = np.flatnonzero(wrong)
        clicks.flat[rng.choice(places, min(CLICKS, len(places)), replace=False)] = True
        seeds.append(clicks)
    return 1 / (1 + np.exp(-certainty * log_odds)), image, seeds[0], seeds[1]


def compare(situation: Situation, arguments: argparse.Namespace) -> tuple[float, float, float, float]:
    """Milliseconds of both, the relative difference of their energies, and milliseconds with information fusion."""
    probability, image, foreground, background = situation
    sides: dict[str, Callable[[], Mask]] = {
        "ours": lambda: graph_cut(
            probability, image, foreground_seeds=foreground, background_seeds=background, weight=WEIGHT, sigma=SIGMA
        ),
        "fused": lambda: information_fusion_graph_cut(*situation, weight=WEIGHT, sigma=SIGMA),
    }
    if maxflow is not None:
        sides["PyMaxflow"] = lambda: by_pymaxflow(*situation)
    clock, seconds = CLOCKS[arguments.clock], {name: [] for name in sides}
    masks = {name: side() for name, side in sides.items()}  # compiles the kernel, or loads it from the disk
    for _ in range(arguments.repeats):
        for name, side in sides.items():
            begin = clock()
            side()
            seconds[name].append(clock() - begin)
    difference = np.nan
    if maxflow is not None:
        energy, reference = (
            cut_energy(masks[name], probability, image, weight=WEIGHT, sigma=SIGMA) for name in ("ours", "PyMaxflow")
        )
        difference = abs(energy - reference) / reference
    ours, theirs, fused = (1e3 * min(seconds.get(name, [np.nan])) for name in ("ours", "PyMaxflow", "fused"))
    return ours, theirs, difference, fused


def by_pymaxflow(probability: Values, image: Values, foreground: Mask, background: Mask) -> Mask:
    graph = maxflow.Graph[float](image.size, image.ndim * image.size)
    nodes = graph.add_grid_nodes(image.shape)
    for axis in range(image.ndim):
        costs, structure = np.zeros(image.shape), np.zeros((3,) * image.ndim)
        between = WEIGHT * np.exp(np.diff(image, axis=axis) ** 2 / (-2 * SIGMA**2))
        costs.swapaxes(0, axis)[:-1] = between.swapaxes(0, axis)
        structure[tuple(2 if other == axis else 1 for other in range(image.ndim))] = 1
        graph.add_grid_edges(nodes, costs, structure, symmetric=True)
    clipped = np.clip(probability, 1e-6, 1 - 1e-6)
    towards = np.log(clipped) - np.log1p(-clipped)
    towards[foreground], towards[background] = 1e3, -1e3
    graph.add_grid_tedges(nodes, np.maximum(towards, 0), np.maximum(-towards, 0))
    graph.maxflow()
    return ~graph.get_grid_segments(nodes)


def ratios(ours: tuple[float, ...], theirs: tuple[float, ...]) -> str:
    each = [our / their for our, their in zip(ours, theirs, strict=True)]
    return f"{statistics.median(each):.2f} ({min(each):.2f} – {max(each):.2f})"


if __name__ == "__main__":
    main()
