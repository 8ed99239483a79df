"""Display of progress: a live table on a terminal, else plain lines."""

import time
from types import TracebackType
from typing import Any, Protocol

from dagmaker.status.progress import Progress, Stage
from worker.base.output import terminal, visible
from worker.base.task_rows import ROWS

LINE_EVERY_S = 5.0


class Display(Protocol):
    """Interface between the runner and a display."""

    def __enter__(self) -> "Display": ...

    def __exit__(self, kind: Any, value: Any, trace: TracebackType | None) -> None: ...

    def update(self, progress: Progress, jobs: int) -> None:
        """Show the present state; fast enough to be called after every process."""

    def say(self, text: str) -> None:
        """Print a line at once."""


def duration(seconds: float | None) -> str:
    """``0:07``, ``2:05:10``; a dash for None."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def rate(per_second: float | None) -> str:
    """Trials per second with three digits; a dash for None."""
    if per_second is None:
        return "-"
    return f"{per_second:,.0f}" if per_second >= 100 else f"{per_second:.3g}"


class Lines:
    """A line when a stage is complete, and one every few seconds."""

    def __init__(self) -> None:
        self._last = 0.0
        self._printed: dict[str, str] = {}

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, kind: Any, value: Any, trace: TracebackType | None) -> None:
        return None

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, flush=True)

    def update(self, progress: Progress, jobs: int) -> None:
        """Print lines of stages that have changed."""
        now = time.monotonic()
        due = now - self._last >= LINE_EVERY_S
        if due:
            self._last = now
        for stage in progress.stages.values():
            if stage.done == stage.total or (due and stage.running):
                self._print_stage(stage, jobs)

    def _print_stage(self, stage: Stage, jobs: int) -> None:
        """Print a stage's line if its counts have changed."""
        counts = f"{stage.done}/{stage.total}/{stage.failed}"
        if self._printed.get(stage.task) != counts:
            self._printed[stage.task] = counts
            self.say(self._line(stage, jobs))

    @staticmethod
    def _line(stage: Stage, jobs: int) -> str:
        text = f"{stage.task:<14}{stage.done}/{stage.total}"
        if stage.failed:
            text += f", {stage.failed} failed"
        if (speed := stage.per_second()) is not None:
            text += f", {rate(speed)} {ROWS[stage.task].unit}/s"
        if stage.done < stage.total and stage.left_s(jobs) is not None:
            text += f", {duration(stage.left_s(jobs))} left"
        return text


class Table:
    """A table that is redrawn a few times per second."""

    def __init__(self, console: Any) -> None:
        from rich.live import Live

        self._live = Live(console=console, refresh_per_second=4, transient=False)
        self._drawn = 0.0

    def __enter__(self) -> "Table":
        self._live.__enter__()
        return self

    def __exit__(self, kind: Any, value: Any, trace: TracebackType | None) -> None:
        self._live.__exit__(kind, value, trace)

    def say(self, text: str) -> None:
        """Print a line above the table."""
        self._live.console.print(visible(text), markup=False, highlight=False)

    def update(self, progress: Progress, jobs: int) -> None:
        """Draw the table, at most five times per second."""
        now = time.monotonic()
        finished = all(stage.done + stage.failed == stage.total for stage in progress.stages.values())
        if now - self._drawn < 0.2 and not finished:
            return
        self._drawn = now
        self._live.update(_table(progress, jobs))


def _table(progress: Progress, jobs: int) -> Any:
    from rich.progress_bar import ProgressBar
    from rich.table import Table as RichTable

    table = RichTable(box=None, pad_edge=False)
    table.add_column("stage")
    table.add_column("", width=24)
    for title in ("done", "running", "failed", "trials/s", "left"):
        table.add_column(title, justify="right")
    for stage in progress.stages.values():
        bar = ProgressBar(total=stage.total, completed=stage.done, width=24)
        table.add_row(
            stage.task, bar, f"{stage.done}/{stage.total}", str(stage.running or ""),
            f"[red]{stage.failed}[/]" if stage.failed else "",
            rate(stage.per_second()) if stage.ran else "",
            duration(stage.left_s(jobs)) if 0 < stage.done < stage.total else "",
        )  # fmt: skip
    return table


def choose() -> Display:
    """The table on a terminal, else lines."""
    from rich.console import Console

    console = Console(file=terminal())
    return Table(console) if console.is_terminal else Lines()
