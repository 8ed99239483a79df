"""A cheaper start of a process: a short task spends most of its time on imports."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

_ARRAYS = "numba.np.arraymath"
_BLAS = "scipy.linalg"


@contextmanager
def sparing() -> Iterator[None]:
    """Import a task inside of this.

    The collector does not look through what is being imported, all of which stays: a tenth of a start. And numba's
    array functions are loaded without scipy's linear algebra, another tenth: no kernel multiplies matrices.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        if "numba" in sys.modules and not {_ARRAYS, _BLAS} & sys.modules.keys():
            _load_without(_BLAS, _ARRAYS)
    finally:
        if was_enabled:
            gc.enable()


def _load_without(absent: str, module: str) -> None:
    """Import a module that does well without another one, and takes long to load it."""
    sys.modules[absent] = None  # type: ignore[assignment]  # how the language spells "there is no such module"
    try:
        import_module(module)
    finally:
        del sys.modules[absent]
