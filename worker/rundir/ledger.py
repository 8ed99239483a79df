"""An opened run: the frozen spec, the plan with its rounds, and every file that they expect (never from a glob).

`dagmaker build` writes the plan, rounds add to it (`worker.rundir.rounds`), and all tasks read it.
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
from worker.spec.point import Value
from worker.spec.sections import Spec
from worker.spec.specfile import load_resolved, text_digest


@dataclass(frozen=True)
class Run:
    """A run directory that has been opened; tasks that make trials read only path and spec.

    Attributes
    ----------
    spec_digest : str
        Digest of the frozen spec, which plan.json must have too.
    last_round : int or None
        Later rounds are ignored; None: all are used.
    """

    path: Path
    spec: Spec
    spec_digest: str
    last_round: int | None = None

    @cached_property
    def base(self) -> Mapping[str, Any]:
        """plan.json without rounds."""
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
    """One file of the plan.

    Attributes
    ----------
    path : PurePosixPath
        Relative to the run directory.
    n : int
        Trials (or skies) in it: ``[first, first + n)`` of the stream of `seed`. 0 for a map.
    band : (int, int) or None
        (band, bands) if the file has one declination band of a map.
    point : mapping
        The address of its node: ``dec`` (deg) or ``point``, ``n_sig``, ``nside``; empty for the scan.
    """

    path: PurePosixPath
    n: int
    seed: int
    first: int
    band: tuple[int, int] | None
    point: Mapping[str, Any]


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
        digest = text_digest(spec_file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{spec_file}: cannot be read ({error}); {cure}") from None
    if digest != head["spec_digest"]:
        raise InputError(
            f"{spec_file}: the spec was changed since the run was built (its digest is {digest[:12]}, the plan was "
            f"made for {head['spec_digest'][:12]}); {cure}, or edit your own spec and `dagmaker build` it again"
        )
    return Run(path, load_resolved(spec_file), digest)


def run_before_round(run: Run, number: int) -> Run:
    """Return the run without round `number` and later ones; InputError if an earlier round has not begun."""
    if len(run.rounds) < number - 1:
        path = run.path / layout.round_plan(len(run.rounds) + 1)
        command = shell.dagmaker("round", run.path, f"--round={len(run.rounds) + 1}")
        raise InputError(f"{path}: this file is missing; `{command}`")
    return replace(run, last_round=number - 1)


def expected(run: Run, task: str, **point: Value) -> list[Expected]:
    """Files of a task at a point, in the order of the stream; keys that are left out match every value.

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


def each_expected(run: Run, task: str, **point: Value) -> Iterator[Expected]:
    """As `expected`, as an iterator: a plan may have a million files."""
    for node in nodes(run, task, **point):
        yield from files_of_node(node)


def files_of_node(node: Mapping[str, Any]) -> Iterator[Expected]:
    """Files of one node of the plan, in the order of its processes; none for a task with a single file."""
    folder = PurePosixPath(node["dir"])
    for name, n, first, band in _names(node):
        yield Expected(folder / name, n, int(node.get("seed") or 0), first, band, node["args"])


def wrong_address(file: Expected, args: Mapping[str, Any]) -> str:
    """Return how the address in a file's record differs from the plan's; empty if it does not.

    Only this check finds two valid files that were swapped together with their records.
    """
    expected: dict[str, Any] = dict(file.point)
    if file.n:
        expected |= {"seed": file.seed, "first": file.first}
        expected |= {"band": f"{file.band[0]}of{file.band[1]}"} if file.band else {}
    elif file.band and file.point:
        expected |= {"band": file.band[0], "bands": file.band[1]}
    return ", ".join(f"{key} = {args.get(key)} instead of {v}" for key, v in expected.items() if args.get(key) != v)


def missing(run: Run, task: str, **point: Value) -> list[Expected]:
    """Return the files of `expected` that are absent; each folder is listed once, contents are checked when loaded."""
    absent: list[Expected] = []
    for node in nodes(run, task, **point):
        folder = PurePosixPath(node["dir"])
        present = _listing(run.path / folder)
        absent.extend(
            Expected(folder / name, n, int(node.get("seed") or 0), first, band, node["args"])
            for name, n, first, band in _names(node)
            if name not in present
        )
    return absent


def nodes(run: Run, task: str, **point: Value) -> list[Mapping[str, Any]]:
    """Return the nodes of a task whose address has exactly the values of `point`; InputError if there is none."""
    of_task = [node for node in run.plan["nodes"] if node["task"] == task]
    matching = [node for node in of_task if all(node["args"].get(key) == value for key, value in point.items())]
    if not matching:
        raise InputError(_no_such_point(run, task, of_task, point))
    return matching


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


def _no_such_point(run: Run, task: str, of_task: list[Mapping[str, Any]], point: Mapping[str, Any]) -> str:
    plan = run.path / layout.PLAN
    if not of_task:
        return f"{plan}: the plan has no task {task}; it has {', '.join(dict.fromkeys(_tasks(run)))}"
    asked = " ".join(f"{key}={_shown(value)}" for key, value in point.items())
    for key, value in point.items():
        values = sorted({node["args"][key] for node in of_task if key in node["args"]})
        if value not in values:
            shown = ", ".join(map(_shown, values[:12])) + (", ..." if len(values) > 12 else "")
            return f"{plan}: the plan has no {task} at {asked}; its values of {key} are {shown or 'none'}"
    return f"{plan}: the plan has no {task} at {asked}, though each of these values occurs in it"


def _shown(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _tasks(run: Run) -> Iterator[str]:
    return (node["task"] for node in run.plan["nodes"])


def _check_streams(run: Run, plan_nodes: Iterable[Mapping[str, Any]]) -> None:
    """Raise InputError unless the files of each stream hold every trial of the spec once."""
    spec = run.spec
    n_trials = {task: attrgetter(row.n_trials)(spec) for task, row in ROWS.items() if row.is_stream}
    ends: dict[tuple[Any, ...], int] = {}
    for node in plan_nodes:
        if node["task"] not in n_trials:
            continue
        point = layout.point(node["task"], node["args"])
        for first, n, count in node["cuts"].runs:
            if first != ends.get(point, 0):
                ends[point] = -1
                break
            ends[point] = first + n * count
    for point, end in ends.items():
        task, address = point[0], point[1:]
        if end != n_trials[task]:
            at = " ".join(f"{key}={_shown(value)}" for key, value in address)
            raise InputError(
                f"{run.path / layout.PLAN}: the files of {task} {at or 'together'} do not hold the {n_trials[task]} "
                f"trials that the spec asks for, each once; {planfile.cure(run.path)}"
            )
