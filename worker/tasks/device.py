"""Where trials and skies are computed: on this core, or, where the spec says so, on a CUDA device."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from worker.base import healpix
from worker.engines.builtin import scan, trials
from worker.engines.builtin.analysis import Analysis
from worker.rundir.ledger import Run

GPU_BLOCK = 1 << 17
"""Trials made at once on a device: enough to fill it."""

PROMISED = 1e-3
"""TS of a device are this near to a CPU's, at least."""

_never = ContextVar("never", default=False)


@contextmanager
def none() -> Iterator[None]:
    """Compute on this core, whatever the spec says: what a device has made is checked without one."""
    token = _never.set(True)
    try:
        yield
    finally:
        _never.reset(token)


def _wanted(run: Run) -> bool:
    return run.spec.resources.gpu and not _never.get()


def block(run: Run, on_cpu: int) -> int:
    """Trials made at once, `on_cpu` of them where there is no device."""
    return GPU_BLOCK if _wanted(run) else on_cpu


def trial_maker(run: Run) -> Callable[..., Any]:
    """What makes trials, with the arguments of `worker.engines.builtin.trials.run`.

    Raises
    ------
    InputError
        If the spec asks for a device and there is none.
    """
    if not _wanted(run):
        return trials.run
    from worker.engines import cuda

    cuda.require()
    return cuda.run


def scanner(run: Run, analysis: Analysis, rings: healpix.Rings, keep: bool) -> Any:
    """What scans skies: `worker.engines.builtin.scan.Scanner`, or its like on a device.

    Raises
    ------
    InputError
        If the spec asks for a device and there is none.
    """
    if not _wanted(run) or not len(rings.dec):
        return scan.Scanner(analysis, rings, keep)
    from worker.engines import cuda

    cuda.require()
    return cuda.Scanner(analysis, rings)
