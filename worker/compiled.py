"""How numba compiles the functions of the engine: cached, with the division of numpy, and without what nobody calls."""

from collections.abc import Callable
from typing import Any

from numba import njit

_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "no_cfunc_wrapper": True}


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function."""
    return njit(**_OPTIONS)(function)


def part(function: Callable[..., Any]) -> Any:
    """Compile a function as a part of the one kernel that calls it: a unit of its own costs as much as its code.

    For functions that several kernels call this multiplies code, and the time to compile it.
    """
    return njit(inline="always", **_OPTIONS)(function)
