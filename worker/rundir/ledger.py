"""What a run must contain: the frozen spec, the plan with its rounds, and from them every expected file. Never a glob.

The plan is written by `dagmaker build`, rounds are added to it (`worker.rundir.rounds`); every worker and every
aggregation reads the same one.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from worker.base import shell
from worker.base.errors import InputError
from worker.base.task_rows import ROWS
from worker.rundir import layout, planfile, rounds
from worker.spec.sections import Spec
from worker.spec.specfile import load_resolved, text_digest


@dataclass(frozen=True)
class Run:
    """A run directory that has been opened. What makes trials needs no more than path and spec.

    Attributes
    ----------
    spec_digest : str
        That of the frozen spec, which is also that of plan.json.
    last_round : int or None
        Later rounds are left aside; None: all count.
    """

    path: Path
    spec: Spec
    spec_digest: str
    last_round: int | None = None

    @cached_property
    def base(self) -> Mapping[str, Any]:
        """plan.json as it stands."""
        found = planfile.read(self.path / layout.PLAN, planfile.HEAD, planfile.cure(self.path))
        _check_streams(self, found["nodes"])
        return found

    @cached_property
    def rounds(self) -> tuple[Mapping[str, Any], ...]:
        """The plans of the rounds that have begun."""
        return tuple(rounds.load(self.path, self.spec.adaptive.max_rounds))[: self.last_round]

    @cached_property
    def plan(self) -> Mapping[str, Any]:
        """plan.json and what rounds have added to it."""
        return rounds.effective(self.base, self.rounds)

    @property
    def n_processes(self) -> int:
        """Processes of the plan, with those of the rounds that have begun."""
        return sum(max(len(node.get("cuts", ())), 1) * node.get("bands", 1) for node in self.plan["nodes"])


class Expected(NamedTuple):
    """One file that the plan promises.

    Attributes
    ----------
    path : PurePosixPath
        Relative to the run directory.
    n : int
        Trials (or skies) in it: ``[first, first + n)`` of the stream of `seed`. 0 for a map.
    band : (int, int) or None
        (band, bands) where the file holds one declination band of a map.
    point : mapping
        The address of its node: ``dec`` (deg), ``n_sig``, ``nside``; empty for the scan.
    """

    path: PurePosixPath
    n: int
    seed: int
    first: int
    band: tuple[int, int] | None
    point: Mapping[str, float]


def open_run(path: str | Path) -> Run:
    """Open a run directory.

    Raises
    ------
    InputError
        If it is no run directory, the plan cannot be read, or the spec was changed since the plan was made.
    """
    path = Path(path)
    spec_file, plan_file = path / layout.SPEC, path / layout.PLAN
    for file in (spec_file, plan_file):
        if not file.is_file():
            raise InputError(
                f"{path}: this is not a run directory: it has no {file.name}; "
                f"make one with `{shell.dagmaker('build', 'SPEC', f'--run={path}')}`"
            )
    head = planfile.read_head(plan_file, planfile.HEAD, planfile.cure(path))
    cure = f"`{shell.dagmaker('restore', path)}` puts it back"
    try:
        found = text_digest(spec_file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{spec_file}: cannot be read ({error}); {cure}") from None
    if found != head["spec_digest"]:
        raise InputError(
            f"{spec_file}: the spec was changed since the run was built (its digest is {found[:12]}, the plan was made "
            f"for {head['spec_digest'][:12]}); {cure}, or edit your own "
            "spec and `dagmaker build` it again"
        )
    return Run(path, load_resolved(spec_file), found)


def run_before_round(run: Run, number: int) -> Run:
    """The run as the judge of round `number` sees it: without that round and later ones.

    Raises
    ------
    InputError
        An earlier round has not begun.
    """
    if len(run.rounds) < number - 1:
        lost = run.path / layout.round_plan(len(run.rounds) + 1)
        again = shell.dagmaker("round", run.path, f"--round={len(run.rounds) + 1}")
        raise InputError(f"{lost}: this file is missing; `{again}`")
    return replace(run, last_round=number - 1)


def expected(run: Run, task: str, **point: float) -> list[Expected]:
    """Files of a task at a point, in the order of the stream; keys that are not given are free.

    Raises
    ------
    InputError
        If the plan has no such point; the text names those that it has.

    Examples
    --------
    ``expected(run, "sig_trials", dec=5.0)`` lists the files of every n_sig at dec 5 deg, and
    ``expected(run, "sig_trials", dec=5.0, n_sig=10.0)`` those of one.
    """
    return list(each_expected(run, task, **point))


def each_expected(run: Run, task: str, **point: float) -> Iterator[Expected]:
    """As `expected`, one at a time: a plan may promise a million files."""
    for node in nodes(run, task, **point):
        yield from files_of_node(node)


def files_of_node(node: Mapping[str, Any]) -> Iterator[Expected]:
    """Files of one node of the plan, in the order of its processes; none for a task that makes a single file."""
    folder = PurePosixPath(node["dir"])
    for name, n, first, band in _names(node):
        yield Expected(folder / name, n, int(node.get("seed") or 0), first, band, node["args"])


def wrong_address(file: Expected, args: Mapping[str, Any]) -> str:
    """How the address in a file's record differs from the place that the plan gives it; empty where it does not.

    Two whole files that were swapped, each with its record, are found by this alone.
    """
    wanted: dict[str, Any] = dict(file.point)
    if file.n:
        wanted |= {"seed": file.seed, "first": file.first}
        wanted |= {"band": f"{file.band[0]}of{file.band[1]}"} if file.band else {}
    elif file.band and file.point:
        wanted |= {"band": file.band[0], "bands": file.band[1]}
    return ", ".join(f"{key} = {args.get(key)} instead of {v}" for key, v in wanted.items() if args.get(key) != v)


def missing(run: Run, task: str, **point: float) -> list[Expected]:
    """Those of `expected` that are not there; each folder is listed once.

    Presence only: a file that is there is whole (see `worker.rundir.store`), and is checked when it is loaded.
    """
    found: list[Expected] = []
    for node in nodes(run, task, **point):
        folder = PurePosixPath(node["dir"])
        there = _listing(run.path / folder)
        found.extend(
            Expected(folder / name, n, int(node.get("seed") or 0), first, band, node["args"])
            for name, n, first, band in _names(node)
            if name not in there
        )
    return found


def nodes(run: Run, task: str, **point: float) -> list[Mapping[str, Any]]:
    """Nodes of a task whose address agrees exactly with `point`.

    Raises
    ------
    InputError
        If there is none.
    """
    of_task = [node for node in run.plan["nodes"] if node["task"] == task]
    found = [node for node in of_task if all(node["args"].get(key) == value for key, value in point.items())]
    if not found:
        raise InputError(_no_such_point(run, task, of_task, point))
    return found


def _names(node: Mapping[str, Any]) -> Iterator[tuple[str, int, int, tuple[int, int] | None]]:
    """(file name, n, first, band) of every output of a node."""
    seed, bands = int(node.get("seed") or 0), int(node.get("bands", 1))
    return layout.names(node["task"], PurePosixPath(node["dir"]), seed, node.get("cuts", ()), bands)


def _listing(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries}
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed: {error.strerror}; check its permissions and the disk") from None


def _no_such_point(run: Run, task: str, of_task: list[Mapping[str, Any]], point: Mapping[str, float]) -> str:
    plan = run.path / layout.PLAN
    if not of_task:
        return f"{plan}: the plan has no task {task}; it has {', '.join(dict.fromkeys(_tasks(run)))}"
    asked = " ".join(f"{key}={value:g}" for key, value in point.items())
    for key, value in point.items():
        values = sorted({node["args"][key] for node in of_task if key in node["args"]})
        if value not in values:
            shown = ", ".join(f"{v:g}" for v in values[:12]) + (", ..." if len(values) > 12 else "")
            return f"{plan}: the plan has no {task} at {asked}; its values of {key} are {shown or 'none'}"
    return f"{plan}: the plan has no {task} at {asked}, though each of these values occurs in it"


def _tasks(run: Run) -> Iterator[str]:
    return (node["task"] for node in run.plan["nodes"])


def _check_streams(run: Run, plan_nodes: Iterable[Mapping[str, Any]]) -> None:
    """Raise if the pieces of a stream are not those of the spec: each trial once, from 0 to the number it asks for."""
    spec = run.spec
    wanted = {task: attrgetter(row.n_trials)(spec) for task, row in ROWS.items() if row.is_stream}
    ends: dict[tuple[Any, ...], int] = {}
    for node in plan_nodes:
        if node["task"] not in wanted:
            continue
        point = layout.point(node["task"], node["args"])
        for first, n, count in node["cuts"].runs:
            if first != ends.get(point, 0):
                ends[point] = -1
                break
            ends[point] = first + n * count
    for point, end in ends.items():
        task, address = point[0], point[1:]
        if end != wanted[task]:
            at = " ".join(f"{key}={value:g}" for key, value in address)
            raise InputError(
                f"{run.path / layout.PLAN}: the files of {task} {at or 'together'} do not hold the {wanted[task]} "
                f"trials that the spec asks for, each once; {planfile.cure(run.path)}"
            )
