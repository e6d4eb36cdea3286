"""A cache bounded by a stated size in memory."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """Anything that knows how many bytes it holds."""

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        ...


Item = TypeVar("Item", bound=Sized)


class Cache(Generic[Item]):
    """Keeps what was loaded, and drops the least recently used beyond a limit.

    Args:
        load: makes an item from its key; called when the item is not held.
        limit_bytes: most bytes to hold; an item larger than that is loaded every time.
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
        """The item of this key, loaded if need be."""
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
