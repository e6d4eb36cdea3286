"""A training step through Lightning beside a bare PyTorch loop, and what loading its batches costs.

    python benchmarks/training.py --store stores/acdc --size 96 --batch 8 --rounds 8
    python benchmarks/training.py --config configs/la/dtc.yaml --data.patch_voxel "[48, 64, 64]" --data.workers 0

The first trains DMPLS on slices; without ``--store`` a phantom is made. The second trains what a configuration says:
every argument that is not listed below overrides it, as for `lesslabel fit`.

Both loops train the same network with the same losses, optimiser and schedule on the same batches in memory, in turns
within one process: a block of steps through Lightning, a block by hand, and so on. What is compared is the median of
the blocks' ratios, so that a machine busy with other work slows both. Loading is timed in turns with them: batches from
the data module, in the training process, from a cache that holds every case.

``--clock cpu`` counts the seconds that the process itself computed, for a machine busy with other work.
"""

import argparse
import copy
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.callbacks import Callback
from torch.utils.data import DataLoader

from lesslabel.command_words import read_settings
from lesslabel.data.batch import Batch, one_case
from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.data.sources import Phantom
from lesslabel.data.store.prepare import prepare
from lesslabel.data.view import Supervision, View
from lesslabel.methods import DMPLS, SegmentationMethod
from lesslabel.methods.players import main_parameters
from lesslabel.runs.callbacks import ReplayableSteps
from lesslabel.runs.curves import CurveLogger
from lesslabel.runs.events import EventLogger
from lesslabel.runs.parsing import parse_run

LOG_EVERY = 10
CLOCKS: Mapping[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


def main() -> None:
    arguments, overrides = parse_arguments()
    pl.seed_everything(0, verbose=False)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        method, data = configured(arguments.config, overrides) if arguments.config else dmpls(arguments, folder)
        introduce(method, data)
        load = endless(data)
        seconds_to_fill = fill_cache(load, data)
        batches = list(islice(load, arguments.steps))
        rounds = train_in_turns(arguments, method, batches, load, folder)
    report(arguments, batches[0], rounds, seconds_to_fill)


def parse_arguments() -> tuple[argparse.Namespace, list[str]]:
    """What this program understands, and what overrides the configuration."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--config", action="append", help="configuration of a run; may be given several times")
    parser.add_argument("--store", type=Path, help="a prepared store with scribbles; without it a phantom is generated")
    parser.add_argument("--size", type=int, default=96, help="side of the square slices in voxels")
    parser.add_argument("--batch", type=int, default=8, help="slices in a batch")
    parser.add_argument("--steps", type=int, default=10, help="steps in a block")
    parser.add_argument("--rounds", type=int, default=8, help="blocks of each kind, after one to warm up")
    parser.add_argument("--accelerator", default="cpu", help="as Lightning names it")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="whose seconds count")
    arguments, overrides = parser.parse_known_args()
    if overrides and arguments.config is None:
        parser.error(f"without --config nothing is overridden: {' '.join(overrides)}")
    return arguments, overrides


def configured(configs: list[str], overrides: list[str]) -> tuple[SegmentationMethod, SegmentationDataModule]:
    """Method and data of a configuration, made as `lesslabel fit` makes them."""
    named = [argument for config in configs for argument in ("--config", config)]
    run = parse_run(read_settings([*named, *overrides]))
    return run.model, run.datamodule


def dmpls(arguments: argparse.Namespace, folder: Path) -> tuple[SegmentationMethod, SegmentationDataModule]:
    """DMPLS and slices with scribbles."""
    store = arguments.store
    if store is None:
        store = folder / "store"
        prepare(Phantom(size=max(arguments.size, 96)), store)
    data = SegmentationDataModule(
        str(store),
        view=View([Supervision("scribble")]),
        size_voxel=(arguments.size, arguments.size),
        batch_size=arguments.batch,
        steps_per_epoch=1000,
    )
    return DMPLS(num_classes=4), data


def introduce(method: SegmentationMethod, data: SegmentationDataModule) -> None:
    """Name the method to the data module, as a trainer does, so that batches hold the maps that the method derives."""
    data.trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    data.trainer.strategy.connect(method)


def endless(data: SegmentationDataModule) -> Iterator[Batch]:
    loader = data.train_dataloader()
    while True:
        yield from loader


def fill_cache(load: Iterator[Batch], data: SegmentationDataModule) -> float:
    """Draw batches until every case has been read once; a run pays this once."""
    unseen = {record.uid for record in data.records("train")}
    begin = time.perf_counter()
    while unseen:
        unseen -= set(next(load)["uid"])
    return time.perf_counter() - begin


def train_in_turns(
    arguments: argparse.Namespace, method: SegmentationMethod, batches: list[Batch], load: Iterator[Batch], folder: Path
) -> "BlocksByHand":
    """Train through Lightning, where each epoch is a block, as `lesslabel fit` sets it up; by hand in between."""
    steps = arguments.steps * (arguments.rounds + 1)
    by_hand = BlocksByHand(copy.deepcopy(method), batches, load, steps, CLOCKS[arguments.clock])
    trainer = pl.Trainer(
        accelerator=arguments.accelerator,
        devices=1,
        max_steps=steps,
        log_every_n_steps=LOG_EVERY,
        logger=[CurveLogger(folder / "metrics.csv"), EventLogger(folder / "tensorboard")],
        callbacks=[by_hand, ReplayableSteps(0)],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        default_root_dir=folder,
    )
    trainer.fit(method, DataLoader(batches, batch_size=None, collate_fn=one_case))
    return by_hand


class BlocksByHand(Callback):
    """After each epoch of Lightning, trains a twin of the method by hand and loads as many batches, and notes times.

    Attributes:
        lightning: seconds of Lightning's blocks.
        bare: seconds of the blocks by hand that follow them.
        loading: seconds to load as many batches.
    """

    def __init__(
        self,
        twin: SegmentationMethod,
        batches: list[Batch],
        load: Iterator[Batch],
        max_steps: int,
        clock: Callable[[], float],
    ) -> None:
        self.twin = twin
        self.batches = batches
        self.load = load
        self.max_steps = max_steps
        self.clock = clock
        self.lightning: list[float] = []
        self.bare: list[float] = []
        self.loading: list[float] = []
        self._begin = 0.0

    def on_train_start(self, *trainer_and_method: pl.Trainer | pl.LightningModule) -> None:
        self.device = trainer_and_method[1].device
        self.twin.to(self.device)
        if self.twin.shape.dimensions == 2:
            for module in self.twin.children():
                module.to(memory_format=torch.channels_last)
        self.twin.train()
        main = (self.twin.optimiser, main_parameters(self.twin), self.twin.losses)
        others = (
            (each.optimiser, list(each.module.parameters()), each.losses) for each in self.twin.players().values()
        )
        self.moves = []
        for described, weights, losses in (main, *others):
            optimiser = described.build(weights)
            self.moves.append((optimiser, described.schedule(optimiser, self.max_steps)["scheduler"], weights, losses))

    def on_train_epoch_start(self, *_: object) -> None:
        self._begin = self._now()

    def on_train_epoch_end(self, *_: object) -> None:
        self.lightning.append(self._now() - self._begin)
        begin = self._now()
        for batch in self.batches:
            self._step(batch)
        self.bare.append(self._now() - begin)
        begin = self._now()
        for _ in self.batches:
            next(self.load)
        self.loading.append(self._now() - begin)

    def ratios(self) -> NDArray[np.float64]:
        """Each block of Lightning by the mean of those by hand before and after it, so that a drift cancels."""
        bare = np.array(self.bare)
        return np.array(self.lightning[1:]) / ((bare[:-1] + bare[1:]) / 2)

    def _step(self, batch: Batch) -> None:
        batch = {name: value if name == "uid" else value.to(self.device) for name, value in batch.items()}
        for optimiser, schedule, weights, losses in self.moves:
            for own in self.moves if len(self.moves) > 1 else ():  # a discriminator learns in its own move alone
                for weight in own[2]:
                    weight.requires_grad_(own[2] is weights)
            optimiser.zero_grad()
            torch.stack(list(losses(batch).values())).sum().backward()
            optimiser.step()
            schedule.step()
        self.twin.after_update()

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return self.clock()


def report(arguments: argparse.Namespace, batch: Batch, blocks: BlocksByHand, seconds_to_fill: float) -> None:
    lightning, bare, loading = (
        1000 * np.array(seconds[1:]) / arguments.steps for seconds in (blocks.lightning, blocks.bare, blocks.loading)
    )
    shares = loading / bare
    shape = "×".join(map(str, batch["image"].shape))
    print(
        f"{type(blocks.twin).__name__}, batch {shape}, {arguments.rounds} rounds of {arguments.steps} steps, "
        f"{torch.get_num_threads()} threads, {arguments.clock} clock; filling the cache took {seconds_to_fill:.1f} s\n"
        "\n| | median | quarter | three quarters |\n|---|---|---|---|"
    )
    for name, values, form in (
        ("step through Lightning (ms)", lightning, ".1f"),
        ("bare step (ms)", bare, ".1f"),
        ("Lightning / bare", blocks.ratios(), ".3f"),
        ("loading a batch (ms)", loading, ".1f"),
        ("loading / bare step", shares, ".3f"),
    ):
        median, low, high = np.quantile(values, [0.5, 0.25, 0.75])
        print(f"| {name} | {median:{form}} | {low:{form}} | {high:{form}} |")


if __name__ == "__main__":
    main()
