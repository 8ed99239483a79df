"""Faults made on purpose: real signals to real processes, and a program that fails as told."""

import re
import shlex
import sys
from pathlib import Path

from tests.pool import processes
from tests.pool.personal import Pool
from tests.waiting import until

__all__ = ["edit_submit_file", "fail_times", "grow", "job", "starter_of", "until"]

# What a job starts instead of the interpreter: does something to one process, then becomes the interpreter.
WRAPPER = """\
#!/bin/sh
case "$*" in *{match}*)
{action}
esac
exec {python} "$@"
"""

FAIL_WHILE_TOKENS_LAST = """\
    for token in {tokens}/*; do
        [ -e "$token" ] && rm "$token" && echo "failing on purpose" >&2 && exit 1
    done ;;"""

NEEDS_MEMORY = """\
    {python} -c 'import time; held = b"x" * ({megabytes} << 20); time.sleep({seconds})' || exit 1 ;;"""


def job(pool: Pool, words: str) -> int:
    """Process id of a running job whose command line has `words` in it; waits for one."""

    def find() -> int | None:
        return next((pid for pid, line in processes.jobs_of(pool.home).items() if words in line), None)

    return until(find, f"a running job with {words!r}") or 0


def starter_of(pid: int) -> int:
    """Process id of the starter that watches over a job."""
    while "condor_starter" not in processes.command_line(pid):
        parent = re.search(r"^PPid:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), flags=re.MULTILINE)
        assert parent and int(parent[1]) > 1, f"process {pid} has no starter above it"
        pid = int(parent[1])
    return pid


def fail_times(run: Path, task: str, match: str, times: int) -> Path:
    """Make the process of `task` with `match` in its arguments exit 1 that many times.

    Returns the folder of tokens: one file for every failure still to come.
    """
    tokens = run.parent / "tokens"
    tokens.mkdir()
    for number in range(times):
        (tokens / str(number)).touch()
    _wrap(run, task, match, FAIL_WHILE_TOKENS_LAST.format(tokens=shlex.quote(str(tokens))))
    return tokens


def grow(run: Path, task: str, match: str, megabytes: int, seconds: float) -> None:
    """Make the process of `task` with `match` in its arguments hold that much memory for a while first."""
    _wrap(run, task, match, NEEDS_MEMORY.format(python=sys.executable, megabytes=megabytes, seconds=seconds))


def _wrap(run: Path, task: str, match: str, action: str) -> None:
    wrapper = run.parent / f"{task}.sh"
    wrapper.write_text(WRAPPER.format(match=shlex.quote(match), action=action, python=shlex.quote(sys.executable)))
    wrapper.chmod(0o755)
    edit_submit_file(run, task, r"^executable = .*$", f"executable = {wrapper}")


def edit_submit_file(run: Path, task: str, pattern: str, replacement: str) -> None:
    """Change the one line of a task's submit file that matches."""
    file = run / f"{task}.sub"
    text, n = re.subn(pattern, lambda _: replacement, file.read_text(), flags=re.MULTILINE)
    assert n == 1, f"{file}: {n} lines match {pattern!r}"
    file.write_text(text)
