"""Share of a training step that a pairwise loss takes.

    python benchmarks/pairwise.py --size 256 --batch 12 --rounds 3
    python benchmarks/pairwise.py --size 32 64 64 --batch 1 --radius 2

A step is forward, cross-entropy, backward and SGD of the U-Net of the configurations; the losses run on its prediction,
with their backward pass to it. Seconds are those that the process computed, so that other programs do not count.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from lesslabel.losses import dense_crf_loss, gated_crf_loss, partial_cross_entropy
from lesslabel.networks import UNet


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, nargs="+", default=[256], help="one side of a slice, or d h w")
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--radius", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    grid = options.size * 2 if len(options.size) == 1 else options.size
    torch.manual_seed(0)
    image = torch.rand(options.batch, 1, *grid)
    target = torch.randint(0, 4, (options.batch, *grid))
    network = UNet(dimensions=len(grid)).build(1, 4)
    if len(grid) == 2:
        network.to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9)
    prediction = network(image).detach().softmax(dim=1)

    def step() -> None:
        optimiser.zero_grad()
        partial_cross_entropy(network(image), target).backward()
        optimiser.step()

    def backward(loss: Callable[[Tensor], Tensor]) -> Callable[[], None]:
        return lambda: loss(prediction.clone().requires_grad_()).backward()

    whole = measure(step, options.rounds)
    print(f"step {whole:.2f} s")
    for name, loss in (
        ("gated CRF", lambda y: gated_crf_loss(y, image, radius_voxel=options.radius)),
        ("dense CRF", lambda y: dense_crf_loss(y, image)),
    ):
        seconds = measure(backward(loss), options.rounds)
        print(f"{name} {seconds:.3f} s, {seconds / whole:.1%} of a step")


def measure(work: Callable[[], None], rounds: int) -> float:
    """Median CPU seconds, after one call that is not counted."""
    work()
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
