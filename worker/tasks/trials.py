"""bg_trials, sig_trials: one file of pseudo-experiments at one declination."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import InputError, SpecError
from worker.base.key import Key
from worker.engines.protocol import Engine, Signal
from worker.rundir import address, layout, store
from worker.rundir.ledger import Run, open_run
from worker.rundir.record import measure
from worker.spec import levels
from worker.tasks import context
from worker.tasks.resume import forget, in_steps


class Stream(NamedTuple):
    """A stream of trials: where (deg), its key, and what is injected."""

    dec: float
    key: Key
    signal: Signal | None

    def trials(self, engine: Engine, first: int, n: int) -> NDArray[np.void]:
        """Trials [first, first + n), (n,) of the engine's columns.

        Raises
        ------
        SpecError
            If such a signal cannot be injected there.
        """
        try:
            return engine.trials(float(np.radians(self.dec)), self.key, first, n, self.signal)
        except ValueError as error:
            if self.signal is None:
                raise
            at = f"signal trials at dec = {self.dec:g} deg, n_sig = {self.signal.n_sig:g}"
            raise SpecError(f"{at}: {error}") from None


def bg_trials(path: Path, dec: float, n: int, seed: int, first: int, part: int = 0) -> None:
    """Background trials [first, first + n) of the stream of (dec, seed)."""
    run = open_run(path)
    folder = layout.part_dir(layout.bg_dir(run.spec.name, dec, context.dec_places(run, dec)), part)
    rel = folder / layout.trials_name(n, seed, first)
    digest = context.trial_digest(run, "bg_trials")
    args = {"dec": dec, "seed": seed, "first": first} | layout.part_address(part)
    _write(run, rel, "bg_trials", args, digest, first, n, stream(run, dec, seed))


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
    _write(run, rel, "sig_trials", args, digest, first, n, stream(run, dec, seed, n_sig, gamma))


def _write(
    run: Run, rel: PurePosixPath, task: str, args: Mapping[str, Any], digest: str, first: int, n: int, of: Stream
) -> None:
    if is_done(run, rel, n, context.columns(run), digest):
        return
    with measure(task, args, digest) as meter:
        engine = context.engine(run, device=True)
        made = in_steps(run, rel, meter, n, engine.block, lambda start, count: of.trials(engine, first + start, count))
        store.save_array(run.path, rel, made, meter.record(n))
    forget(run, rel)
    print(f"-> {rel}")


def stream(run: Run, dec: float, seed: int, n_sig: float | None = None, gamma: float | None = None) -> Stream:
    """The stream of background trials at `dec` (deg), or of signal trials if `n_sig` is given."""
    if n_sig is None:
        return Stream(dec, address.bg_trials(run.spec, dec, seed), None)
    signal = Signal(n_sig, context.gamma_of(run.spec.signal, gamma))
    return Stream(dec, address.sig_trials(run.spec, dec, n_sig, seed, signal.gamma), signal)


def is_done(run: Run, rel: PurePosixPath, n: int, dtype: np.dtype[np.void], digest: str) -> bool:
    """Whether a valid output is there already; a foreign one is refused, a corrupt one will be replaced.

    Raises
    ------
    InputError
        If there is a sound file of another analysis.
    """
    state = store.state(run.path, rel, n, dtype, digest)
    if state == "foreign":
        store.load_array(run.path, rel, n, dtype, digest)  # says whose it is and what to do
        raise InputError(f"{run.path / rel}: this file belongs to another analysis; move it away")
    if state == "done":
        print(f"already done: {rel}")
    return state == "done"
