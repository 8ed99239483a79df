"""replay: make a file again beside the run, or one trial of it, and compare bits."""

from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base.arrays import BadFormatError, parse_npy
from worker.base.errors import InputError, SpecError
from worker.base.reading import file_bytes
from worker.base.task_rows import ROWS, SCAN_TRIALS, many
from worker.engines.table import engine_of
from worker.rundir import layout, store
from worker.rundir.ledger import Run, open_run
from worker.tasks import context, scratch_run, trials

AT_MOST_LOWER = 1e-3
"""A fitted TS is never lower than the brute-force grid by more than this."""


class Difference(NamedTuple):
    """How a file differs from what its task makes; empty where it does not."""

    path: str
    text: str


def replay(path: Path, file: str, trial: int | None) -> dict[str, Any]:
    """Print what was compared; returns what was made again.

    Raises
    ------
    InputError
        If a bit differs.
    """
    run = open_run(path)
    rel = inside(run, file)
    more: dict[str, Any] = {}
    if trial is None:
        with scratch_run.create(run) as root:
            found = difference(run, rel, root)
        if found:
            raise InputError(f"{path / rel}: not reproduced: {found}")
        task, args = scratch_run.task_and_arguments(run, rel)
        print(f"reproduced: {rel}: {_same(run, 'bytes')}, made again by {task} {_told(args)}")
    else:
        task, args = scratch_run.task_and_arguments(run, rel)
        more = _one(run, rel, trial, task, args)
    return {"reproduced": True, "file": str(rel), "task": task, "arguments": args, "trial": trial, **more}


def inside(run: Run, file: str) -> PurePosixPath:
    """A file of the run, given from its directory or from here."""
    given, root = Path(file), run.path.resolve()
    for found in (root / given, given.resolve()):
        if found.is_file() and found.resolve().is_relative_to(root):
            return PurePosixPath(found.resolve().relative_to(root).as_posix())
    raise InputError(f"{file}: there is no such file in {run.path}; write its path from there, such as trials/...npy")


def difference(run: Run, rel: PurePosixPath, root: Path) -> str:
    """Make a file of trials again in the scratch directory `root` and compare; empty where all bits agree.

    Of what a CUDA device has made, TS must agree within `Engine.tolerance`.
    """
    task, args = scratch_run.task_and_arguments(run, rel)
    if task not in many():
        raise SpecError(f"--file={rel}: is made by {task} from other files; `dagmaker review` makes those again")
    scratch_run.run_task(root, task, **args)
    try:
        mine = (root / rel).read_bytes()
    except FileNotFoundError:
        return f"its record is that of {task} {_told(args)}, which makes a file of another name"
    theirs = file_bytes(run.path / rel)
    store.remove(root, rel)
    return "" if mine == theirs else _first_difference(mine, theirs, engine_of(run.spec).tolerance)


def agree(here: NDArray[np.void], there: NDArray[np.void], tolerance: float) -> NDArray[np.bool_]:
    """Which entries are the same, (n,): bit by bit, or in TS within a tolerance that is not 0."""
    if tolerance:
        same = np.abs(here["ts"] - there["ts"]) <= tolerance
    else:
        same = here.reshape(len(here), -1).view(np.uint8) == there.reshape(len(there), -1).view(np.uint8)
    rows: NDArray[np.bool_] = same.reshape(len(here), -1).all(axis=1)
    return rows


def _first_difference(mine: bytes, theirs: bytes, tolerance: float) -> str:
    try:
        here, there = parse_npy(mine), parse_npy(theirs)
    except BadFormatError as error:
        return f"it cannot be read: {error}"
    if here.shape != there.shape or here.dtype != there.dtype:
        return f"it holds {there.dtype} {there.shape}, made again {here.dtype} {here.shape}"
    wrong = np.flatnonzero(~agree(here, there, tolerance))
    if not len(wrong):
        return "" if tolerance else "its header differs"
    k = int(wrong[0])
    return (
        f"{len(wrong)} of {len(here)} entries differ, the first is {k}: {shown(there[k])}, made again {shown(here[k])}"
    )


def shown(row: Any) -> str:
    """An entry of a file in a line of text."""
    flat = np.atleast_1d(row)
    text = str(flat[0] if len(flat) == 1 else flat[:2])
    return text if len(text) < 120 else text[:117] + "..."


def _told(args: dict[str, Any]) -> str:
    return " ".join(f"--{key}={value}" for key, value in args.items() if value is not None)


def _one(run: Run, rel: PurePosixPath, trial: int, task: str, args: dict[str, Any]) -> dict[str, Any]:
    """One trial: run alone, compared with its row, and looked into; what was found, of trials of one declination."""
    if not (row := ROWS.get(task)) or not row.is_stream:
        raise SpecError(f"--trial={trial}: {rel} holds no trials; leave --trial out")
    rows = store.load_array(run.path, rel)
    if not 0 <= trial < len(rows):
        raise SpecError(f"--trial={trial}: {rel} holds {len(rows)} trials, 0 to {len(rows) - 1}")
    if row.of_sky:
        _one_sky(run, rel, args, trial, rows[trial])
        return {}
    dec, k = float(args["dec"]), int(args["first"]) + trial
    engine, stream = context.engine(run), trials.stream(run, dec, args["seed"], args.get("n_sig"), args.get("gamma"))
    alone = stream.trials(engine, k, 1)[0]
    _compare(run, rel, trial, alone, rows[trial])
    fit = {name: float(alone[name]) for name in engine.columns.names or ()}
    others = "".join(f", {name} {value:.4f}" for name, value in fit.items() if name != "ts")
    print(f"fit: TS {fit['ts']:.6f}{others}")
    if "explain" not in engine.supports:
        return {"fit": fit}
    told = engine.explain(float(np.radians(dec)), stream.key, k, alone, stream.signal)
    print(*told.lines, sep="\n")
    best = told.brute_force
    if fit["ts"] < best[0] - AT_MOST_LOWER:
        raise InputError(
            f"{run.path / rel}: trial {trial}: brute force finds TS {best[0]:.6f}, the fit {fit['ts']:.6f}"
        )
    from worker.report import trial as drawing

    picture = PurePosixPath("replay") / f"{rel.stem}_{_point(args)}_trial_{k:07d}.png"
    title = f"{run.spec.name}: {task} at dec {dec:g}°, trial {k}"
    drawing.write(run.path, picture, title, told, (fit["ts"], fit["ns"], fit["gamma"]))
    print(f"-> {picture}")
    found = dict(zip(("ts", "ns", "gamma"), best, strict=True))
    return {"fit": fit, "brute_force": found, "picture": str(picture)}


def _point(args: dict[str, Any]) -> str:
    return "_".join(f"{key}_{args[key]:g}" for key in ("dec", "n_sig", "gamma") if args.get(key) is not None)


def _same(run: Run, what: str) -> str:
    tolerance = engine_of(run.spec).tolerance
    return f"a device's TS within {tolerance:g}" if tolerance else f"the same {what}"


def _compare(run: Run, rel: PurePosixPath, trial: int, alone: Any, row: Any) -> None:
    if not agree(np.atleast_2d(alone), np.atleast_2d(row), engine_of(run.spec).tolerance)[0]:
        raise InputError(
            f"{run.path / rel}: trial {trial}: not reproduced: {shown(row)} in the file, alone {shown(alone)}"
        )
    print(f"reproduced: {rel}: trial {trial}, run alone, has {_same(run, 'bits as in the file')}")


def _one_sky(run: Run, rel: PurePosixPath, args: dict[str, Any], trial: int, row: NDArray[np.void]) -> None:
    first = int(args["first"]) + trial
    with scratch_run.create(run) as root:
        scratch_run.run_task(root, SCAN_TRIALS, **{**args, "n": 1, "first": first})
        band = args.get("band")
        part = (int(band.partition("of")[0]), int(band.partition("of")[2])) if band else None
        alone = store.load_array(root, rel.parent / layout.sky_name(rel, 1, args["seed"], first, part))[0]
    _compare(run, rel, trial, alone, row)
    best = int(np.argmax(row["ts"]))
    told = ", ".join(f"{name} {row[name][best]:.4f}" for name in ("ts", "ns", "gamma"))
    print(f"sky {first}: {len(row)} rings; largest TS in pixel {row['pixel'][best]}: {told}")
