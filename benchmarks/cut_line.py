"""One line of KnifeCut, everything included: what a person waits for when an image opens, and after each line.

    python benchmarks/cut_line.py --size 512 --threads 2

The image and the mask are generated: a disk with thin bars. The method's own robot draws the lines, whose time does not
count; cues, modules, both answers and the way back to the image do. The weights are fresh. A row is the median over
repetitions. ``--clock cpu`` counts the seconds that the process itself computed, for a machine busy with other work;
with several threads it adds those of all.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch

from lesslabel.interaction import InteractiveSession
from lesslabel.methods import KnifeCut
from lesslabel.networks import HRNet, UNet

CLOCKS: Mapping[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
NETWORKS = {"HRNet": HRNet(), "UNet": UNet(channels=(16, 32, 64, 128), encoder_dropout=(0.0, 0.0, 0.0, 0.0))}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512, help="side of the image")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"{arguments.size}×{arguments.size}, {arguments.threads} thread(s), {arguments.clock} clock")
    print("| network | stride | width | features once, ms | a line, ms |\n| --- | --- | --- | --- | --- |")
    for name, stride, width in (("HRNet", 4, 32), ("UNet", 4, 32), ("UNet", 2, 16)):
        method = KnifeCut(stride=stride, width=width, network=NETWORKS[name]).eval()
        once, line = measure(method, arguments.size, CLOCKS[arguments.clock], arguments.repetitions)
        print(f"| {name} | {stride} | {width} | {once:.0f} | {line:.0f} |")


def measure(method: KnifeCut, size: int, clock: Callable[[], float], repetitions: int) -> tuple[float, float]:
    """The median milliseconds for the features of an image, and for a line."""
    y, x = np.indices((size, size))
    body = np.hypot(y - size / 2, x - size / 2) < size / 5
    truth = body | ((np.abs(y % (size // 8) - size // 16) <= 1) & (x > size / 2) & (x < 0.95 * size))
    image = (truth + np.random.default_rng(0).normal(0, 0.2, truth.shape)).astype(np.float32)
    once, lines = [], []
    for repetition in range(repetitions + 1):
        session = InteractiveSession(method)
        since = clock()
        session.set_image(image)
        once.append(clock() - since)
        session.start_from(body)
        rng = np.random.default_rng(repetition)
        (line,) = method.first_robot.annotate(truth, rng, prediction=body)
        since = clock()
        session.add(line)
        lines.append(clock() - since)
    return 1e3 * statistics.median(once[1:]), 1e3 * statistics.median(lines[1:])


if __name__ == "__main__":
    main()
