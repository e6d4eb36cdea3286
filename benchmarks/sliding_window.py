"""Our prediction of a volume beside MONAI's own sliding-window inferer: same network, window, stride and blending.

    python benchmarks/sliding_window.py --store stores/la --channels 4 8 16 32 64 --stride 8 56 56
    python benchmarks/sliding_window.py --store stores/la --pointwise

The window is the published 80×112×112 of the left atrium and the stride its 4×18×18, unless said otherwise; on a CPU
that takes a narrower V-Net and a larger stride. ``--pointwise`` puts the sigmoid of the image in the network's place,
which leaves the cost of cutting, adding up and dividing. Both sides predict in turns within one process, the first of a
pair changing, after one prediction each to warm up; the ratio is that of a pair. Refuses if the two differ in a single
value or pass another number of windows. Without ``--store`` the volume is noise of the size of a case of the left
atrium. ``--clock cpu`` counts the seconds that the process itself computed, for a machine busy with other work.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from monai.inferers import SlidingWindowInferer
from torch import Tensor

from lesslabel.data.store import Store
from lesslabel.methods import DTC, Inference
from lesslabel.methods.inference import predict_volume
from lesslabel.networks import VNet

CLOCKS: Mapping[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
SHAPE_VOXEL = (88, 140, 183)

Predict = Callable[[], Tensor]


def main() -> None:
    arguments = parse_arguments()
    torch.manual_seed(0)
    image = first_image(arguments.store).to(arguments.device)
    forward = CountedForward(pointwise if arguments.pointwise else network(arguments))
    inference = Inference(tuple(arguments.window), tuple(arguments.stride), arguments.batch)
    predictions = {
        "ours": partial(predict_volume, forward, image, 3, inference),
        "MONAI": partial(monai_inferer(inference), image[None], forward),
    }
    with torch.inference_mode():
        windows = require_same(predictions, forward)
        seconds = predict_in_turns(predictions, arguments)
    report(arguments, image, windows, seconds)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, help="a prepared store, whose first case is predicted")
    parser.add_argument("--window", type=int, nargs=3, default=(80, 112, 112), help="sides (z, y, x) in voxels")
    parser.add_argument("--stride", type=int, nargs=3, default=(4, 18, 18), help="steps (z, y, x) in voxels")
    parser.add_argument("--batch", type=int, default=4, help="windows in one forward pass")
    parser.add_argument("--channels", type=int, nargs="+", default=(16, 32, 64, 128, 256), help="widths of the V-Net")
    parser.add_argument("--pointwise", action="store_true", help="no network: what sliding alone costs")
    parser.add_argument("--repeats", type=int, default=5, help="predictions of each side, after one to warm up")
    parser.add_argument("--device", default="cpu", help="as torch names it")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="whose seconds count")
    return parser.parse_args()


def first_image(store: Path | None) -> Tensor:
    """(C, z, y, x)."""
    if store is None:
        return torch.randn(1, *SHAPE_VOXEL)
    opened = Store(store)
    return torch.from_numpy(opened.read(min(opened.records)).image)


def network(arguments: argparse.Namespace) -> Callable[[Tensor], Tensor]:
    """The probabilities of an untrained DTC."""
    shape = VNet(3, tuple(arguments.channels), (0.0,) * len(arguments.channels))
    return DTC(num_classes=2, network=shape).to(arguments.device).eval().probabilities


def pointwise(image: Tensor) -> Tensor:
    foreground = torch.sigmoid(image[:, :1])
    return torch.cat([1 - foreground, foreground], dim=1)


class CountedForward:
    """A forward pass that counts the windows it is given."""

    def __init__(self, forward: Callable[[Tensor], Tensor]) -> None:
        self.forward = forward
        self.windows = 0

    def __call__(self, image: Tensor) -> Tensor:
        self.windows += len(image)
        return self.forward(image)


def monai_inferer(inference: Inference) -> SlidingWindowInferer:
    window, stride = inference.window_voxel, inference.stride_voxel
    # MONAI takes an overlap and rounds the step down: half a voxel more keeps it at the stride
    overlap = [1 - (step + 0.5) / side for step, side in zip(stride, window, strict=True)]
    return SlidingWindowInferer(window, inference.slices_at_once, overlap=overlap, mode="constant")


def require_same(predictions: Mapping[str, Predict], forward: CountedForward) -> int:
    """Warm both up, refuse if they differ, and count the windows of one prediction."""
    windows, results = {}, {}
    for name, predict in predictions.items():
        forward.windows = 0
        results[name] = predict().reshape(2, -1)
        windows[name] = forward.windows
    if windows["ours"] != windows["MONAI"]:
        raise SystemExit(f"another number of windows: {windows}")
    difference = (results["ours"] - results["MONAI"]).abs().max().item()
    if difference > 0:
        raise SystemExit(f"ours and MONAI's probabilities differ by {difference:.2e}")
    return windows["ours"]


def predict_in_turns(predictions: Mapping[str, Predict], arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of every prediction, by side."""
    clock, seconds = CLOCKS[arguments.clock], {name: [] for name in predictions}
    for repeat in range(arguments.repeats):
        for name in list(predictions)[:: 1 if repeat % 2 else -1]:
            begin = clock()
            predictions[name]().cpu()  # to the host, so that an accelerator has finished
            seconds[name].append(clock() - begin)
    return seconds


def report(arguments: argparse.Namespace, image: Tensor, windows: int, seconds: dict[str, list[float]]) -> None:
    what = "pointwise" if arguments.pointwise else f"V-Net {'-'.join(map(str, arguments.channels))}"
    shape, window, stride = ("×".join(map(str, sides)) for sides in (image.shape, arguments.window, arguments.stride))
    print(
        f"{what}, image {shape}, window {window}, stride {stride}: {windows} windows in batches of {arguments.batch}, "
        f"{arguments.repeats} repeats, {torch.get_num_threads()} threads, {arguments.clock} clock; results equal\n\n"
        "| | median | quarter | three quarters |\n|---|---|---|---|"
    )
    ours, theirs = np.array(seconds["ours"]), np.array(seconds["MONAI"])
    for name, values in (("ours (s)", ours), ("MONAI (s)", theirs), ("ours / MONAI", ours / theirs)):
        median, low, high = np.quantile(values, [0.5, 0.25, 0.75])
        print(f"| {name} | {median:.3f} | {low:.3f} | {high:.3f} |")


if __name__ == "__main__":
    main()
