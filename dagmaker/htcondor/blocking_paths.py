"""Files of another analysis, or folders, at the path of an output: they block it and are not deleted."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from worker.base.errors import InputError
from worker.rundir import layout

FOLDER = PurePosixPath("set_aside")
SHOWN = 5
BELONGS = "belongs"
_FILES = (".npy", ".npz", ".json", ".html", ".fits")
_RESULTS = ("prepared", "sealed", "collected", "results", "report", "rounds")


class Fault(NamedTuple):
    """An output that has to be made again; see `worker verify`."""

    node: str
    position: int
    path: str
    state: str
    why: str


def find(run: Path, faults: Iterable[Fault]) -> dict[PurePosixPath, str]:
    """Paths that block these outputs, with reasons."""
    reasons: dict[PurePosixPath, str] = {}
    for fault in faults:
        path = PurePosixPath(fault.path)
        reasons |= dict(_blockers(run, path))
        if fault.state == "foreign" and path not in reasons:
            reasons[path] = fault.why
    for name in _RESULTS:  # some tasks write more files than the plan names
        for folder in (run / name).rglob("*"):
            if folder.suffix in _FILES and folder.is_dir():
                reasons[PurePosixPath(folder.relative_to(run))] = f"a folder lies where a file {BELONGS}"
    return reasons


def is_blocked(run: Path, path: PurePosixPath) -> bool:
    """Whether a folder is at the path of an output or its record, or a file at the path of its folder."""
    return any(True for _ in _blockers(run, path))


def _blockers(run: Path, path: PurePosixPath) -> Iterator[tuple[PurePosixPath, str]]:
    for rel in (path, layout.record_name(path)):
        if (run / rel).is_dir():
            yield rel, f"a folder lies where a file {BELONGS}"
    for rel in path.parents[-2::-1]:
        if (run / rel).exists() and not (run / rel).is_dir():
            yield rel, f"a file lies where a folder {BELONGS}"
            return


def refuse(run: Path, reasons: Mapping[PurePosixPath, str], cure: str) -> None:
    """Raise if any path is blocked; `cure` is the command that moves the blocking paths.

    Raises
    ------
    InputError
        With the first few paths.
    """
    if not reasons:
        return
    folders = sum(why.endswith(BELONGS) for why in reasons.values())
    what = [f"{len(reasons) - folders} sound files belong to another analysis"] if folders < len(reasons) else []
    what += [f"{folders} folders or files lie where an output belongs"] if folders else []
    shown = "".join(f"\n  {path}: {why}" for path, why in list(reasons.items())[:SHOWN])
    more = f"\n  and {len(reasons) - SHOWN} more" if len(reasons) > SHOWN else ""
    raise InputError(
        f"{run}: {' and '.join(what)}, and are not removed; `{cure}` moves them to {run / FOLDER}, or use a new run "
        f"directory:{shown}{more}"
    )


def move(run: Path, paths: Iterable[PurePosixPath]) -> None:
    """Move paths, with the records of files, to RUN/set_aside; nothing there is overwritten."""
    for path in paths:
        names = (path,) if path.suffix not in _FILES else (path, layout.record_name(path))
        for rel in dict.fromkeys(names):
            if (run / rel).exists():
                target = _free(run / FOLDER / rel)
                target.parent.mkdir(parents=True, exist_ok=True)
                (run / rel).rename(target)


def _free(place: Path) -> Path:
    """The first free name: the path itself, else with a number appended."""
    number = 1
    name = place
    while name.exists():
        number += 1
        name = place.with_name(f"{place.name}.{number}")
    return name
