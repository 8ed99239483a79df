"""A cheaper start of a process: a short task spends most of its time on imports."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

COLLECT_EVERY = 250_000
"""New objects between two looks of the collector for cycles. A start makes 200,000, none of which is garbage."""
_USUAL = gc.get_threshold()
_ARRAYS = "numba.np.arraymath"
_BLAS = "scipy.linalg"


@contextmanager
def sparing() -> Iterator[None]:
    """Import a task inside of this.

    The collector does not look through what is imported and compiled code that is loaded, all of which stays: a fifth
    of a start. And numba's array functions are loaded without scipy's linear algebra, a tenth: no kernel multiplies
    matrices.
    """
    gc.set_threshold(COLLECT_EVERY, *_USUAL[1:])
    yield
    if "numba" in sys.modules and not {_ARRAYS, _BLAS} & sys.modules.keys():
        _load_without(_BLAS, _ARRAYS)


def collect_as_usual() -> None:
    """Let the collector look as often as Python does."""
    gc.set_threshold(*_USUAL)


def _load_without(absent: str, module: str) -> None:
    """Import a module that does well without another one, and takes long to load it."""
    sys.modules[absent] = None  # type: ignore[assignment]  # how the language spells "there is no such module"
    try:
        import_module(module)
    finally:
        del sys.modules[absent]
