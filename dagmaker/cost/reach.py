"""The quick pass of a pilot behind ``signal.n_sig: goal``: where sensitivity and discovery potential lie, roughly."""

from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from dagmaker.cost.probes import MOST_DECS, SEED, Probe, spread
from dagmaker.planning.processes import number
from worker import layout, rng, store
from worker.engine.trials import TRIAL_DTYPE
from worker.errors import InputError
from worker.pilot import Pilot, Reach
from worker.spec import Spec
from worker.specfile.goals import LADDER, n_sig_grid
from worker.stages import trials
from worker.stats.chi2 import TooFewTrialsError
from worker.stats.distributions import TSD
from worker.stats.sensitivity import NotBracketedError, find_n_sig

F64 = NDArray[np.float64]

N_BACKGROUND, N_SIGNAL = 20_000, 400
"""Trials of the pass: the background's fix a 5 sigma threshold to a few per cent, the signal's a fraction to 0.02."""
N_BOOTSTRAP = 20
ENOUGH = 0.95
"""Higher rungs are not looked at once so many trials pass the highest threshold."""


def is_wanted(spec: Spec) -> bool:
    """Whether the spec was read with the rungs in the place of its n_sig."""
    return spec.signal.n_sig == LADDER


def of(run: Path, spec: Spec, say: Callable[[str], None], *, make: bool) -> tuple[Reach, ...] | None:
    """All of `found`, told as they come; None where they are not wanted."""
    if not is_wanted(spec):
        return None
    points = []
    for point in found(run, spec, make=make):
        say(told(point))
        points.append(point)
    return tuple(points)


def probes(spec: Spec) -> Iterator[Probe]:
    """Background trials at several declinations, and signal trials at every rung; none where they are not wanted."""
    if not is_wanted(spec):
        return
    for dec in spread(spec.background.decs, MOST_DECS):
        where = f"--dec={number(dec)}"
        yield Probe(("bg_trials", where, f"--n={N_BACKGROUND}", f"--seed={SEED}"), (dec, None, None), 0, N_BACKGROUND)
        for level in spec.signal.levels:
            spectrum = [] if level is None else [f"--gamma={number(level)}"]
            for n_sig in LADDER:
                flags = (where, f"--n_sig={number(n_sig)}", *spectrum, f"--n={N_SIGNAL}", f"--seed={SEED}")
                yield Probe(("sig_trials", *flags), (dec, n_sig, None), 0, N_SIGNAL)


def found(run: Path, spec: Spec, *, make: bool) -> Iterator[Reach]:
    """Sensitivity and highest discovery potential, in events, at each declination and spectrum of the pass.

    Parameters
    ----------
    make : bool
        Make the trials here, in this process; False: the probes of a pool made them.

    Raises
    ------
    InputError
        A file is missing, or no rung is high enough.
    """
    places = layout.decimals(spec.background.decs)
    for dec in spread(spec.background.decs, MOST_DECS):
        if make:
            _quietly(trials.bg_trials, run, dec, N_BACKGROUND, SEED, 0)
        background = TSD.from_trials(_ts(run, layout.bg_dir(spec.name, dec, places), N_BACKGROUND))
        for level in spec.signal.levels:
            yield _reach(run, spec, dec, level, background, make=make)


def told(point: Reach) -> str:
    """A declination and spectrum on one line."""
    spectrum = "" if point.gamma is None else f", gamma {point.gamma:g}"
    return (
        f"dec {point.dec_deg:+g} deg{spectrum}: sensitivity near {point.sensitivity:.3g} events, highest discovery "
        f"potential near {point.discovery:.3g}"
    )


def lines(found: Pilot) -> Iterator[str]:
    """The grid that follows."""
    if found.reach is not None:
        grid = n_sig_grid([point.model_dump() for point in found.reach])
        yield f"n_sig: goal   stands for {', '.join(f'{n_sig:g}' for n_sig in grid)} events"


def _reach(run: Path, spec: Spec, dec: float, level: float | None, background: TSD, *, make: bool) -> Reach:
    wanted, key = spec.sensitivity, rng.key(spec.seed, "reach", dec)
    try:
        thresholds = background.median(), float(background.isf_nsigma(wanted.top_nsigma, "hybrid"))
        rungs = _rungs(run, spec, dec, level, thresholds[1], make=make)
        sensitivity, discovery = (
            find_n_sig({0: background, **rungs}, threshold, beta, N_BOOTSTRAP, key).n_sig
            for threshold, beta in zip(thresholds, (wanted.beta, wanted.discovery_beta), strict=True)
        )
    except (NotBracketedError, TooFewTrialsError) as error:
        raise InputError(
            f"dec = {dec:g} deg: a quick pass does not find where n_sig should lie ({error}): write a list in the "
            "place of signal.n_sig: goal"
        ) from None
    return Reach(dec_deg=dec, gamma=level, sensitivity=round(sensitivity, 3), discovery=round(discovery, 3))


def _rungs(run: Path, spec: Spec, dec: float, level: float | None, threshold: float, *, make: bool) -> dict[float, F64]:
    """TS of the signal trials, rung by rung, up to the first at which nearly all pass."""
    rungs: dict[float, F64] = {}
    places = layout.decimals(spec.background.decs), layout.decimals(LADDER)
    for n_sig in LADDER:
        if make:
            _quietly(trials.sig_trials, run, dec, n_sig, N_SIGNAL, SEED, 0, level)
        rungs[n_sig] = _ts(run, layout.sig_dir(spec.name, dec, n_sig, *places, level), N_SIGNAL)
        if np.mean(rungs[n_sig] > threshold) > ENOUGH:
            break
    return rungs


def _quietly(task: Callable[..., None], *args: object) -> None:
    """A task prints the name of its output."""
    with redirect_stdout(StringIO()):
        task(*args)


def _ts(run: Path, folder: PurePosixPath, n: int) -> F64:
    array = store.load_array(run, folder / layout.trials_name(n, SEED), n, TRIAL_DTYPE)
    return np.asarray(array["ts"], np.float64)
