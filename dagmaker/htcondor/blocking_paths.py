"""What lies where an output belongs and is not ours to delete: files of another analysis, folders."""

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
    """One output that has to be made again; see `worker verify`."""

    node: str
    position: int
    path: str
    state: str
    why: str


def find(run: Path, faults: Iterable[Fault]) -> dict[PurePosixPath, str]:
    """Paths in a run directory that stand in the way of these outputs, and why."""
    found: dict[PurePosixPath, str] = {}
    for fault in faults:
        path = PurePosixPath(fault.path)
        found |= dict(_in_place_of(run, path))
        if fault.state == "foreign" and path not in found:
            found[path] = fault.why
    for name in _RESULTS:  # small trees: some tasks write more than the file that the plan names
        for folder in (run / name).rglob("*"):
            if folder.suffix in _FILES and folder.is_dir():
                found[PurePosixPath(folder.relative_to(run))] = f"a folder lies where a file {BELONGS}"
    return found


def at(run: Path, path: PurePosixPath) -> bool:
    """Whether a folder lies where an output or its record belongs, or a file where its folder belongs."""
    return any(True for _ in _in_place_of(run, path))


def _in_place_of(run: Path, path: PurePosixPath) -> Iterator[tuple[PurePosixPath, str]]:
    for rel in (path, layout.record_name(path)):
        if (run / rel).is_dir():
            yield rel, f"a folder lies where a file {BELONGS}"
    for rel in path.parents[-2::-1]:
        if (run / rel).exists() and not (run / rel).is_dir():
            yield rel, f"a file lies where a folder {BELONGS}"
            return


def refuse(run: Path, found: Mapping[PurePosixPath, str], cure: str) -> None:
    """Raise if there is anything in the way; `cure` is the command that moves it.

    Raises
    ------
    InputError
        With the first few paths.
    """
    if not found:
        return
    folders = sum(why.endswith(BELONGS) for why in found.values())
    what = [f"{len(found) - folders} sound files belong to another analysis"] if folders < len(found) else []
    what += [f"{folders} folders or files lie where an output belongs"] if folders else []
    shown = "".join(f"\n  {path}: {why}" for path, why in list(found.items())[:SHOWN])
    more = f"\n  and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    raise InputError(
        f"{run}: {' and '.join(what)}, and are not removed; `{cure}` moves them to {run / FOLDER}, or use a new run "
        f"directory:{shown}{more}"
    )


def move(run: Path, found: Iterable[PurePosixPath]) -> None:
    """Move these paths, with the records of files, below RUN/set_aside; nothing there is overwritten."""
    for path in found:
        names = (path,) if path.suffix not in _FILES else (path, layout.record_name(path))
        for rel in dict.fromkeys(names):
            if (run / rel).exists():
                place = _free(run / FOLDER / rel)
                place.parent.mkdir(parents=True, exist_ok=True)
                (run / rel).rename(place)


def _free(place: Path) -> Path:
    """The first name that is not taken: as it is, then with a number behind it."""
    number = 1
    name = place
    while name.exists():
        number += 1
        name = place.with_name(f"{place.name}.{number}")
    return name
