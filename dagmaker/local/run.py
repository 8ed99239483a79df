"""Run a plan on this machine: the same argv as in the DAG, on N persistent worker processes.

After an interruption (Ctrl-C, a kill, a power cut) the same command continues from the finished files.
"""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from dagmaker import lock
from dagmaker.htcondor import build, queued, rounds
from dagmaker.local import finished, takeover
from dagmaker.local.children import Children
from dagmaker.local.schedule import Schedule
from dagmaker.plan.presence import Presence
from dagmaker.plan.processes import Process, Reply
from dagmaker.result import Result
from dagmaker.status import display, failures, progress, summary
from dagmaker.status.display import Display
from dagmaker.status.failures import Failure
from dagmaker.status.progress import Progress
from worker.base import shell
from worker.base.errors import StoppedError
from worker.base.task_rows import JUDGE
from worker.rundir import layout
from worker.spec.sections import Spec

GRACE_S = 5.0  # between SIGTERM and SIGKILL
HOPELESS = 20  # stop after this many failures if no process succeeded
NOTES = 20  # limit of different lines from successful processes


class Outcome(NamedTuple):
    """How a run ended.

    Attributes
    ----------
    code : int
        0 if none failed; the common exit code of all failures, else 1.
    """

    code: int
    failed: tuple[Failure, ...]
    blocked: tuple[str, ...]


class _Stop:
    """Signal handler that records a request to stop."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt  # second request: stop at once
        self.signal = signal.Signals(number)


@contextmanager
def _stoppable() -> Iterator[_Stop]:
    stop = _Stop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


class Runner:
    """Main loop: schedule, children and display."""

    def __init__(
        self, built: build.Built, schedule: Schedule, state: Progress, children: Children, screen: Display
    ) -> None:
        self._run = built.run
        self._spec = built.spec
        self._schedule = schedule
        self._state = state
        self._children = children
        self._screen = screen
        self.failed: list[Failure] = []
        self._well = 0
        self._notes: set[str] = set()

    def loop(self, stop: _Stop, jobs: int) -> None:
        """Run until no process can start, or until a signal."""
        while stop.signal is None:
            self._fill()
            if not self._children.busy:
                return
            for reply in self._children.replies(0.25):
                self._take(reply)
            self._screen.update(self._state, jobs)
            if len(self.failed) >= HOPELESS and not self._well:
                self._screen.say(f"{len(self.failed)} processes failed and none went well: stopping here.")
                return
        raise StoppedError(f"stopped by {stop.signal.name}")

    def argv(self, process: Process) -> tuple[str, ...]:
        """Arguments of the worker for a process."""
        return (*process.argv, f"--run={self._run}")

    def _begin_round(self, judge: str) -> None:
        """Add the nodes of a judge's decision, as `dagmaker round` does for DAGMan."""
        nodes = rounds.write_round(self._spec, self._run, int(judge.rpartition("_")[2]))
        self._state.add(self._schedule.add(judge, nodes))

    def _fill(self) -> None:
        """Start processes on all idle children."""
        while (child := self._children.idle()) is not None and (process := self._schedule.next()) is not None:
            child.give(process, self.argv(process))
            self._state.stages[process.argv[0]].started()

    def _take(self, reply: Reply) -> None:
        argv = self.argv(reply.process)
        again = False
        if reply.rc == 0:
            self._well += 1
            self._note(reply.err)
            if reply.process.argv[0] == JUDGE:
                self._begin_round(reply.process.node)
            self._schedule.succeeded(reply.process)
        else:
            again = self._schedule.failed(reply.process, reply.rc)
            log = failures.write_log(self._run, reply, argv)
            if again:
                self._screen.say(f"again: {' '.join(reply.process.argv)}: {failures.cause(reply.rc)}")
            else:
                self.failed.append(Failure(reply, argv, log))
                self._screen.say(f"failed: {' '.join(reply.process.argv)}: {failures.last_line(reply.err)}")
        self._state.stages[reply.process.argv[0]].finished(reply, again)

    def _note(self, err: str) -> None:
        """Print each different line of a successful process's stderr once."""
        for line in err.splitlines():
            if line.strip() and line not in self._notes and len(self._notes) < NOTES:
                self._notes.add(line)
                self._screen.say(line)


def _code(failed: Sequence[Failure]) -> int:
    codes = {failure.reply.rc for failure in failed}
    code = codes.pop() if len(codes) == 1 else 1
    return code if code > 0 else 1


def execute(built: build.Built, jobs: int, screen: Display, command: Sequence[str] | None = None) -> Outcome:
    """Run the missing processes of a built plan; the caller holds the lock.

    Raises
    ------
    StoppedError
        On SIGINT or SIGTERM; finished outputs are on disk.
    """
    state = progress.make(built.plan)
    schedule = Schedule(built.plan, Presence(built.run).trusted, built.spec.resources.max_retries)
    children = Children(jobs, command)
    runner = Runner(built, schedule, state, children, screen)
    schedule.on_skipped = lambda node, n: state.skip(node.task, n)
    grace_s = 0.0
    with _stoppable() as stop:
        try:
            with screen:
                schedule.begin()
                screen.update(state, jobs)
                runner.loop(stop, jobs)
        except StoppedError:
            grace_s = GRACE_S
            raise
        finally:
            children.stop(grace_s)
    return Outcome(_code(runner.failed) if runner.failed else 0, tuple(runner.failed), schedule.blocked())


def run(spec: Spec, directory: Path, jobs: int, old: Path | None = None) -> Result:
    """Build and run a spec, with progress; trials of the run `old` that hold are taken over."""
    path = build.make_directory(directory)
    with lock.held(path):
        queued.refuse(path, "worked in from here too")
        built = build.build_locked(spec, path)
        if not built.changed and finished.is_unchanged(path):
            since = f"{path}: complete, and no file changed since: nothing to do"
            return Result(_document(built, (), (), summary.read(path)), [*summary.lines(path), "", since])
        for line in takeover.take_over(path, old) if old else ():
            print(line, flush=True)
        screen = display.choose()
        try:
            outcome = execute(built, jobs, screen)
        except StoppedError as error:
            raise StoppedError(
                f"{error}: what is finished is kept; the same command goes on from there:\n"
                f"    {shell.dagmaker('run', path / layout.SPEC, f'--run={path}', f'--jobs={jobs}')}"
            ) from None
        if not outcome.failed:
            finished.save(path)
    document = _document(built, outcome.failed, outcome.blocked, None if outcome.failed else summary.read(built.run))
    lines = _report(outcome, built.run) if outcome.failed else summary.lines(built.run)
    return Result(document, lines, outcome.code if outcome.failed else 0)


def _document(
    built: build.Built, failed: Sequence[Failure], blocked: Sequence[str], results: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "name": built.spec.name,
        "run": str(built.run),
        "failed": [failure.as_json() for failure in failed],
        "not_started": list(blocked),
        "summary": results,
    }


def _report(outcome: Outcome, run: Path) -> list[str]:
    lines = ["", f"{len(outcome.failed)} processes failed:", *failures.table(outcome.failed, run)]
    if outcome.blocked:
        lines.append(f"not started, because they need what failed: {', '.join(outcome.blocked[:8])}")
    return [*lines, "What went well is kept: cure the cause and run the same command again."]
