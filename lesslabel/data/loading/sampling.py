"""Each batch is a deterministic function of (seed, step, slot), so a run can be resumed or replayed exactly."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

_LABELLED, _UNLABELLED = 0, 1


class SampleSource(NamedTuple):
    """Where a sample comes from: a slice of a case, or the whole case (slice None)."""

    uid: str
    slice: int | None


class SampleKey(NamedTuple):
    """One slot in the batch of one step, and the source of its sample."""

    step: int
    slot: int
    source: SampleSource
    labelled: bool


@dataclass(frozen=True)
class Streams:
    """The two pools that a batch samples from, and the number of samples of each per process.

    Attributes:
        labelled: sources of labelled samples.
        unlabelled: sources of unlabelled samples.
        labelled_batch: labelled samples per batch.
        unlabelled_batch: unlabelled samples per batch; 0 does not use the second pool.
    """

    labelled: Sequence[SampleSource]
    unlabelled: Sequence[SampleSource]
    labelled_batch: int
    unlabelled_batch: int = 0

    @property
    def batch(self) -> int:
        """Samples per batch and process."""
        return self.labelled_batch + self.unlabelled_batch

    @property
    def uids(self) -> set[str]:
        """The cases of the pools that batches sample from."""
        pools = ((self.labelled, self.labelled_batch), (self.unlabelled, self.unlabelled_batch))
        return {source.uid for pool, count in pools if count for source in pool}


def keys_of_step(streams: Streams, seed: int, step: int, rank: int = 0, world: int = 1) -> list[SampleKey]:
    """The batch of one process at one step.

    In each stream every source is sampled once before any is sampled again. With several processes, the batches of a
    step are disjoint parts of one global batch: n processes with batch size b get together the same samples as one
    process with batch size n·b.

    Args:
        streams: pools and batch sizes per process.
        seed: of the run.
        step: batch number since the start of training.
        rank: this process.
        world: number of processes.
    """
    keys = []
    first_slot = 0
    for stream, pool, count in (
        (_LABELLED, streams.labelled, streams.labelled_batch),
        (_UNLABELLED, streams.unlabelled, streams.unlabelled_batch),
    ):
        for index in range(rank * count, (rank + 1) * count):
            source = pool[_permuted(seed, stream, step * world * count + index, len(pool))]
            keys.append(SampleKey(step, first_slot + index, source, labelled=stream == _LABELLED))
        first_slot += world * count
    return keys


class StepSampler(Sampler[list[SampleKey]]):
    """Batches from the current step to the end of the epoch, for `DataLoader(batch_sampler=…)`.

    Args:
        streams: pools and batch sizes.
        seed: of the run.
        steps_per_epoch: length of an epoch in batches, however large the data set is.
        first_step: called at the start of an epoch; returns the number of batches used so far.
        rank: this process.
        world: number of processes.
    """

    def __init__(
        self,
        streams: Streams,
        seed: int,
        steps_per_epoch: int,
        first_step: Callable[[], int] = lambda: 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.streams = streams
        self.seed = seed
        self.steps_per_epoch = steps_per_epoch
        self.first_step = first_step
        self.rank = rank
        self.world = world

    def __len__(self) -> int:
        return self.steps_per_epoch

    def __iter__(self) -> Iterator[list[SampleKey]]:
        first = self.first_step()
        end = (first // self.steps_per_epoch + 1) * self.steps_per_epoch
        for step in range(first, end):
            yield keys_of_step(self.streams, self.seed, step, self.rank, self.world)


def generator_of(seed: int, step: int, slot: int) -> np.random.Generator:
    """The random number generator of one sample, for crop and augmentation."""
    return np.random.default_rng([seed, step, slot])


def _permuted(seed: int, stream: int, position: int, size: int) -> int:
    """Element `position` of an endless sequence of permutations of range(size)."""
    lap, index = divmod(position, size)
    return int(_permutation(seed, stream, lap, size)[index])


@lru_cache(maxsize=8)
def _permutation(seed: int, stream: int, lap: int, size: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, stream, lap, size]).permutation(size)
