"""Trials and skies on a CUDA device: a warp works on one source position, by the control flow of the CPU's fit.

Imported only where the spec says ``resources: {gpu: true}``. Random numbers have the same addresses, and the 32-bit
words of the generator are the same bits. Floating point is not: the search runs in single precision, and CUDA's
compiler fuses multiplications and additions. TS agrees with the CPU's within 1e-3; the trial digest names the device.

With ``NUMBA_ENABLE_CUDASIM=1`` numba simulates the device on the CPU: slow, and with its rounding.
"""

from worker.base.errors import InputError
from worker.engines.cuda.skies import Scanner
from worker.engines.cuda.trials import run
from worker.engines.cuda.warp import SIMULATED, cuda

__all__ = ["SIMULATED", "Scanner", "require", "run"]


def require() -> None:
    """Raise InputError if numba finds no CUDA device or driver."""
    if not cuda.is_available():
        raise InputError(
            "resources.gpu is true, but numba finds no CUDA device here: ask the batch system for one "
            "(the submit files of `dagmaker build` do), install the extra `dagmaker[gpu]`, or set gpu: false"
        )
