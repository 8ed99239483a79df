"""tail_pilot, tail_trials: the tilts of a point, and its tilted background trials."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from worker.base.errors import SpecError
from worker.base.task_rows import TAIL_PILOT, TAIL_TRIALS
from worker.engines.protocol import Tilt
from worker.engines.table import engine_of, require
from worker.rundir import address, layout, store
from worker.rundir.ledger import Run, open_run
from worker.rundir.record import measure
from worker.spec.point import Point
from worker.tasks import context, trials
from worker.tasks.resume import Output


def tail_pilot(path: Path, dec: float | None, point: str | None = None) -> None:
    """Tilts of a point: those of the spec, or those that a pilot chooses; kept unless they exist already."""
    run = open_run(path)
    at = context.point(run.spec, dec, point)
    rel, digest = tilts_file(run, at), pilot_digest(run)
    if store.state(path, rel, None, None, digest) == "done":
        print(f"already done: {rel}")
        return
    with measure(TAIL_PILOT, dict(at.args), digest) as meter:
        tilts = choose(run, at)
        columns = dict(zip(Tilt._fields, np.array(tilts, np.float64).T, strict=True))
        store.save_arrays(path, rel, columns, meter.record(len(tilts)))
    for tilt in tilts:
        print(f"n {tilt.n:g}, gamma {tilt.gamma:g}: {f'{tilt.share:.3f}' if tilt.share else 'a check'}")
    print(f"-> {rel}")


def tail_trials(
    path: Path, dec: float | None, n: int, seed: int, first: int, part: int = 0, point: str | None = None
) -> None:
    """Tilted background trials [first, first + n) of the stream of a point and a seed."""
    run = open_run(path)
    if run.spec.background.tail == "none":
        raise SpecError("this analysis has no tilted trials: background.tail is none; write background: {tail: tilted}")
    at = context.point(run.spec, dec, point)
    tilts = load(run, at)
    rel = layout.part_dir(layout.tail_dir(run.spec.name, at), part) / layout.trials_name(n, seed, first)
    args = {**at.args, "seed": seed, "first": first} | layout.part_address(part)
    output = Output(TAIL_TRIALS, rel, args, tail_digest(run, tilts), n, columns(run))
    trials.make(run, output, first, stream(run, at, seed, tilts))


def tilts_file(run: Run, at: Point) -> PurePosixPath:
    """Path of the tilts of a point."""
    return layout.tilts_file(run.spec.name, at)


def choose(run: Run, at: Point) -> tuple[Tilt, ...]:
    """The tilts of a point: those of the spec, or those that a pilot chooses.

    Raises
    ------
    SpecError
        The engine has no tilted trials, or the data do not allow the tilts of the spec.
    """
    engine = require(context.engine(run), "tail")
    wanted = run.spec.background.tilts
    own = None if wanted == "pilot" else [Tilt(tilt.n, tilt.gamma, tilt.share) for tilt in wanted]
    try:
        return engine.tilts(at, address.tail_pilot(run.spec, at), own)
    except ValueError as error:
        raise SpecError(f"background.tilts at {at}: {error}") from None


def load(run: Run, at: Point) -> tuple[Tilt, ...]:
    """The tilts that tail_pilot kept; chosen anew where its file did not travel with the job, with the same result.

    Raises
    ------
    InputError
        The file is damaged, or of another analysis.
    """
    rel = tilts_file(run, at)
    if not (run.path / rel).exists():
        return choose(run, at)
    arrays = store.load_arrays(run.path, rel, pilot_digest(run))
    return tuple(Tilt(*map(float, row)) for row in zip(*(arrays[name] for name in Tilt._fields), strict=True))


def pilot_digest(run: Run) -> str:
    """Digest of the tilts of every point: what they are chosen from."""
    wanted = run.spec.background.tilts
    own = wanted if wanted == "pilot" else [tilt.model_dump(mode="json") for tilt in wanted]
    return context.trial_digest(run, TAIL_PILOT, tilts=own, tail=_version(run))


def tail_digest(run: Run, tilts: tuple[Tilt, ...]) -> str:
    """Digest of a file of tilted trials: its tilts belong to it."""
    return context.trial_digest(run, TAIL_TRIALS, tilts=[list(tilt) for tilt in tilts], tail=_version(run))


def digest_at(run: Run, at: Point) -> str:
    """As `tail_digest`, of a point."""
    return tail_digest(run, load(run, at))


def columns(run: Run) -> np.dtype[np.void]:
    """Columns of a file of tilted trials."""
    return require(engine_of(run.spec), "tail").tail_columns


def _version(run: Run) -> int:
    return require(engine_of(run.spec), "tail").tail_version


def stream_of(run: Run, task: str, args: Mapping[str, Any], seed: int) -> trials.Stream:
    """The stream of a task that makes trials; `args` are those of its node: the point, and ``n_sig`` and ``gamma``."""
    at = run.spec.point_of(args)
    if task == TAIL_TRIALS:
        return stream(run, at, seed)
    return trials.stream(run, at, seed, args.get("n_sig"), args.get("gamma"))


def stream(run: Run, at: Point, seed: int, tilts: tuple[Tilt, ...] | None = None) -> trials.Stream:
    """The stream of tilted trials of a point."""
    return trials.Stream(at, address.tail_trials(run.spec, at, seed), None, tilts or load(run, at))
