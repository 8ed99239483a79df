"""The environment of a job: HTCondor gives it neither PATH nor, everywhere, HOME."""

from pathlib import PurePosixPath

from dagmaker.plan.sites import RUN, Site

THREADS = ("MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def time_limit_s(hours: float) -> float:
    """Seconds after which a worker stops by itself: a tenth of the limit, ten minutes at most, is left for saving."""
    return round(3600 * hours - min(360 * hours, 600), 3)


def variables(
    site: Site, run: PurePosixPath, *, import_path: str | None, sandbox: bool, limit_hours: float | None
) -> dict[str, str]:
    """Every variable of a job; those of the site's profile have the last word.

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
    found = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    if import_path:
        found["PYTHONPATH"] = import_path
    found["MPLBACKEND"] = "Agg"
    found |= dict.fromkeys(THREADS, "1")
    # numba refuses to compile for a cache where it finds no place to write. Where a disk is shared, all jobs read
    # what `prepare` compiled. A relative path is right inside a container, too, whatever the sandbox is called there.
    if sandbox:
        found |= {"HOME": ".", "NUMBA_CACHE_DIR": ".numba"}
    else:
        found["NUMBA_CACHE_DIR"] = site.numba_cache.replace(RUN, str(run))
    if limit_hours is not None:
        found["WORKER_TIME_LIMIT_S"] = f"{time_limit_s(limit_hours):g}"
    return found | site.environment
