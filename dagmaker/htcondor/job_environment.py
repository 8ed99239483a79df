"""Environment of a job: HTCondor sets no PATH and not always HOME."""

from pathlib import PurePosixPath

from dagmaker.interpreter import THREADS
from dagmaker.plan.sites import RUN, Site


def time_limit_s(hours: float) -> float:
    """Seconds after which a worker stops; a tenth of the limit, at most ten minutes, is left for saving."""
    return round(3600 * hours - min(360 * hours, 600), 3)


def variables(
    site: Site, run: PurePosixPath, *, import_path: str | None, sandbox: bool, limit_hours: float | None
) -> dict[str, str]:
    """Environment variables of a job; those of the site's profile override the others.

    Parameters
    ----------
    run : PurePosixPath
        The run directory, on the submit host.
    import_path : str or None
        Folder of the packages if they are not installed.
    sandbox : bool
        The job sees only its scratch folder.
    limit_hours : float or None
        Time limit of one run of the process.
    """
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    if import_path:
        environment["PYTHONPATH"] = import_path
    environment["MPLBACKEND"] = "Agg"
    environment |= dict.fromkeys(THREADS, "1")
    # numba needs a writable cache folder. On a shared disk all jobs read what `prepare` compiled. A relative path
    # also works inside a container.
    if sandbox:
        environment |= {"HOME": ".", "NUMBA_CACHE_DIR": ".numba"}
    else:
        environment["NUMBA_CACHE_DIR"] = site.numba_cache.replace(RUN, str(run))
    if limit_hours is not None:
        environment["WORKER_TIME_LIMIT_S"] = f"{time_limit_s(limit_hours):g}"
    return environment | site.environment
