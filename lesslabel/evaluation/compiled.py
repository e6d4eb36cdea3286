"""The one way kernels of this room are compiled."""

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile a kernel with numba: one thread, the GIL released, the machine code cached on disk."""
    return cast(F, njit(nogil=True, cache=True)(function))
