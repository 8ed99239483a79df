"""A cheaper start and end of a process: a short task spends most of its time on these."""

import atexit
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import NoReturn

COLLECT_EVERY = 250_000
"""New objects between two looks of the collector for cycles. A start makes 200,000, none of which is garbage."""
_USUAL = gc.get_threshold()
_ARRAYS = "numba.np.arraymath"
_BLAS = "scipy.linalg"


@contextmanager
def light_import() -> Iterator[None]:
    """Import a task inside of this.

    The collector does not look through what is imported and compiled code that is loaded, all of which stays: a fifth
    of a start. And numba's array functions are loaded without scipy's linear algebra, a tenth: no kernel multiplies
    matrices.
    """
    gc.set_threshold(COLLECT_EVERY, *_USUAL[1:])
    with _without_settings():
        yield
    if "numba" in sys.modules and not {_ARRAYS, _BLAS} & sys.modules.keys():
        _load_without(_BLAS, _ARRAYS)


@contextmanager
def _without_settings() -> Iterator[None]:
    """Let what is imported inside of this find no settings of the user, which could change or break it.

    matplotlib reads MPLBACKEND (in a notebook: a module that is not installed here) and a file matplotlibrc, first of
    all in the current directory; numba reads .numba_config.yaml there.
    """
    if "matplotlib" not in sys.modules:
        os.environ.update(MPLBACKEND="agg", MATPLOTLIBRC=os.devnull)
    # Without HOME and an entry in /etc/passwd, astropy cannot be imported.
    if os.path.expanduser("~") == "~":  # noqa: PTH111 (Path's raises an error)
        os.environ["HOME"] = os.devnull
    here = os.open(".", os.O_PATH | os.O_CLOEXEC)
    os.chdir("/")
    try:
        yield
    finally:
        os.fchdir(here)
        os.close(here)


def collect_as_usual() -> None:
    """Let the collector look as often as Python does."""
    gc.set_threshold(*_USUAL)


def exit_process(code: int) -> NoReturn:
    """End the process at once, all output written.

    The interpreter would first take apart what numba and LLVM have built, object by object: 0.3 s of CPU time, as much
    as 10,000 trials. Files are complete by now (`worker.base.atomic`), and nothing is left to be cleaned up.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # None, a pipe that nobody reads, a closed stream
            stream.flush()
    atexit._run_exitfuncs()  # matplotlib removes the folder that it makes where it finds none to write
    os._exit(code)


def _load_without(absent: str, module: str) -> None:
    """Import a module that does well without another one, and takes long to load it."""
    sys.modules[absent] = None  # type: ignore[assignment]  # how the language spells "there is no such module"
    try:
        import_module(module)
    finally:
        del sys.modules[absent]
