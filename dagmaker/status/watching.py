"""`dagmaker status --watch`: print the status repeatedly until the run has ended."""

import sys
import time
from pathlib import Path
from typing import Any

from dagmaker import columns
from dagmaker.htcondor import schedd
from dagmaker.htcondor.schedd import Answer
from dagmaker.status import status_text
from dagmaker.status.status import Status, Watcher
from worker.base import output

EVERY_S = 5.0
BUSY = 10  # reading the status takes at most a tenth of the time
ASK_EVERY_S = 30.0


class _CachedAnswer:
    """The schedd's last answer; it is asked every `ASK_EVERY_S`, since each query costs a process."""

    def __init__(self, run: Path, watcher: Watcher) -> None:
        self._run = run
        self._watcher = watcher
        self._asked = float("-inf")
        self.last: Answer | None = None

    def answer(self) -> Answer | None:
        """The answer, at most half a minute old; None if the run was never submitted."""
        if time.monotonic() - self._asked >= ASK_EVERY_S and self._watcher.on_pool():
            self.last = schedd.ask(self._run)
            self._asked = time.monotonic()
        return self.last


def ended(status: Status) -> bool:
    """Whether the run will not change by itself: it is complete, or neither a DAG nor `dagmaker run` is active."""
    return not status.active and (status.complete or (bool(status.dags) and not status.here))


def _brief(status: Status) -> str:
    """The status as one line, for a log file."""
    stages = [s for s in status.stages if s.done < s.total or s.running or s.held] or list(status.stages[-1:])
    counts = "; ".join(
        f"{stage.task} {stage.done:,}/{stage.total:,}"
        + (f" {stage.running:,} running" if stage.running else "")
        + (f" {stage.held:,} HELD" if stage.held else "")
        + (f" {stage.failed:,} FAILED" if stage.failed else "")
        for stage in stages[:4]
    )
    text = f"{status.last_event or status.name}: {counts}" + (f"; {len(stages) - 4} more stages" if stages[4:] else "")
    return text + ("" if not status.active or status.next.endswith("--watch") else f"; next: {status.next}")


def _plain(watcher: Watcher, schedd_answer: _CachedAnswer) -> Status:
    """Print a line per change, and the whole text at the end."""
    printed = ""
    while True:
        begin = time.monotonic()
        status = watcher.look(schedd_answer.answer())
        text = _brief(status)
        if text != printed:
            print(text, flush=True)
            printed = text
        if ended(status) or not output.is_read():
            break
        time.sleep(max(EVERY_S, BUSY * (time.monotonic() - begin)))
    print("\n".join(status_text.lines(status, schedd_answer.last, columns.terminal_width())))
    return status


def _live(watcher: Watcher, schedd_answer: _CachedAnswer, console: Any) -> Status:
    """Redraw the whole text in place."""
    from rich.live import Live
    from rich.text import Text

    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            begin = time.monotonic()
            status = watcher.look(schedd_answer.answer())
            text = "\n".join(status_text.lines(status, schedd_answer.last, console.width))
            live.update(Text(output.visible(text)), refresh=True)
            if ended(status):
                return status
            time.sleep(max(EVERY_S, BUSY * (time.monotonic() - begin)))


def watch(run: Path) -> Status:
    """Follow a run until it has ended or Ctrl-C, which does not stop the run; the last status."""
    from rich.console import Console

    watcher, console = Watcher(run), Console(file=output.terminal())
    schedd_answer = _CachedAnswer(run, watcher)
    try:
        return _live(watcher, schedd_answer, console) if console.is_terminal else _plain(watcher, schedd_answer)
    except KeyboardInterrupt:
        print("\nno longer watching; the run goes on", file=sys.stderr)
        return watcher.look()
