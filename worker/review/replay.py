"""replay: recompute a file in a scratch directory, or one of its trials, and compare bits."""

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.base.arrays import BadFormatError, parse_npy
from worker.base.errors import InputError, SpecError
from worker.base.reading import file_bytes
from worker.base.task_rows import PATCH_TRIALS, ROWS, SCAN_TRIALS, TAIL_TRIALS, multi_file_tasks
from worker.engines.plugin.engine import Plugin
from worker.engines.protocol import Tilt
from worker.rundir import layout, store
from worker.rundir.ledger import Run, open_run
from worker.tasks import context, patches, scratch_run, tail

MAX_TS_DEFICIT = 1e-3
"""Largest allowed difference by which the fitted TS is below that of the brute-force grid."""


def replay(path: Path, file: str, trial: int | None) -> dict[str, Any]:
    """Replay a file or one trial; prints the comparison and returns it.

    Raises
    ------
    InputError
        If a bit differs.
    """
    run = open_run(path)
    rel = path_in_run(run, file)
    more: dict[str, Any] = {}
    if trial is None:
        _require_repeatable(run)
        with scratch_run.create(run) as root:
            text = difference(run, rel, root)
        if text:
            raise InputError(f"{path / rel}: not reproduced: {text}")
        task, args = scratch_run.task_and_arguments(run, rel)
        print(f"reproduced: {rel}: {_agreement(run, 'bytes')}, made again by {task} {_flags(args)}")
    else:
        task, args = scratch_run.task_and_arguments(run, rel)
        more = _replay_trial(run, rel, trial, task, args)
    return {"reproduced": True, "file": str(rel), "task": task, "arguments": args, "trial": trial, **more}


def _require_repeatable(run: Run) -> None:
    if context.engine_facts(run).deterministic == "no":
        raise SpecError(
            "--file: the engine of this run never makes the same trials again (deterministic = 'no'); "
            "`dagmaker review` compares their distributions"
        )


def path_in_run(run: Run, file: str) -> PurePosixPath:
    """Path of a file in the run; `file` is relative to the run or to the working directory."""
    given, root = Path(file), run.path.resolve()
    for candidate in (root / given, given.resolve()):
        if candidate.is_file() and candidate.resolve().is_relative_to(root):
            return PurePosixPath(candidate.resolve().relative_to(root).as_posix())
    raise InputError(f"{file}: there is no such file in {run.path}; write its path from there, such as trials/...npy")


def difference(run: Run, rel: PurePosixPath, root: Path) -> str:
    """Recompute a file of trials in the scratch directory `root`; returns the difference, empty if all bits agree.

    If a CUDA device made the file, TS must agree within `Engine.tolerance`.
    """
    task, args = scratch_run.task_and_arguments(run, rel)
    if task not in multi_file_tasks():
        raise SpecError(f"--file={rel}: is made by {task} from other files; `dagmaker review` makes those again")
    scratch_run.run_task(root, task, **args)
    try:
        remade = (root / rel).read_bytes()
    except FileNotFoundError:
        return f"its record is that of {task} {_flags(args)}, which makes a file of another name"
    stored = file_bytes(run.path / rel)
    store.remove(root, rel)
    return "" if remade == stored else _first_difference(remade, stored, context.engine_facts(run).tolerance)


def equal_rows(remade: NDArray[np.void], stored: NDArray[np.void], tolerance: float) -> NDArray[np.bool_]:
    """Which rows are equal, (n,): all bits if `tolerance` is 0, else TS within it."""
    if tolerance:
        same = np.abs(remade["ts"] - stored["ts"]) <= tolerance
    else:
        same = remade.reshape(len(remade), -1).view(np.uint8) == stored.reshape(len(stored), -1).view(np.uint8)
    rows: NDArray[np.bool_] = same.reshape(len(remade), -1).all(axis=1)
    return rows


def _first_difference(remade: bytes, stored: bytes, tolerance: float) -> str:
    try:
        new, old = parse_npy(remade), parse_npy(stored)
    except BadFormatError as error:
        return f"it cannot be read: {error}"
    if new.shape != old.shape or new.dtype != old.dtype:
        return f"it holds {old.dtype} {old.shape}, made again {new.dtype} {new.shape}"
    wrong = np.flatnonzero(~equal_rows(new, old, tolerance))
    if not len(wrong):
        return "" if tolerance else "its header differs"
    k = int(wrong[0])
    difference = f"{row_text(old[k])}, made again {row_text(new[k])}"
    return f"{len(wrong)} of {len(new)} entries differ, the first is {k}: {difference}"


def row_text(row: Any) -> str:
    """A row of a file as one line of text."""
    flat = np.atleast_1d(row)
    text = str(flat[0] if len(flat) == 1 else flat[:2])
    return text if len(text) < 120 else text[:117] + "..."


def _flags(args: dict[str, Any]) -> str:
    return " ".join(f"--{key}={value}" for key, value in args.items() if value is not None)


def _replay_trial(run: Run, rel: PurePosixPath, trial: int, task: str, args: dict[str, Any]) -> dict[str, Any]:
    """Recompute one trial, compare it with its row, and explain its fit; returns the fit (empty for a sky)."""
    if not (row := ROWS.get(task)) or not row.is_stream:
        raise SpecError(f"--trial={trial}: {rel} holds no trials; leave --trial out")
    rows = store.load_array(run.path, rel)
    if context.engine_facts(run).deterministic == "per-file":
        raise SpecError("--trial: this engine makes the same trials again only as a whole file; leave --trial out")
    _require_repeatable(run)
    if not 0 <= trial < len(rows):
        raise SpecError(f"--trial={trial}: {rel} holds {len(rows)} trials, 0 to {len(rows) - 1}")
    if task == PATCH_TRIALS:
        alone = patches.recompute(run, int(args["seed"]), int(args["first"]))(trial)[0]
        _require_equal(run, rel, trial, alone, rows[trial])
        return {}
    if row.scans_skies:
        _replay_sky(run, rel, args, trial, rows[trial])
        return {}
    at, k = run.spec.point_of(args), int(args["first"]) + trial
    engine, stream = context.engine(run), tail.stream_of(run, task, args, args["seed"])
    alone = stream.trials(engine, k, 1)[0]
    _require_equal(run, rel, trial, alone, rows[trial])
    fit = {name: float(alone[name]) for name in alone.dtype.names or ()}
    others = "".join(f", {name} {value:.4f}" for name, value in fit.items() if name != "ts")
    print(f"fit: TS {fit['ts']:.6f}{others}")
    if isinstance(engine, Plugin):
        for line in engine.lines(at, stream.key, k, stream.signal):
            print(line)
    if task == TAIL_TRIALS:
        print(*_tilt_lines(engine.tilt_of(tail.load(run, at), k), fit), sep="\n")
    if "explain" not in engine.supports or task == TAIL_TRIALS:
        return {"fit": fit}
    explanation = engine.explain(at, stream.key, k, alone, stream.signal)
    print(*explanation.lines, sep="\n")
    best = explanation.brute_force
    if fit["ts"] < best[0] - MAX_TS_DEFICIT:
        raise InputError(
            f"{run.path / rel}: trial {trial}: brute force finds TS {best[0]:.6f}, the fit {fit['ts']:.6f}"
        )
    from worker.report import trial as drawing

    picture = PurePosixPath("replay") / f"{rel.stem}_{_point(args)}_trial_{k:07d}.png"
    title = f"{run.spec.name}: {task} at {at}, trial {k}"
    drawing.write(run.path, picture, title, explanation, (fit["ts"], fit["ns"], fit["gamma"]))
    print(f"-> {picture}")
    brute_force = dict(zip(("ts", "ns", "gamma"), best, strict=True))
    return {"fit": fit, "brute_force": brute_force, "picture": str(picture)}


def _tilt_lines(tilt: Tilt | None, fit: dict[str, float]) -> Iterator[str]:
    """Where a tilted trial comes from, and what it counts."""
    if tilt is None:
        yield "drawn from: the background, as one of the plain trials among the tilted ones"
    else:
        yield f"drawn from: the tilt n = {tilt.n:g}, gamma = {tilt.gamma:g}, which has {tilt.share:.1%} of the trials"
    yield f"weight: {math.exp(fit['log_w']):.4g}; in a p-value the trial counts as so much of a plain one"


def _point(args: dict[str, Any]) -> str:
    parts = {key: args[key] for key in ("dec", "point", "n_sig", "gamma") if args.get(key) is not None}
    return "_".join(f"{key}_{value if isinstance(value, str) else f'{value:g}'}" for key, value in parts.items())


def _agreement(run: Run, what: str) -> str:
    tolerance = context.engine_facts(run).tolerance
    return f"TS within {tolerance:g}" if tolerance else f"the same {what}"


def _require_equal(run: Run, rel: PurePosixPath, trial: int, alone: Any, row: Any) -> None:
    if not equal_rows(np.atleast_2d(alone), np.atleast_2d(row), context.engine_facts(run).tolerance)[0]:
        raise InputError(
            f"{run.path / rel}: trial {trial}: not reproduced: {row_text(row)} in the file, alone {row_text(alone)}"
        )
    print(f"reproduced: {rel}: trial {trial}, run alone, has {_agreement(run, 'bits as in the file')}")


def _replay_sky(run: Run, rel: PurePosixPath, args: dict[str, Any], trial: int, row: NDArray[np.void]) -> None:
    first = int(args["first"]) + trial
    with scratch_run.create(run) as root:
        scratch_run.run_task(root, SCAN_TRIALS, **{**args, "n": 1, "first": first})
        band = args.get("band")
        part = (int(band.partition("of")[0]), int(band.partition("of")[2])) if band else None
        alone = store.load_array(root, rel.parent / layout.sky_name(rel, 1, args["seed"], first, part))[0]
    _require_equal(run, rel, trial, alone, row)
    best = row[np.argmax(row["ts"])]
    values = ", ".join(f"{name} {best[name]:{'d' if name == 'pixel' else '.4f'}}" for name in row.dtype.names or ())
    print(f"sky {first}: the largest TS of {len(row)} is at {np.argmax(row['ts'])}, counted from 0: {values}")
