"""The compiler settings of all kernels."""

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile a kernel with numba: one thread, the GIL released, the machine code cached on disk.

    Division by zero follows IEEE 754 instead of raising an error, which saves a test per division.
    """
    return cast(F, njit(nogil=True, cache=True, error_model="numpy")(function))
