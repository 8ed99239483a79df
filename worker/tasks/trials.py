"""bg_trials, sig_trials: one file of pseudo-experiments at one declination."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import SpecError
from worker.base.task_rows import BG_TRIALS, SIG_TRIALS
from worker.engines.builtin import trials as engine
from worker.engines.builtin.inject import Injector
from worker.rundir import address, layout
from worker.rundir.ledger import Run, open_run
from worker.spec import levels
from worker.tasks import context, device
from worker.tasks.resume import Output, Work, produce

BLOCK = 500
"""Trials between two looks at the clock and at signals: a compiled loop cannot be interrupted."""


def bg_trials(path: Path, dec: float, n: int, seed: int, first: int, part: int = 0) -> None:
    """Background trials [first, first + n) of the stream of (dec, seed)."""
    run = open_run(path)
    folder = layout.part_dir(layout.bg_dir(run.spec.name, dec, context.dec_places(run, dec)), part)
    rel = folder / layout.trials_name(n, seed, first)
    digest = context.trial_digest(run, BG_TRIALS)
    args = {"dec": dec, "seed": seed, "first": first} | layout.part_address(part)

    def set_up() -> Work:
        return Work(n, device.block(run, BLOCK), _maker(run, dec, bg_key(run, dec, seed), first, None))

    produce(run, Output(BG_TRIALS, rel, args, digest, n, engine.TRIAL_DTYPE), set_up)


def sig_trials(
    path: Path, dec: float, n_sig: float, n: int, seed: int, first: int, gamma: float | None = None, part: int = 0
) -> None:
    """Signal trials [first, first + n) of the stream of (dec, n_sig, spectrum, seed)."""
    run = open_run(path)
    places = levels.decimals([*run.spec.signal.n_sig])
    level = context.level_of(run.spec.signal, gamma)
    folder = layout.sig_dir(run.spec.name, dec, n_sig, context.dec_places(run, dec), places, level)
    if abs(round(n_sig, max(places, 1)) - n_sig) > 1e-9:
        raise SpecError(f"--n_sig={n_sig:g}: directories have {max(places, 1)} decimals; add it to signal.n_sig")
    rel = layout.part_dir(folder, part) / layout.trials_name(n, seed, first)
    digest = context.signal_digest(run, gamma)
    args = {"dec": dec, "n_sig": n_sig, "seed": seed, "first": first} | ({} if level is None else {"gamma": level})
    args |= layout.part_address(part)

    def set_up() -> Work:
        key, injector = sig_key(run, dec, n_sig, seed, gamma), injector_at(run, dec, n_sig, gamma)
        return Work(n, device.block(run, BLOCK), _maker(run, dec, key, first, injector))

    produce(run, Output(SIG_TRIALS, rel, args, digest, n, engine.TRIAL_DTYPE), set_up)


def bg_key(run: Run, dec: float, seed: int) -> tuple[int, int]:
    """Address of a stream of background trials; `dec` in degrees."""
    return address.bg_trials(run.spec, dec, seed)


def sig_key(run: Run, dec: float, n_sig: float, seed: int, gamma: float | None = None) -> tuple[int, int]:
    """Address of a stream of signal trials; `dec` in degrees."""
    return address.sig_trials(run.spec, dec, n_sig, seed, context.gamma_of(run.spec.signal, gamma))


def injector_at(run: Run, dec: float, n_sig: float, gamma: float | None = None) -> Injector:
    """What injects `n_sig` events at `dec` (deg).

    Raises
    ------
    SpecError
        If the detector accepts nothing there.
    """
    signal = run.spec.signal
    try:
        spectrum, extension = context.spectrum(signal, gamma), float(np.radians(signal.extension_deg))
        return engine.injector_at(
            context.analysis(run), float(np.radians(dec)), spectrum, n_sig, signal.poisson, extension
        )
    except ValueError as error:
        raise SpecError(f"signal trials at dec = {dec:g} deg, n_sig = {n_sig:g}: {error}") from None


def _maker(
    run: Run, dec: float, key: tuple[int, int], first: int, injector: Injector | None
) -> Callable[[int, int], NDArray[np.void]]:
    """What makes trials `start` ... of a file that begins at trial `first` of the stream."""
    analysis, point, trials = context.analysis(run), context.point(run, dec), device.trial_maker(run)
    return lambda start, count: trials(analysis, point, key, first + start, count, injector)
