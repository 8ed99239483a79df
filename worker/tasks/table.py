"""The tasks of a plan: arguments, units and meaning. Heavy modules are imported when a task is called."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from worker.base.startup import light_import

Answer = dict[str, Any]
"""The answer of a task with `--json`, besides what it printed."""


def prepare(*, run: str) -> None:
    """Read the data of the spec once, clean them, and keep them as one small file.

    Writes RUN/prepared/data.npz, which every later task opens in well under a second. Prints what cleaning did.

    Parameters
    ----------
    run : str
        The run directory, as made by `dagmaker build`.

    Examples
    --------
    worker prepare --run=runs/example
    """
    with light_import():
        from worker.tasks.prepare import prepare as task
    task(Path(run))


def bg_trials(
    *,
    run: str,
    dec: float | None = None,
    n: int,
    seed: int = 0,
    first: int = 0,
    part: int = 0,
    point: str | None = None,
) -> None:
    """Background trials of one point: TS, ns and gamma of scrambled data.

    Writes trials [first, first + n) of the stream of (point, seed), the same ones however the stream is cut:
    RUN/trials/NAME/bg/dec/+005/trials__N_001000_seed_0000.npy

    Parameters
    ----------
    run : str
        The run directory.
    dec : float, deg
        Declination, a value of the background grid.
    n : int
        Number of trials.
    seed : int
        File seed: another seed is another, independent stream.
    first : int
        Where in the stream to begin.
    part : int
        The file lies in a folder below, first_0250000 for ``--part=250000``: of trials from this one on.
    point : str
        In place of `dec` if the spec lists its points: the name of one, such as window_days_100.

    Examples
    --------
    worker bg_trials --run=runs/example --dec=5 --n=1000 --seed=0
    """
    with light_import():
        from worker.tasks.trials import bg_trials as task
    task(Path(run), dec=dec, n=n, seed=seed, first=first, part=part, point=point)


def tail_pilot(*, run: str, dec: float | None = None, point: str | None = None) -> None:
    """Choose the tilts of one point: from what distributions its tilted background trials are drawn.

    Writes RUN/trials/NAME/tilts/dec/+005.npz with n, gamma and share of every tilt: from 1,024 trials on a grid of
    tilts, or those that the spec lists. Tilts with a share of 0 are evaluated as a check.

    Parameters
    ----------
    run : str
        The run directory.
    dec : float, deg
        Declination, a value of the background grid.
    point : str
        In place of `dec` if the spec lists its points: the name of one, such as window_days_100.

    Examples
    --------
    worker tail_pilot --run=runs/example --dec=5
    """
    with light_import():
        from worker.tasks.tail import tail_pilot as task
    task(Path(run), dec=dec, point=point)


def tail_trials(
    *,
    run: str,
    dec: float | None = None,
    n: int,
    seed: int = 0,
    first: int = 0,
    part: int = 0,
    point: str | None = None,
) -> None:
    """Tilted background trials of one point: as bg_trials, but most have a large TS, and each has a weight.

    Writes TS, ns, gamma and ln of the weight of trials [first, first + n) of the stream of (point, seed), the same ones
    however the stream is cut: RUN/trials/NAME/tail/dec/+005/trials__N_016384_seed_0000.npy

    Parameters
    ----------
    run : str
        The run directory.
    dec : float, deg
        Declination, a value of the background grid.
    n : int
        Number of trials.
    seed : int
        File seed: another seed is another, independent stream.
    first : int
        Where in the stream to begin.
    part : int
        The file lies in a folder below, first_0250000 for ``--part=250000``: of trials from this one on.
    point : str
        In place of `dec` if the spec lists its points: the name of one, such as window_days_100.

    Examples
    --------
    worker tail_trials --run=runs/example --dec=5 --n=16384 --seed=0
    """
    with light_import():
        from worker.tasks.tail import tail_trials as task
    task(Path(run), dec=dec, n=n, seed=seed, first=first, part=part, point=point)


def sig_trials(
    *,
    run: str,
    dec: float | None = None,
    n_sig: float,
    n: int,
    seed: int = 0,
    first: int = 0,
    gamma: float | None = None,
    part: int = 0,
    point: str | None = None,
) -> None:
    """Signal trials of one point and signal strength: as bg_trials, with events injected.

    Writes RUN/trials/NAME/sig/dec/+005/nsig/010.0/trials__N_001000_seed_0000.npy

    Parameters
    ----------
    run : str
        The run directory.
    dec : float, deg
        Declination of the source, a value of the background grid.
    n_sig : float, events
        Mean number of injected events (exact number where the spec says ``poisson: false``).
    n : int
        Number of trials.
    seed : int
        File seed: another seed is another, independent stream.
    first : int
        Where in the stream to begin.
    gamma : float
        Which of the spec's spectra, where it has several: RUN/trials/NAME/sig/gamma/2.000/dec/+005/...
    part : int
        The file lies in a folder below, first_0250000 for ``--part=250000``: of trials from this one on.
    point : str
        In place of `dec` if the spec lists its points: the name of one, such as window_days_100.

    Examples
    --------
    worker sig_trials --run=runs/example --dec=5 --n_sig=10 --n=1000 --seed=0
    """
    with light_import():
        from worker.tasks.trials import sig_trials as task
    task(Path(run), dec=dec, n_sig=n_sig, n=n, seed=seed, first=first, gamma=gamma, part=part, point=point)


def scan_trials(*, run: str, n: int, seed: int = 0, first: int = 0, band: str | None = None, part: int = 0) -> None:
    """Background skies: scan scrambled skies and keep the hottest spot of each.

    Writes RUN/trials/NAME/scan/nside/032/rings__N_000010_seed_0000.npy (the largest TS of every ring) and, once
    the background is known, the hottest spots; for a list of sources RUN/trials/NAME/scan/catalog/TAG/sources__...npy
    with TS, ns and gamma of every sky and source.

    Parameters
    ----------
    run : str
        The run directory.
    n : int
        Number of skies.
    seed : int
        File seed: another seed is another, independent stream of skies.
    first : int
        Where in the stream to begin.
    band : str
        Only one declination band of each sky, such as 2of8 (bands count from 0).
    part : int
        The file lies in a folder below, first_0002500 for ``--part=2500``: of skies from this one on.

    Examples
    --------
    worker scan_trials --run=runs/example --n=10 --seed=0 --first=20
    """
    with light_import():
        from worker.tasks.scans import scan_trials as task
    task(Path(run), n=n, seed=seed, first=first, band=band, part=part)


def patch_trials(*, run: str, n: int, seed: int = 0, first: int = 0, part: int = 0) -> None:
    """Patches of tilted skies: the pixels around one pixel, with weights, for the tail of the post-trial p-value.

    Writes TS and ln of the weight of the pixels of patches [first, first + n), the same ones however the stream is cut:
    RUN/trials/NAME/patches/nside/032/patches__N_001024_seed_0000.npy

    Parameters
    ----------
    run : str
        The run directory.
    n : int
        Number of patches.
    seed : int
        File seed: another seed is another, independent stream of patches.
    first : int
        Where in the stream to begin.
    part : int
        The file lies in a folder below, first_0250000 for ``--part=250000``: of patches from this one on.

    Examples
    --------
    worker patch_trials --run=runs/example --n=1024 --seed=0 --first=1024
    """
    with light_import():
        from worker.tasks.patches import patch_trials as task
    task(Path(run), n=n, seed=seed, first=first, part=part)


def scan_map(*, run: str, nside: int | None = None, band: int = 0, bands: int = 1) -> None:
    """Scan the scrambled sky that stands in for the real one: a declination band of a map, or the sources.

    Writes RUN/trials/NAME/map/nside/032/map__band_00_of_04.npy with TS, ns and gamma of every pixel, or
    RUN/trials/NAME/map/catalog/TAG/map__band_00_of_01.npy with those of every source.

    Parameters
    ----------
    run : str
        The run directory.
    nside : int
        Healpix resolution, a power of 2; left out for a list of sources.
    band : int
        Which band, from 0.
    bands : int
        How many bands the sky is split into; the merged map does not depend on it.

    Examples
    --------
    worker scan_map --run=runs/example --nside=128 --band=0 --bands=4
    """
    with light_import():
        from worker.tasks.scans import scan_map as task
    task(Path(run), nside=nside, band=band, bands=bands)


def reach(*, run: str, dec: float | None = None, seed: int = 999, point: str | None = None) -> Answer:
    """Quick pass of a pilot: where sensitivity and discovery potential of one point lie, to some 10 %.

    Writes RUN/trials/NAME/reach/dec/+005.json, which `signal: {n_sig: goal}` follows from.

    Parameters
    ----------
    run : str
        The run directory.
    dec : float, deg
        Declination, a value of the background grid.
    seed : int
        File seed of its 20,000 background trials and of 400 signal trials each at n_sig 1, 2, 4, ... 256, as far as
        these are needed.
    point : str
        In place of `dec` if the spec lists its points: the name of one, such as window_days_100.

    Returns
    -------
    reach : list of {dec_deg or point, gamma, sensitivity, discovery}
        For every spectrum, in events; the highest discovery potential.

    Examples
    --------
    worker reach --run=runs/example --dec=5
    """
    with light_import():
        from worker.tasks.sensitivity_estimate import reach as task
    return task(Path(run), dec=dec, seed=seed, point=point)


def judge(*, run: str, round: int) -> Answer:  # noqa: A002 (the name of the flag)
    """Decide, before a round of an adaptive analysis, which points are short of the goal and what is added to them.

    Writes RUN/rounds/round_1.json: per point what was found, the trials that are added, and a digest of the files that
    it was decided from. `dagmaker round` makes processes of it. A decision that still holds is kept.

    Parameters
    ----------
    run : str
        The run directory.
    round : int
        Which round, from 1; those before it must be complete.

    Examples
    --------
    worker judge --run=runs/example --round=1
    """
    with light_import():
        from worker.tasks.adaptive_round import judge as task
    return task(Path(run), number=round)


def collect_bg(*, run: str, dec: float | None = None, allow_missing: bool = False, point: str | None = None) -> None:
    """Merge the background trials of one point; every file that the plan promises must be there.

    Parameters
    ----------
    run : str
        The run directory.
    dec : float, deg
        Declination, a value of the background grid.
    allow_missing : bool
        Go on over missing files, and record them.
    point : str
        In place of `dec` if the spec lists its points: the name of one, such as window_days_100.

    Examples
    --------
    worker collect_bg --run=runs/example --dec=5
    """
    with light_import():
        from worker.tasks.collect import collect_bg as task
    task(Path(run), dec=dec, allow_missing=allow_missing, point=point)


def collect_sig(
    *,
    run: str,
    dec: float | None = None,
    gamma: float | None = None,
    allow_missing: bool = False,
    point: str | None = None,
) -> None:
    """Merge the signal trials of one point, all n_sig; every file that the plan promises must be there.

    Parameters
    ----------
    run : str
        The run directory.
    dec : float, deg
        Declination, a value of the background grid.
    gamma : float
        Which of the spec's spectra, where it has several.
    allow_missing : bool
        Go on over missing files, and record them.
    point : str
        In place of `dec` if the spec lists its points: the name of one, such as window_days_100.

    Examples
    --------
    worker collect_sig --run=runs/example --dec=5
    """
    with light_import():
        from worker.tasks.collect import collect_sig as task
    task(Path(run), dec=dec, gamma=gamma, allow_missing=allow_missing, point=point)


def distributions(*, run: str) -> None:
    """Describe the background TS of every point: eta, fit, median.

    Parameters
    ----------
    run : str
        The run directory.

    Examples
    --------
    worker distributions --run=runs/example
    """
    with light_import():
        from worker.tasks.results import distributions as task
    task(Path(run))


def sensitivity(*, run: str) -> None:
    """Sensitivity and discovery potential of every point, in events and in TeV / cm^2 / s.

    Parameters
    ----------
    run : str
        The run directory.

    Examples
    --------
    worker sensitivity --run=runs/example
    """
    with light_import():
        from worker.tasks.results import sensitivity as task
    task(Path(run))


def collect_scan(*, run: str, allow_missing: bool = False) -> None:
    """Merge the maps of the scrambled sky and the background skies, and turn TS into p-values.

    Parameters
    ----------
    run : str
        The run directory.
    allow_missing : bool
        Go on over missing background skies, and record them; a map with a hole is always refused.

    Examples
    --------
    worker collect_scan --run=runs/example
    """
    with light_import():
        from worker.tasks.collect import collect_scan as task
    task(Path(run), allow_missing=allow_missing)


def post_trial(*, run: str) -> None:
    """Post-trial p-value of the hottest spot, with its interval.

    Parameters
    ----------
    run : str
        The run directory.

    Examples
    --------
    worker post_trial --run=runs/example
    """
    with light_import():
        from worker.tasks.results import post_trial as task
    task(Path(run))


def upper_limits(*, run: str) -> None:
    """Upper limits on the flux of every source of the list, or of the hottest spots of the map.

    Parameters
    ----------
    run : str
        The run directory.

    Examples
    --------
    worker upper_limits --run=runs/example
    """
    with light_import():
        from worker.tasks.limits import upper_limits as task
    task(Path(run))


TASKS: dict[str, Callable[..., Answer | None]] = {
    task.__name__: task
    for task in (
        prepare, bg_trials, tail_pilot, tail_trials, sig_trials, scan_trials, patch_trials, scan_map, reach, judge,
        collect_bg, collect_sig, distributions, sensitivity, collect_scan, post_trial, upper_limits,
    )
}  # fmt: skip
