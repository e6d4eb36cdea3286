"""One repair of MMIIS: what a person waits for after a click, and once per crop.

    python benchmarks/modes.py --threads 2

A generated image of 512×512 pixels with an object that fills its middle, fresh weights. The first enclosure includes
the features and the initial block; a repair includes the maps, the repair block and the way back to the image. Features
alone are timed too. Medians over repetitions. ``--clock cpu`` counts the seconds that the process itself computed, for
a machine busy with other work.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch

from lesslabel.interaction import Box, Click, InteractiveSession, Side
from lesslabel.methods import MMIIS
from lesslabel.methods.interactive.base import standardise
from lesslabel.networks import VGG16, Network, UNet

CLOCKS: Mapping[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
SIDE = 512
NETWORKS: Mapping[str, tuple[Network, int]] = {
    "U-Net, width 12": (UNet(channels=(12, 24, 32, 48), normalisation="instance"), 12),
    "U-Net, width 16": (UNet(channels=(16, 32, 64, 128, 256), normalisation="instance"), 16),
    "VGG-16, width 32 (published)": (VGG16(normalisation="instance"), 32),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--grids", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"{arguments.threads} threads, {arguments.clock} clock, image {SIDE}×{SIDE}")
    print("| network | grid | features, ms | first enclosure, ms | repair, ms |\n| --- | --- | --- | --- | --- |")
    for name in arguments.networks:
        for grid in arguments.grids:
            times = measure(*NETWORKS[name], grid, CLOCKS[arguments.clock], arguments.repetitions)
            print(f"| {name} | {grid}×{grid} | {' | '.join(f'{1e3 * each:.0f}' for each in times)} |", flush=True)


def measure(
    network: Network, width: int, grid: int, clock: Callable[[], float], repetitions: int
) -> tuple[float, float, float]:
    """Median seconds of the features, of the first enclosure and of a repair; the first repetition warms up."""
    method = MMIIS(network=network, width=width, normalisation="instance", size_voxel=(grid, grid))
    y, x = np.indices((SIDE, SIDE))
    noise = np.random.default_rng(0).normal(0, 0.2, (SIDE, SIDE))
    image = ((np.hypot(y - 256, x - 256) < 200) + noise).astype(np.float32)
    taken: dict[str, list[float]] = {"features": [], "first": [], "repair": []}
    for number in range(repetitions + 1):
        since = clock()
        with torch.no_grad():
            method.eval().network.features(standardise(torch.from_numpy(image[:grid, :grid])[None, None]))
        seconds = {"features": [clock() - since]}
        since = clock()
        session = InteractiveSession(method).set_image(image)
        session.add(Box((40, 40), (470, 470)))
        seconds["first"] = [clock() - since]
        seconds["repair"] = []
        for place in range(3):
            side = (Side.FOREGROUND, Side.BACKGROUND, Side.BOUNDARY)[place]
            since = clock()
            session.add(Click((100.0 + 50 * place, 150.0), side))
            seconds["repair"].append(clock() - since)
        for name in taken if number else ():
            taken[name] += seconds[name]
    features, first, repair = (statistics.median(values) for values in taken.values())
    return features, first, repair


if __name__ == "__main__":
    main()
