from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesslabel.data.loading.sampling import SampleKey, SampleSource, StepSampler, Streams, generator_of, keys_of_step


def units(name: str, count: int) -> list[SampleSource]:
    return [SampleSource(f"{name}{number}", number % 3) for number in range(count)]


def streams(labelled: int = 5, unlabelled: int = 7, labelled_batch: int = 2, unlabelled_batch: int = 3) -> Streams:
    return Streams(units("known", labelled), units("unknown", unlabelled), labelled_batch, unlabelled_batch)


STREAMS = st.builds(streams, st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.integers(0, 5))
SEEDS = st.integers(0, 2**32 - 1)


@given(pools=STREAMS, seed=SEEDS, steps=st.lists(st.integers(0, 10**6), min_size=1, max_size=5))
def test_a_step_depends_on_nothing_before_it(pools: Streams, seed: int, steps: list[int]) -> None:
    forward = {step: keys_of_step(pools, seed, step) for step in sorted(steps)}
    for step in reversed(steps):
        assert keys_of_step(pools, seed, step) == forward[step]


@given(pools=STREAMS, seed=SEEDS, step=st.integers(0, 10**6))
def test_as_many_of_each_stream_as_asked_for(pools: Streams, seed: int, step: int) -> None:
    keys = keys_of_step(pools, seed, step)
    assert len(keys) == pools.batch
    assert [key.labelled for key in keys] == [True] * pools.labelled_batch + [False] * pools.unlabelled_batch
    assert [key.slot for key in keys] == list(range(pools.batch))
    assert {key.step for key in keys} == {step}
    for key in keys:
        assert key.source in (pools.labelled if key.labelled else pools.unlabelled)


@given(pools=STREAMS, seed=SEEDS, laps=st.integers(1, 3), world=st.integers(1, 3))
def test_every_unit_once_a_lap(pools: Streams, seed: int, laps: int, world: int) -> None:
    """Read in the order of steps and slots, each stretch of one lap holds every unit once."""
    steps = laps * max(len(pools.labelled), len(pools.unlabelled))
    for labelled, pool, batch in (
        (True, pools.labelled, pools.labelled_batch),
        (False, pools.unlabelled, pools.unlabelled_batch),
    ):
        drawn = [
            key.source
            for step in range(steps)
            for rank in range(world)
            for key in keys_of_step(pools, seed, step, rank, world)
            if key.labelled == labelled
        ]
        assert len(drawn) == steps * world * batch
        for lap in range(len(drawn) // len(pool)):
            assert Counter(drawn[lap * len(pool) : (lap + 1) * len(pool)]) == Counter(pool)


@given(pools=STREAMS, seed=SEEDS, step=st.integers(0, 10**6), world=st.integers(1, 4))
def test_processes_share_what_one_would_see(pools: Streams, seed: int, step: int, world: int) -> None:
    """Units, slots and streams of n processes with batch b are those of one process with batch n·b."""
    shares = [keys_of_step(pools, seed, step, rank, world) for rank in range(world)]
    one = Streams(pools.labelled, pools.unlabelled, world * pools.labelled_batch, world * pools.unlabelled_batch)
    together = sorted((key for share in shares for key in share), key=lambda key: key.slot)
    assert together == keys_of_step(one, seed, step)
    assert {len(share) for share in shares} == {pools.batch}


def test_laps_streams_and_seeds_are_shuffled_differently() -> None:
    pool = units("case", 50)
    both = Streams(pool, pool, 50, 50)
    orders = []
    for seed, step in ((0, 0), (0, 1), (1, 0)):
        units_of_step = [key.source for key in keys_of_step(both, seed, step)]
        orders += [tuple(units_of_step[:50]), tuple(units_of_step[50:])]
    assert len(set(orders)) == 6


def test_permutations_are_uniform() -> None:
    """Every unit comes first about as often as every other: chi-square over 1200 laps of six units."""
    pool = Streams(units("case", 6), [], 6)
    first = Counter(keys_of_step(pool, 0, step)[0].source for step in range(1200))
    chi_square = sum((count - 200) ** 2 / 200 for count in first.values())
    assert len(first) == 6
    assert chi_square < 20.5  # 99.9 % of chi-square with five degrees of freedom


def test_unlabelled_pool_may_be_empty_if_nothing_is_drawn_from_it() -> None:
    keys = keys_of_step(Streams(units("known", 1), [], 3), 0, 0)
    assert [key.source for key in keys] == units("known", 1) * 3


def test_sampler_goes_from_epoch_to_epoch() -> None:
    pools, seen = streams(), 0
    sampler = StepSampler(pools, 0, 4, lambda: seen)
    drawn: list[list[SampleKey]] = []
    for _ in range(3):
        epoch = list(sampler)
        assert len(epoch) == len(sampler) == 4
        drawn += epoch
        seen += len(epoch)
    assert drawn == [keys_of_step(pools, 0, step) for step in range(12)]


@pytest.mark.parametrize("seen", [0, 3, 4, 7, 8])
def test_resumed_sampler_draws_the_tail(seen: int) -> None:
    pools = streams()
    whole = [keys_of_step(pools, 5, step) for step in range(16)]
    epoch = list(StepSampler(pools, 5, 4, lambda: seen))
    end = (seen // 4 + 1) * 4
    assert epoch == whole[seen:end]
    assert len(StepSampler(pools, 5, 4, lambda: seen)) == 4


def test_sampler_hands_its_rank_on() -> None:
    pools = streams()
    for rank in range(2):
        assert list(StepSampler(pools, 0, 2, rank=rank, world=2)) == [
            keys_of_step(pools, 0, step, rank, 2) for step in range(2)
        ]


def test_random_numbers_are_a_function_of_seed_step_and_slot() -> None:
    draws = {
        (seed, step, slot): tuple(generator_of(seed, step, slot).random(4)) for seed, step, slot in np.ndindex(3, 5, 4)
    }
    assert len(set(draws.values())) == 60
    assert tuple(generator_of(2, 4, 3).random(4)) == draws[2, 4, 3]
