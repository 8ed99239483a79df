"""bg_trials, sig_trials: one file of pseudo-experiments of one point."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import SpecError
from worker.base.key import Key
from worker.base.task_rows import BG_TRIALS, ROWS, SIG_TRIALS
from worker.engines.protocol import Engine, Signal, Tilt
from worker.engines.table import engine_of
from worker.rundir import address, layout
from worker.rundir.ledger import Expected, Run, open_run
from worker.spec import levels
from worker.spec.point import Point
from worker.tasks import context
from worker.tasks.resume import Output, Work, produce


class Stream(NamedTuple):
    """A stream of trials: point, key, injected signal, and tilts of background trials if it has some."""

    at: Point
    key: Key
    signal: Signal | None
    tilts: tuple[Tilt, ...] = ()

    def trials(self, engine: Engine, first: int, n: int) -> NDArray[np.void]:
        """Trials [first, first + n), (n,) of the engine's columns, or of its columns of tilted trials.

        Raises
        ------
        SpecError
            This signal cannot be injected at this point.
        """
        if self.tilts:
            return engine.tail_trials(self.at, self.key, first, n, self.tilts)
        try:
            return engine.trials(self.at, self.key, first, n, self.signal)
        except ValueError as error:
            if self.signal is None:
                raise
            raise SpecError(f"signal trials at {self.at}, n_sig = {self.signal.n_sig:g}: {error}") from None


def bg_trials(
    path: Path, dec: float | None, n: int, seed: int, first: int, part: int = 0, point: str | None = None
) -> None:
    """Background trials [first, first + n) of the stream of a point and a seed."""
    run = open_run(path)
    at = context.point(run.spec, dec, point)
    rel = layout.part_dir(layout.bg_dir(run.spec.name, at), part) / layout.trials_name(n, seed, first)
    args = {**at.args, "seed": seed, "first": first} | layout.part_address(part)
    output = Output(BG_TRIALS, rel, args, context.trial_digest(run, BG_TRIALS), n, context.columns(run))
    make(run, output, first, stream(run, at, seed))


def sig_trials(
    path: Path,
    dec: float | None,
    n_sig: float,
    n: int,
    seed: int,
    first: int,
    gamma: float | None = None,
    part: int = 0,
    point: str | None = None,
) -> None:
    """Signal trials [first, first + n) of the stream of a point, n_sig, spectrum and seed."""
    run = open_run(path)
    places = levels.decimals([*run.spec.signal.n_sig])
    level = context.level_of(run.spec.signal, gamma)
    at = context.point(run.spec, dec, point)
    folder = layout.sig_dir(run.spec.name, at, n_sig, places, level)
    if abs(round(n_sig, max(places, 1)) - n_sig) > 1e-9:
        raise SpecError(f"--n_sig={n_sig:g}: directories have {max(places, 1)} decimals; add it to signal.n_sig")
    rel = layout.part_dir(folder, part) / layout.trials_name(n, seed, first)
    digest = context.signal_digest(run, gamma)
    args = {**at.args, "n_sig": n_sig, "seed": seed, "first": first} | ({} if level is None else {"gamma": level})
    args |= layout.part_address(part)
    output = Output(SIG_TRIALS, rel, args, digest, n, context.columns(run))
    make(run, output, first, stream(run, at, seed, n_sig, gamma))


def make(run: Run, output: Output, first: int, source: Stream) -> None:
    """Write a file of trials [first, first + n) of a stream unless it exists."""

    def set_up() -> Work:
        engine = context.engine(run, device=ROWS[output.task].on_device)
        return Work(output.n, engine.block, lambda start, count: source.trials(engine, first + start, count))

    produce(run, output, set_up)


def injected_counts(run: Run, files: Iterable[Expected]) -> NDArray[np.int32] | None:
    """Number of injected events of each trial of planned files, from its address.

    None if numbers are drawn and the engine has no strata.
    """
    if not run.spec.signal.draws_poisson:
        return np.concatenate([np.full(file.n, round(file.point["n_sig"]), np.int32) for file in files])
    if "strata" not in context.engine_facts(run).supports:
        return None
    engine = engine_of(context.without_device(run.spec))
    counts = []
    for file in files:
        n_sig = file.point["n_sig"]
        source = stream(run, run.spec.point_of(file.point), file.seed, n_sig, file.point.get("gamma"))
        counts.append(engine.signal_counts(source.key, file.first, file.n, n_sig))
    return np.concatenate(counts).astype(np.int32)


def stream(run: Run, at: Point, seed: int, n_sig: float | None = None, gamma: float | None = None) -> Stream:
    """The stream of background trials of a point, or of signal trials if `n_sig` is given."""
    if n_sig is None:
        return Stream(at, address.bg_trials(run.spec, at, seed), None)
    signal = Signal(n_sig, context.gamma_of(run.spec.signal, gamma))
    return Stream(at, address.sig_trials(run.spec, at, n_sig, seed, signal.gamma), signal)
