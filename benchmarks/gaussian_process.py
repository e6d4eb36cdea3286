"""Time and memory of the Gaussian process head, by number of pixels.

    python benchmarks/gaussian_process.py --clicks 40 --features 52 --sizes 128 256 512 --engine laplace

Features, intensities and clicks are drawn; what is timed is `GaussianProcessHead` alone: the kernel, the posterior at
the clicks, and mean, variance and probability of every pixel; then the same with the gradient of the features, where
the decoupled engine draws a function, as in training.
Every row is measured in a process of its own, since the peak of a process never falls. Processor time is given beside
wall time because it does not suffer from other programs on the same cores.
"""

import argparse
import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from lesslabel.data.case import IGNORE
from lesslabel.networks import GaussianProcessHead
from lesslabel.networks.gaussian_process import DecoupledEngine


@dataclass(frozen=True)
class Measurement:
    wall_ms: float
    processor_ms: float
    peak_mib: float


def main() -> None:
    arguments = parse_arguments()
    print(
        f"{arguments.engine}, {arguments.clicks} clicks, {arguments.features} features, {arguments.threads} thread(s), "
        f"the fastest of {arguments.rounds} rounds\n"
        "| pixels | pass | wall, ms | processor, ms | peak beyond the inputs, MiB |\n| --- | --- | --- | --- | --- |"
    )
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn, max_tasks_per_child=1) as processes:
        for backward in (False, True):
            for size in arguments.sizes:
                row = processes.submit(measure, size, backward, arguments).result()
                print(
                    f"| {size}×{size} | {'forward, backward' if backward else 'forward'} | {row.wall_ms:.0f} "
                    f"| {row.processor_ms:.0f} | {row.peak_mib:.0f} |",
                    flush=True,
                )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clicks", type=int, default=40)
    parser.add_argument("--features", type=int, default=52)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 512], help="height and width of the images")
    parser.add_argument("--engine", choices=["laplace", "decoupled"], default="laplace")
    parser.add_argument("--block-pixels", type=int, default=GaussianProcessHead().block_pixels)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    return parser.parse_args()


def measure(size: int, backward: bool, arguments: argparse.Namespace) -> Measurement:
    torch.set_num_threads(arguments.threads)
    engine = DecoupledEngine(arguments.features + 1) if arguments.engine == "decoupled" else None
    head = GaussianProcessHead(block_pixels=arguments.block_pixels, engine=engine)
    run(head, draw(16, 2, arguments.features), backward)
    inputs = draw(size, arguments.clicks, arguments.features)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(head, inputs, backward)
    peak_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    times = [timed(head, inputs, backward) for _ in range(arguments.rounds)]
    wall, processor = (1e3 * min(column) for column in zip(*times, strict=True))
    return Measurement(wall, processor, peak_mib)


def draw(size: int, clicks: int, features: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(size)
    feature = torch.randn(1, features, size, size, generator=generator).mul_(0.4)  # in place: the peak counts
    intensity = torch.rand(1, 1, size, size, generator=generator)
    click_map = torch.full((1, size * size), IGNORE)
    place = torch.randperm(size * size, generator=generator)[:clicks]
    click_map[0, place] = torch.arange(clicks).remainder(2)
    return feature, intensity, click_map.view(1, size, size)


def timed(head: GaussianProcessHead, inputs: tuple[Tensor, Tensor, Tensor], backward: bool) -> tuple[float, float]:
    """Wall and processor time of one pass, in seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    run(head, inputs, backward)
    return time.perf_counter() - wall, time.process_time() - processor


def run(head: GaussianProcessHead, inputs: tuple[Tensor, Tensor, Tensor], backward: bool) -> None:
    feature, intensity, clicks = inputs
    if not backward:
        with torch.inference_mode():
            head(feature, intensity, clicks)
        return
    generator = torch.Generator() if isinstance(head.engine, DecoupledEngine) else None
    prediction = head(feature.detach().requires_grad_(), intensity, clicks, generator)
    prediction.probability.sum().backward()


if __name__ == "__main__":
    main()
