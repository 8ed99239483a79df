"""The worker's tasks: their arguments, units and meaning. What they do is in `worker.tasks`, imported when called."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from worker.base.errors import SpecError
from worker.base.startup import sparing

Found = dict[str, Any]
"""What a task answers with `--json`, besides what it printed."""


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
    _stage("prepare.prepare", run)


def bg_trials(*, run: str, dec: float, n: int, seed: int = 0, first: int = 0, part: int = 0) -> None:
    """Background trials of one declination: TS, ns and gamma of scrambled data.

    Writes trials [first, first + n) of the stream of (dec, seed), the same ones however the stream is cut:
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

    Examples
    --------
    worker bg_trials --run=runs/example --dec=5 --n=1000 --seed=0
    """
    _stage("trials.bg_trials", run, dec=dec, n=n, seed=seed, first=first, part=part)


def sig_trials(
    *,
    run: str,
    dec: float,
    n_sig: float,
    n: int,
    seed: int = 0,
    first: int = 0,
    gamma: float | None = None,
    part: int = 0,
) -> None:
    """Signal trials of one declination and signal strength: as bg_trials, with events injected.

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

    Examples
    --------
    worker sig_trials --run=runs/example --dec=5 --n_sig=10 --n=1000 --seed=0
    """
    _stage("trials.sig_trials", run, dec=dec, n_sig=n_sig, n=n, seed=seed, first=first, gamma=gamma, part=part)


def reach(*, run: str, dec: float, seed: int = 999) -> Found:
    """Quick pass of a pilot: where sensitivity and discovery potential of one declination lie, to some 10 %.

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

    Returns
    -------
    reach : list of {dec_deg, gamma, sensitivity, discovery}
        For every spectrum, in events; the highest discovery potential.

    Examples
    --------
    worker reach --run=runs/example --dec=5
    """
    return _stage("reach.reach", run, dec=dec, seed=seed)


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
    _stage("scans.scan_trials", run, n=n, seed=seed, first=first, band=band, part=part)


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
    _stage("scans.scan_map", run, nside=nside, band=band, bands=bands)


def judge(*, run: str, round: int) -> Found:  # noqa: A002 (the name of the flag)
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
    return _stage("judge.judge", run, number=round)


def collect_bg(*, run: str, dec: float, allow_missing: bool = False) -> None:
    """Merge the background trials of one declination; every file that the plan promises must be there.

    Parameters
    ----------
    run : str
        The run directory.
    dec : float, deg
        Declination, a value of the background grid.
    allow_missing : bool
        Go on over missing files, and record them.

    Examples
    --------
    worker collect_bg --run=runs/example --dec=5
    """
    _stage("collect.collect_bg", run, dec=dec, allow_missing=allow_missing)


def collect_sig(*, run: str, dec: float, gamma: float | None = None, allow_missing: bool = False) -> None:
    """Merge the signal trials of one declination, all n_sig; every file that the plan promises must be there.

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

    Examples
    --------
    worker collect_sig --run=runs/example --dec=5
    """
    _stage("collect.collect_sig", run, dec=dec, gamma=gamma, allow_missing=allow_missing)


def distributions(*, run: str) -> None:
    """Describe the background TS of every declination: eta, fit, median.

    Parameters
    ----------
    run : str
        The run directory.

    Examples
    --------
    worker distributions --run=runs/example
    """
    _stage("results.distributions", run)


def sensitivity(*, run: str) -> None:
    """Sensitivity and discovery potential of every declination, in events and in TeV / cm^2 / s.

    Parameters
    ----------
    run : str
        The run directory.

    Examples
    --------
    worker sensitivity --run=runs/example
    """
    _stage("results.sensitivity", run)


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
    _stage("collect.collect_scan", run, allow_missing=allow_missing)


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
    _stage("results.post_trial", run)


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
    _stage("limits.upper_limits", run)


def report(*, run: str, dag_status: int | None = None, failed_count: int | None = None) -> None:
    """Write figures and RUN/report/index.html from whatever results there are.

    Parameters
    ----------
    run : str
        The run directory.
    dag_status : int
        DAGMan's $DAG_STATUS (0 for success), where a DAG calls this as its FINAL node.
    failed_count : int
        DAGMan's $FAILED_COUNT: how many nodes failed.

    Examples
    --------
    worker report --run=runs/example
    """
    _stage("report.report", run, dag_status=dag_status, failed_count=failed_count)


def verify(*, run: str, jobs: int = 1) -> Found:
    """Load every file that the plan promises and compare it with its record: what `dagmaker repair` rests on.

    Prints one JSON object per line for each file that is absent, corrupt, foreign (of another analysis) or stale (made
    from other files than those that are there): node, position, path, state, why. The last line counts: checked,
    faults. Exit code 0 whatever is found; removes and changes nothing.

    Parameters
    ----------
    run : str
        The run directory.
    jobs : int
        Processes that read files, one core each.

    Examples
    --------
    worker verify --run=runs/example --jobs=2
    """
    return _stage("verify.verify", run, jobs=jobs)


def rounds(*, run: str) -> Found:
    """Decide every round of an adaptive analysis again, and compare: what `dagmaker verify-plan` rests on.

    Prints one JSON object: rounds, faults. Exit code 0 whatever is found; changes nothing.

    Parameters
    ----------
    run : str
        The run directory.

    Examples
    --------
    worker rounds --run=runs/example
    """
    return _stage("judge.rounds", run)


def streams(*, run: str) -> Found:
    """Show that no two files of the plan share random numbers: what `dagmaker verify-plan` rests on.

    Prints one JSON object: keys, files, trials, faults. Exit code 0 whatever is found; reads the plan and nothing else.

    Parameters
    ----------
    run : str
        The run directory.

    Examples
    --------
    worker streams --run=runs/example
    """
    return _stage("streams.streams", run)


def data_summary(*, run: str | None = None, spec: str | None = None, output: str | None = None) -> Found:
    """One page about the data: counts, cleaning, rate against sin(dec), energies, angular errors, livetime, response.

    Either of a run whose data are prepared: writes RUN/report/data.html (pictures included), .txt and .json, as
    `worker report` does too. Or of the files that a spec describes, before anything is built: writes the same to DIR.
    Right ascensions and times are neither shown nor summarised.

    Parameters
    ----------
    run : str
        The run directory.
    spec : str
        The YAML file of the analysis, with --output.
    output : str
        Folder to write to; made if it is not there.

    Examples
    --------
    worker data_summary --run=runs/example
    worker data_summary --spec=analysis.yaml --output=about_the_data
    """
    if run is not None and spec is None and output is None:
        return _stage("data_summary.of_run", run)
    if run is None and spec is not None and output is not None:
        return _stage("data_summary.of_spec", spec, output=Path(output))
    raise SpecError(
        "write either --run=RUN, or both --spec=SPEC and --output=DIR; e.g. --spec=analysis.yaml --output=about"
    )


def replay(*, run: str, file: str, trial: int | None = None) -> Found:
    """Make one file of trials again, or one trial of it, and compare bits; exit code 3 where one differs.

    With --trial: that trial is run alone and looked into: the events that decide it, the fit against brute force, and
    a picture of the likelihood over ns and gamma, RUN/replay/*.png.

    Parameters
    ----------
    run : str
        The run directory.
    file : str
        A file of trials, skies or a map band, by its path in the run directory.
    trial : int
        Number of the trial (or sky) in the file, from 0.

    Examples
    --------
    worker replay --run=runs/example --file=trials/NAME/bg/dec/+005/trials__N_005000_seed_0000.npy --trial=17
    """
    return _stage("replay.replay", run, file=file, trial=trial)


def audit(*, run: str, sample: int = 3, jobs: int = 1) -> Found:
    """Compare everything in a run with what it should be: what `dagmaker review` rests on.

    Prints one JSON object per line for each comparison: verdict (same, note, fault), what, found. The last line has the
    token for unblinding, or why there is none. Exit code 0 whatever is found. Changes nothing in the run directory, but
    that a scan of the real sky, which only a run that was opened with its token gets, adds a line to the log.

    Parameters
    ----------
    run : str
        The run directory.
    sample : int
        Files of trials of each kind that are made again, chosen by chance, besides those with the largest TS and the
        rows that decide a result.
    jobs : int
        Processes, one core each.

    Examples
    --------
    worker audit --run=runs/example --sample=3 --jobs=2
    """
    return _stage("audit.audit", run, sample=sample, jobs=jobs)


def unblind(*, run: str, token: str | None = None, spec: str | None = None, jobs: int = 1) -> Found:
    """Open the real sky, once: maps, hottest spots and the post-trial p-value, into RUN/unblinded/.

    Refused (exit code 4) without the token that `dagmaker review` printed for the run as it is now, which must stand in
    the spec too, with who approved it, when and why. A second time everything is made again and compared; nothing is
    overwritten. Every attempt is kept in RUN/openings/log.jsonl.

    Parameters
    ----------
    run : str
        The run directory.
    token : str
        As printed by `dagmaker review`.
    spec : str
        A spec with the approval in its section ``unblind``; the frozen spec of the run where none is given.
    jobs : int
        Processes that scan, one core each.

    Examples
    --------
    worker unblind --run=runs/example --token=TOKEN --spec=analysis.yaml
    """
    return _stage("unblind.unblind", run, token=token, spec=spec, jobs=jobs)


def serve() -> None:
    """Run tasks one after another, as told on standard input: for the local runner.

    Reads one JSON list of arguments per line, such as ["bg_trials", "--run=RUN", "--dec=5", "--n=1000"], and
    answers each with one line {"rc": int, "out": str, "err": str, "wall_s": float, "cpu_s": float}. Ends with its
    input.

    Examples
    --------
    echo '["prepare", "--run=runs/example"]' | worker serve
    """
    from worker.cli.serve import serve as serve_forever

    raise SystemExit(serve_forever())


def _stage(place: str, run: str, **args: Any) -> Found:
    """Import the stage only now: ``--help`` and argument errors must not wait for numba."""
    module, _, name = place.partition(".")
    with sparing():
        stage = getattr(import_module(f"worker.tasks.{module}"), name)
    found: Found = stage(Path(run), **args)
    return found


TASKS: dict[str, Callable[..., Found | None]] = {
    task.__name__: task
    for task in (
        prepare,
        bg_trials,
        sig_trials,
        scan_trials,
        scan_map,
        reach,
        judge,
        collect_bg,
        collect_sig,
        distributions,
        sensitivity,
        collect_scan,
        post_trial,
        upper_limits,
        report,
        verify,
        data_summary,
        streams,
        rounds,
        replay,
        audit,
        unblind,
        serve,
    )
}
