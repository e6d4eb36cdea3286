from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from lesslabel.data.loading.cache import Cache


@dataclass(frozen=True)
class Item:
    key: str
    nbytes: int


class Counted:
    """A loader that remembers what it was asked for; "c7" is an item of 7 bytes."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, key: str) -> Item:
        self.asked.append(key)
        return Item(key, int(key[1:]))


def test_what_is_held_is_not_loaded_again() -> None:
    load = Counted()
    cache = Cache(load, 10)
    assert [cache.get(key).key for key in ("a4", "b5", "a4", "b5", "a4")] == ["a4", "b5", "a4", "b5", "a4"]
    assert load.asked == ["a4", "b5"]
    assert cache.held_bytes == 9


def test_least_recently_used_goes_first() -> None:
    load = Counted()
    cache = Cache(load, 10)
    for key in ("a4", "b5", "a4", "c3"):  # b5 has waited longest
        cache.get(key)
    assert cache.held_bytes == 7
    cache.get("a4")
    cache.get("c3")
    assert load.asked == ["a4", "b5", "c3"]
    cache.get("b5")
    assert load.asked == ["a4", "b5", "c3", "b5"]


def test_item_beyond_the_limit_is_loaded_every_time_and_drops_nothing() -> None:
    load = Counted()
    cache = Cache(load, 10)
    cache.get("a4")
    assert [cache.get("b11").nbytes, cache.get("b11").nbytes] == [11, 11]
    cache.get("a4")
    assert load.asked == ["a4", "b11", "b11"]
    assert cache.held_bytes == 4


def test_limit_of_zero_holds_nothing() -> None:
    load = Counted()
    cache = Cache(load, 0)
    cache.get("a4")
    cache.get("a4")
    assert load.asked == ["a4", "a4"]
    assert cache.held_bytes == 0


@given(limit=st.integers(0, 30), keys=st.lists(st.sampled_from(["a1", "b3", "c7", "d10", "e20", "f40"]), max_size=40))
def test_never_more_than_the_limit_and_always_the_right_item(limit: int, keys: list[str]) -> None:
    cache = Cache(Counted(), limit)
    for key in keys:
        assert cache.get(key).key == key
        assert 0 <= cache.held_bytes <= limit
