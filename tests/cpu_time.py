"""CPU time of the tests: a table by file at the end of each session, and of a whole command with its daemons.

    pytest ...                                the closing table: CPU seconds of files, with --durations=N also of tests
    python -m tests.cpu_time make test        the sum over every process that the command started, a pool's too

Wall time says how busy a machine is. CPU time says what a test costs.
"""

import ctypes
import os
import subprocess
import sys
from collections.abc import Generator
from typing import Any

import pytest

FILES_SHOWN = 12
PR_SET_CHILD_SUBREAPER = 36  # of <linux/prctl.h>


class CpuTable:
    """Plugin of pytest: CPU time of each test's phases, and sums by file. Works with and without xdist."""

    def __init__(self) -> None:
        self.by_test: dict[str, float] = {}
        self.of_workers = 0.0
        self._last = used()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, Any, Any]:
        """Start the count of a test; what lies between two tests, such as imports of a collection, is of none."""
        self._last = used()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, Any, Any]:
        """Note in the report of a phase what it cost."""
        report = yield
        now = used()
        report.cpu_s, self._last = now - self._last, now
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Sum where the session is: in the one process, or in the one that hands out the tests."""
        self.by_test[report.nodeid] = self.by_test.get(report.nodeid, 0.0) + getattr(report, "cpu_s", 0.0)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Tell the process that hands out tests what this one cost in all."""
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["cpu_s"] = used()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """Add the cost of a process of xdist."""
        self.of_workers += getattr(node, "workeroutput", {}).get("cpu_s", 0.0)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        """Print the table."""
        total = self.of_workers + used(children=not self.of_workers)
        total = max(total, sum(self.by_test.values()))  # a process that was interrupted tells nothing at its end
        terminalreporter.section(f"CPU time: {total:.0f} s in all, without the daemons and jobs of a pool")
        by_file: dict[str, float] = {}
        for test, seconds in self.by_test.items():
            file = test.partition("::")[0]
            by_file[file] = by_file.get(file, 0.0) + seconds
        for costs, n in ((by_file, FILES_SHOWN), (self.by_test, config.getoption("durations") or 0)):
            for name, seconds in sorted(costs.items(), key=lambda item: -item[1])[:n]:
                terminalreporter.write_line(f"{seconds:7.1f} s  {name}")


def used(children: bool = True) -> float:
    """CPU seconds (user and system) of this process and of its children that have ended and were waited for."""
    times = os.times()
    return times.user + times.system + children * (times.children_user + times.children_system)


def main(argv: list[str]) -> int:
    """Run a command, wait for it and for every process that it leaves behind; print what all of them cost."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # orphans become our children, so that they can be counted
    command = subprocess.Popen(argv)
    code = None
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            break
        if pid == command.pid:
            code = command.returncode = os.waitstatus_to_exitcode(status)
    print(f"{used() / 60:.1f} CPU minutes, exit code {code}: {' '.join(argv)}")
    return code if code is not None and code >= 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
