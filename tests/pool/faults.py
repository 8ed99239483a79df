"""Faults made on purpose: real signals to real processes, and a program that fails as told."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.pool import analysis, processes
from tests.pool.personal import Pool
from tests.waiting import HANG_S, until

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


def status_of(pool: Pool, run: Path) -> str:
    """What `dagmaker status` prints."""
    done = analysis.dagmaker("status", str(run), env=pool.env)
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip()


def follow(pool: Pool, run: Path) -> str:
    """Type the command that `dagmaker status` ends with into a shell; the command."""
    said = status_of(pool, run)
    head, _, command = said.rpartition("\n")[2].partition("next: ")
    assert command and not head, said
    path = f"{Path(sys.executable).parent}{os.pathsep}{pool.env['PATH']}"
    done = subprocess.run(
        ["sh", "-c", command], env=pool.env | {"PATH": path}, text=True, capture_output=True, check=False,
        stdin=subprocess.DEVNULL, timeout=HANG_S,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return command


def follow_to_the_end(pool: Pool, run: Path) -> list[str]:
    """Follow one printed command after the other until the run is complete; the commands."""
    commands: list[str] = []
    while not status_of(pool, run).endswith("\ncomplete"):
        assert len(commands) < 12, commands
        commands.append(follow(pool, run))
    return commands


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
