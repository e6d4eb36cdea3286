"""One click of the click methods: what a person waits for, by phase.

    python benchmarks/click_systems.py --threads 2

A generated image of 512×512 pixels with an object that fills its middle, fresh weights, one small residual U-Net for
all, on a grid of 128×128 or 192×192. A click is the encoding of the prompts, the network, and the way back to the
image; the first click includes what depends on the image alone. The last of five clicks is timed: FocusCut has a view
of each click but the first then, all in one batch. Medians over repetitions, the methods in turn. ``--clock cpu``
counts the seconds that the process itself computed, for a machine busy with other work.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch

from lesslabel.interaction import Click, InteractiveSession, Side
from lesslabel.interaction.focus_view import FocusSettings
from lesslabel.interaction.model import InteractiveModel
from lesslabel.methods import ClickMaps, EdgeFlow, FCANet, FeatureAware, FocusCut
from lesslabel.networks import ResidualUNet

CLOCKS: Mapping[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
SIDE, CLICKS = 512, 5
NETWORK = ResidualUNet(channels=(16, 24, 48, 96))


def models(grid: int) -> Mapping[str, InteractiveModel]:
    """The methods, all on one grid and with one network."""
    size = (grid, grid)
    return {
        "base": ClickMaps(size_voxel=size, network=NETWORK),
        "RITM": ClickMaps(size_voxel=size, previous_mask=True, network=NETWORK),
        "FCA-Net": FCANet(
            size_voxel=size, attention_channels=(64, 128), attention_normalisation="instance", network=NETWORK
        ),
        "feature-aware": FeatureAware(size_voxel=size, width=32, normalisation="instance", network=NETWORK),
        "EdgeFlow": EdgeFlow(size_voxel=size, normalisation="instance", network=NETWORK),
        "FocusCut, global view": FocusCut(size_voxel=size, focus=None, network=NETWORK),
        "FocusCut, one focus view": FocusCut(size_voxel=size, focus=always(), network=NETWORK),
        "FocusCut, fast": FocusCut(size_voxel=size, focus=always(progress="fast"), network=NETWORK),
    }


def always(**settings: str) -> FocusSettings:
    """Views of every click, since the answers of fresh weights are arbitrary."""
    return FocusSettings(largest_share=1e9, **settings)  # type: ignore[arg-type]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--grids", type=int, nargs="+", default=[128, 192])
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"{arguments.threads} thread(s), {arguments.clock} clock, image {SIDE}×{SIDE}")
    print("| method | grid | first click, ms | click, ms | ratio to base |\n| --- | --- | --- | --- | --- |")
    for grid in arguments.grids:
        taken: dict[str, list[tuple[float, float]]] = {}
        for number in range(arguments.repetitions + 1):
            for name, model in models(grid).items():
                seconds = measure(model, CLOCKS[arguments.clock])
                if number:
                    taken.setdefault(name, []).append(seconds)
        base = statistics.median(later for _, later in taken["base"])
        for name, found in taken.items():
            first, later = (statistics.median(values) for values in zip(*found, strict=True))
            print(
                f"| {name} | {grid}×{grid} | {1e3 * first:.0f} | {1e3 * later:.0f} | {later / base:.2f} |", flush=True
            )


def measure(model: InteractiveModel, clock: Callable[[], float]) -> tuple[float, float]:
    """Seconds of the first click with the image, and of the last one."""
    y, x = np.indices((SIDE, SIDE))
    noise = np.random.default_rng(0).normal(0, 0.2, (SIDE, SIDE))
    image = ((np.hypot(y - 256, x - 256) < 200) + noise).astype(np.float32)
    since = clock()
    session = InteractiveSession(model).set_image(image)
    session.add(Click((256, 256)))
    first = clock() - since
    later = []
    for number in range(CLICKS - 1):
        side = Side.BACKGROUND if number % 2 else Side.FOREGROUND
        since = clock()
        session.add(Click((60 + 90 * number, 70 + 80 * number), side))
        later.append(clock() - since)
    return first, later[-1]


if __name__ == "__main__":
    main()
