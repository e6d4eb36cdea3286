"""The gradients of one step, by one process or averaged over several that share the batch (gloo)."""

import multiprocessing
from pathlib import Path

import torch
from torch import Tensor, nn

from lesslabel.data.batch import Batch
from lesslabel.methods import SegmentationMethod


class Loss(nn.Module):
    """The total loss as a forward pass, which is what DistributedDataParallel hooks into."""

    def __init__(self, method: SegmentationMethod) -> None:
        super().__init__()
        self.method = method

    def forward(self, batch: Batch) -> Tensor:
        return torch.stack(list(self.method.losses(batch).values())).sum()


def gradients(module: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Gradients by parameter name, of the method inside."""
    module(batch).backward()
    named = (module.module if hasattr(module, "module") else module).named_parameters()
    return {name: parameter.grad for name, parameter in named}


def gradients_over_processes(method: SegmentationMethod, batches: list[Batch], folder: Path) -> dict[str, Tensor]:
    """Run one process for each batch; the averaged gradients, which all processes hold alike."""
    torch.save(Loss(method), folder / "loss.pt")
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_work, args=(rank, batches, folder)) for rank in range(len(batches))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=900)  # each imports torch, on a machine that may be busy
        assert worker.exitcode == 0
    found = [torch.load(folder / f"{rank}.pt") for rank in range(len(batches))]
    assert all(torch.equal(found[0][name], other[name]) for other in found for name in other)
    return found[0]


def _work(rank: int, batches: list[Batch], folder: Path) -> None:
    torch.set_num_threads(1)
    meeting = f"file://{folder / 'meeting'}"
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=len(batches))
    loss = torch.load(folder / "loss.pt", weights_only=False)  # our own module, written a moment ago
    torch.save(gradients(nn.parallel.DistributedDataParallel(loss), batches[rank]), folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()
