"""Faster start and end of a process; a short task spends most of its time on these."""

import atexit
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import NoReturn

COLLECT_EVERY = 250_000
"""New objects between two runs of the garbage collector. A start makes 200,000, none of which is garbage."""
_USUAL = gc.get_threshold()
_ARRAYS = "numba.np.arraymath"
_BLAS = "scipy.linalg"


@contextmanager
def light_import() -> Iterator[None]:
    """Context in which a task is imported faster.

    The garbage collector runs less often, which saves a fifth of a start, and numba's array functions are loaded
    without scipy's linear algebra, which saves a tenth (no kernel multiplies matrices).
    """
    gc.set_threshold(COLLECT_EVERY, *_USUAL[1:])
    with _without_settings():
        yield
    if "numba" in sys.modules and not {_ARRAYS, _BLAS} & sys.modules.keys():
        _load_without(_BLAS, _ARRAYS)


@contextmanager
def _without_settings() -> Iterator[None]:
    """Hide settings of the user, which could change or break imports.

    matplotlib reads MPLBACKEND (in a notebook: a module that may be absent) and matplotlibrc; numba reads
    .numba_config.yaml; both look in the current directory.
    """
    if "matplotlib" not in sys.modules:
        os.environ.update(MPLBACKEND="agg", MATPLOTLIBRC=os.devnull)
    # Without HOME and an entry in /etc/passwd, astropy cannot be imported.
    if os.path.expanduser("~") == "~":  # noqa: PTH111 (Path's raises an error)
        os.environ["HOME"] = os.devnull
    current = os.open(".", os.O_PATH | os.O_CLOEXEC)
    os.chdir("/")
    try:
        yield
    finally:
        os.fchdir(current)
        os.close(current)


@contextmanager
def only_new_garbage() -> Iterator[None]:
    """Context in which the garbage collector runs often, and looks at objects made in it only.

    For work that leaves large reference cycles, such as figures: a search among all objects of the imports each time
    takes a seventh of a report.
    """
    gc.freeze()
    gc.set_threshold(*_USUAL)
    try:
        yield
    finally:
        gc.unfreeze()


def exit_process(code: int) -> NoReturn:
    """Flush the output and end the process without the interpreter's clean-up of numba and LLVM objects.

    That clean-up takes 0.3 s of CPU time, as much as 10,000 trials. Files are complete (`worker.base.atomic`).
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # None, a pipe that nobody reads, a closed stream
            stream.flush()
    atexit._run_exitfuncs()  # matplotlib removes its temporary folder
    os._exit(code)


def _load_without(absent: str, module: str) -> None:
    """Import `module` as if the module `absent`, which is slow to load and not needed, did not exist."""
    sys.modules[absent] = None  # type: ignore[assignment]  # Python then raises ImportError
    try:
        import_module(module)
    finally:
        del sys.modules[absent]
