"""The environment of a job: HTCondor gives it neither PATH nor, everywhere, HOME."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from dagmaker.sites import RUN, Site

THREADS = ("MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def time_limit_s(hours: float) -> float:
    """Seconds after which a worker stops by itself: a tenth of the limit, ten minutes at most, is left for saving."""
    return round(3600 * hours - min(360 * hours, 600), 3)


def lines(
    site: Site, run: PurePosixPath, *, import_path: str | None, sandbox: bool, limit_hours: float | None
) -> Iterator[str]:
    """``NAME=value`` of every variable.

    Parameters
    ----------
    run : PurePosixPath
        The run directory, on the submit host.
    import_path : str or None
        Folder of the packages where they are not installed.
    sandbox : bool
        The job sees nothing but its own folder.
    limit_hours : float or None
        Time limit of one start.
    """
    yield "PATH=/usr/local/bin:/usr/bin:/bin"
    if import_path:
        yield f"PYTHONPATH={import_path}"
    yield "MPLBACKEND=Agg"
    yield from (f"{name}=1" for name in THREADS)
    # numba refuses to compile for a cache where it finds no place to write. Where a disk is shared, all jobs read
    # what `prepare` compiled. A relative path is right inside a container, too, whatever the sandbox is called there.
    if sandbox:
        yield "HOME=."
        yield "NUMBA_CACHE_DIR=.numba"
    else:
        yield f"NUMBA_CACHE_DIR={site.numba_cache.replace(RUN, str(run))}"
    if limit_hours is not None:
        yield f"WORKER_TIME_LIMIT_S={time_limit_s(limit_hours):g}"
    yield from (f"{name}={value}" for name, value in site.environment.items())
