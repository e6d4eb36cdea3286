"""A cache with a limited size in memory."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """An object that reports its size in bytes."""

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        ...


Item = TypeVar("Item", bound=Sized)


class Cache(Generic[Item]):
    """Keeps loaded items and drops the least recently used ones beyond a limit.

    Args:
        load: loads an item by its key; called if the item is not in the cache.
        limit_bytes: largest number of bytes to hold; a larger item is loaded every time.
    """

    def __init__(self, load: Callable[[str], Item], limit_bytes: int) -> None:
        self._load = load
        self._limit_bytes = limit_bytes
        self._items: OrderedDict[str, Item] = OrderedDict()
        self._held_bytes = 0

    @property
    def held_bytes(self) -> int:
        """Bytes held now; never more than the limit."""
        return self._held_bytes

    def get(self, key: str) -> Item:
        """Return the item of a key; load it if needed."""
        if key in self._items:
            self._items.move_to_end(key)
            return self._items[key]
        item = self._load(key)
        if item.nbytes <= self._limit_bytes:
            self._items[key] = item
            self._held_bytes += item.nbytes
        while self._held_bytes > self._limit_bytes:
            _, dropped = self._items.popitem(last=False)
            self._held_bytes -= dropped.nbytes
        return item
