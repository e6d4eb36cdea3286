"""How the cost of selection grows: STDR at 20 % and CoreSet at a fixed count, over pools of rising size.

    python benchmarks/selection.py --figure selection.png
    python benchmarks/selection.py --all 100000 --coreset-units 1000

Features of length 256 in 30 blurred clusters, one image in a hundred without a feature. STDR clusters a source once,
then ranks 20 % of each pool; CoreSet ranks 1000 units of each, reading the whole pool once per unit. Prints a row per
pool, and the slope of log seconds over log n: 1 is linear. The process's own CPU seconds are printed beside the wall
clock, and fitted, because others may use the machine. The peak memory is that of the whole process so far, pools and
source included; pools come smallest first. With ``--all`` every strategy ranks so many units of one pool, once each.
"""

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesslabel.selection import STDR, STRATEGIES, CoreSet, Pool, Ranking

LENGTH = 256
CLUSTERS = 30
SHARE = 0.2
BLOCK_ROWS = 10_000


@dataclass
class Series:
    """What one strategy took, pool by pool."""

    name: str
    sizes: list[int] = field(default_factory=list)
    wall_seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    peaks_gib: list[float] = field(default_factory=list)

    def slope(self) -> float:
        if len(self.sizes) < 2:
            return float("nan")
        return float(np.polyfit(np.log(self.sizes), np.log(self.cpu_seconds), 1)[0])


def main() -> None:
    arguments = parse_arguments()
    warm_up()
    if arguments.all:
        measure_all(arguments.all, arguments.coreset_units, arguments.seed)
        return
    stdr = fit_on_source(arguments)
    series = [Series(f"STDR, {SHARE:.0%}"), Series(f"CoreSet, {arguments.coreset_units}")]
    for size in sorted(arguments.sizes):
        pool = make_features(size, arguments.seed + 1)
        measure(series[0], size, lambda pool=pool: stdr.rank(pool, SHARE), arguments.repeats)
        measure(series[1], size, lambda pool=pool: CoreSet().rank(pool, arguments.coreset_units), 1)
        del pool  # before the next one is made
    report(series)
    if arguments.figure:
        draw(series, arguments.figure)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 30_000, 100_000, 300_000, 1_000_000])
    parser.add_argument("--source", type=int, default=100_000, help="source images that STDR is fitted on")
    parser.add_argument("--coreset-units", type=int, default=1000, help="how many units CoreSet ranks")
    parser.add_argument("--repeats", type=int, default=5, help="runs of STDR per pool; the fastest counts")
    parser.add_argument("--all", type=int, default=0, metavar="IMAGES", help="every strategy on a pool of so many")
    parser.add_argument("--figure", type=Path, help="also draw the table, as a PNG")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def warm_up() -> None:
    """Compile the kernel or load it from the disk, and import what is imported late."""
    few = make_features(20, 0)
    STDR(2).fit(few).rank(few, 2)


def make_features(rows: int, seed: int) -> NDArray[np.float32]:
    centres = np.random.default_rng(0).random((CLUSTERS, LENGTH), dtype=np.float32)
    rng = np.random.default_rng(seed)
    features = np.empty((rows, LENGTH), np.float32)
    for start in range(0, rows, BLOCK_ROWS):
        block = features[start : start + BLOCK_ROWS]
        rng.standard_normal(dtype=np.float32, out=block)
        block *= 0.3
        block += centres[rng.integers(0, CLUSTERS, len(block))]
    features[99::100] = np.nan
    return features


def fit_on_source(arguments: argparse.Namespace) -> STDR:
    source = make_features(arguments.source, arguments.seed)
    wall, cpu = time.perf_counter(), time.process_time()
    stdr = STDR(seed=arguments.seed).fit(source)
    print(
        f"STDR, fitting {stdr.n_clusters} references to {arguments.source:,} images: "
        f"{time.perf_counter() - wall:.1f} s, {time.process_time() - cpu:.1f} s of CPU, peak {peak_gib():.2f} GiB\n",
        flush=True,
    )
    return stdr


def measure_all(size: int, count: int, seed: int) -> None:
    """Print what each strategy takes for so many units of one pool with all columns; gradients have length 64."""
    features, rng = make_features(size, seed + 1), np.random.default_rng(seed)
    classes = rng.random((size, 4), dtype=np.float32)
    pool = Pool(
        features,
        foreground_voxel=np.where(np.isnan(features[:, 0]), 0, 100),
        patients=np.char.mod("%d", np.arange(size) // 10),
        class_entropy=classes,
        class_shares=classes / classes.sum(axis=1, keepdims=True),
        gradients=rng.standard_normal((size, 64), dtype=np.float32),
        **dict.fromkeys(("entropy", "margin", "least_confidence", "mutual_information", "deviation"), classes[:, 0]),
    )
    print(f"| strategy, {count:,} of {size:,} | s | CPU s | peak memory, GiB |\n| --- | --- | --- | --- |")
    for name, kind in STRATEGIES.items():
        strategy = kind(seed=seed).fit(features[: size // 10])
        wall, cpu = time.perf_counter(), time.process_time()
        strategy.rank(pool, count)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(f"| {name} | {wall:.2f} | {cpu:.2f} | {peak_gib():.2f} |", flush=True)


def measure(series: Series, size: int, rank: Callable[[], Ranking], repeats: int) -> None:
    seconds = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        count = len(rank())
        seconds.append((time.perf_counter() - wall, time.process_time() - cpu))
    series.wall_seconds.append(min(wall for wall, _ in seconds))
    series.cpu_seconds.append(min(cpu for _, cpu in seconds))
    series.sizes.append(size)
    series.peaks_gib.append(peak_gib())
    print(f"{series.name} of {size:,}: {count:,} ranked in {series.wall_seconds[-1]:.2f} s", flush=True)


def report(series: list[Series]) -> None:
    print("\n| | n | s | CPU s | peak memory, GiB | slope |\n| --- | --- | --- | --- | --- | --- |")
    for one in series:
        columns = zip(one.sizes, one.wall_seconds, one.cpu_seconds, one.peaks_gib, strict=True)
        for size, wall, cpu, peak in columns:
            slope = f"{one.slope():.2f}" if size == one.sizes[-1] else ""
            print(f"| {one.name} | {size:,} | {wall:.2f} | {cpu:.2f} | {peak:.2f} | {slope} |")


def draw(series: list[Series], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
    for one in series:
        axes.loglog(one.sizes, one.cpu_seconds, "o-", label=f"{one.name}: slope {one.slope():.2f}")
    axes.set(xlabel="images in the pool", ylabel="CPU seconds to rank")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def peak_gib() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
