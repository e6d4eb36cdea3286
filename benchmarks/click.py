"""One click, everything included: what a person waits for after the first points, and after a correction.

    python benchmarks/click.py --slices stores/acdc --volumes stores/la

Images are the middle of the first cases of the stores. The method's own robot gives the first points, and the robot of
click protocols the corrections, whose time does not count; cropping, cue, network, refinement and the way back to the
image do. The networks are those of the configurations with fresh weights, whose vague outputs make cuts dear, or those
of finished runs (``--runs``), on the published grid whatever theirs was. A row is the median over cases and
repetitions. ``--clock cpu`` counts the seconds that the process itself computed, for a machine busy with other work.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lesslabel.data.store import Store
from lesslabel.interaction import InteractiveSession
from lesslabel.interaction.robots import ErrorCentreRobot
from lesslabel.methods import GPInteractive, InteractiveMethod, MIDeepSeg
from lesslabel.networks import UNet
from lesslabel.runs.reopening import load_model

CLOCKS: Mapping[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
VOLUME_VOXEL = (64, 96, 96)
SHAPES = {
    2: UNet(normalisation="instance"),
    3: UNet(dimensions=3, channels=(8, 16, 32, 64), normalisation="instance"),
}
SIZES: Mapping[int, tuple[int, ...]] = {2: (96, 96), 3: VOLUME_VOXEL}


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    print(
        f"{arguments.threads} thread(s), {arguments.clock} clock, {arguments.cases} cases\n"
        "| method | crop | first points, ms | correction, ms |\n| --- | --- | --- | --- |"
    )
    trained = [load_model(run) for run in arguments.runs]
    for dimensions, store in ((2, arguments.slices), (3, arguments.volumes)):
        if store is None:
            continue
        cases = list(islice(images(Store(store), dimensions), arguments.cases))
        fresh = (
            MIDeepSeg(size_voxel=SIZES[dimensions], network=SHAPES[dimensions]),
            GPInteractive(size_voxel=SIZES[dimensions], network=SHAPES[dimensions]),
        )
        for method in [model for model in trained if model.shape.dimensions == dimensions] or fresh:
            assert isinstance(method, InteractiveMethod)
            method.encoding = replace(method.encoding, size_voxel=SIZES[dimensions])
            first, later = measure(method, cases, CLOCKS[arguments.clock], arguments.corrections)
            crop = "×".join(map(str, SIZES[dimensions]))
            print(f"| {type(method).__name__} | {crop} | {first * 1e3:.0f} | {later * 1e3:.0f} |", flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=Path, default=None, help="store whose slices are pointed at")
    parser.add_argument("--volumes", type=Path, default=None, help="store whose volumes are pointed at")
    parser.add_argument(
        "--runs", type=Path, nargs="+", default=[], help="finished runs whose methods are timed instead"
    )
    parser.add_argument("--cases", type=int, default=5)
    parser.add_argument("--corrections", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    return parser.parse_args()


def images(store: Store, dimensions: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_], tuple[float, ...]]]:
    """Image (1, [z,] y, x), object and spacing of each case: its largest slice, or the middle of the volume."""
    for uid in store.records:
        case = store.read(uid)
        truth = case.annotations["dense"].labels == max(store.labels)
        if dimensions == 2:
            index = int(truth.sum(axis=(1, 2)).argmax())
            yield case.image[:1, index], truth[index], case.spacing_mm[1:]
        else:
            yield case.image[:1], truth, case.spacing_mm


def measure(
    method: InteractiveMethod,
    cases: list[tuple[NDArray[np.float32], NDArray[np.bool_], tuple[float, ...]]],
    clock: Callable[[], float],
    corrections: int,
) -> tuple[float, float]:
    """Median seconds of the first points and of a correction; the first case warms up."""
    first, later = [], []
    robot = ErrorCentreRobot()
    for number, (image, truth, spacing) in enumerate([cases[0], *cases]):
        rng = np.random.default_rng(0)
        prompts = method.first_robot.annotate(truth, rng, spacing_mm=spacing)
        since = clock()
        session = InteractiveSession(method).set_image(image, spacing)
        answer = session.add(*prompts)
        if number:
            first.append(clock() - since)
        for _ in range(corrections):
            clicks = robot.annotate(truth, rng, prediction=answer.mask, spacing_mm=spacing)
            since = clock()
            answer = session.add(*clicks)
            if number:
                later.append(clock() - since)
    return statistics.median(first), statistics.median(later)


if __name__ == "__main__":
    main()
