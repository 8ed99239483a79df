"""`dagmaker status --html`: write RUN/status.html, which reloads itself while the run continues."""

import time
from pathlib import Path, PurePosixPath
from typing import Any

from dagmaker.htcondor import schedd
from dagmaker.htcondor.schedd import Answer
from dagmaker.plan import templates
from dagmaker.status import status_text, throughput
from dagmaker.status.display import duration, rate
from dagmaker.status.stages import StageStatus
from dagmaker.status.status import Status, Watcher
from dagmaker.status.throughput import Throughput
from dagmaker.status.watching import ended
from worker.base.atomic import Written, write_all

FILE = PurePosixPath("status.html")
TEMPLATE = "status/page.html.j2"
EVERY_S = 30
COLORS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#8a8a8a")
"""Okabe and Ito's palette; grey from the seventh task on."""
WIDTH, HEIGHT, LEFT, BOTTOM = 960, 220, 56, 28
"""Sizes of the throughput figure, px."""


def write(run: Path, watcher: Watcher, answer: Answer | None = None) -> Status:
    """Write the page with the present state."""
    status = watcher.look(answer)
    times = watcher.ends() or throughput.output_times(run, watcher.plan)
    text = templates.page(TEMPLATE, _values(status, throughput.binned(times), answer))
    write_all(run, [Written(FILE, text.encode("utf-8"))])
    return status


def follow(run: Path, *, once: bool) -> int:
    """Write the page repeatedly until the run has ended or Ctrl-C; prints its path."""
    watcher = Watcher(run)
    announced = False
    try:
        while True:
            begin = time.monotonic()
            answer = schedd.ask(run) if watcher.on_pool() else None
            status = write(run, watcher, answer)
            if not announced:
                print(f"-> {run / FILE}", flush=True)
                announced = True
            if once or ended(status):
                return 0
            time.sleep(max(EVERY_S, 10 * (time.monotonic() - begin)))
    except KeyboardInterrupt:
        return 0


def _values(status: Status, ends: Throughput, answer: Answer | None) -> dict[str, Any]:
    """Values of the template."""
    texts = list(status_text.lines(status, answer))
    return {
        "name": status.name, "run": status.run, "next": status.next, "verdict": status_text.verdict(status),
        "refresh": 0 if ended(status) else EVERY_S,
        "drawn_at": time.strftime("%Y-%m-%d %H:%M:%S"),
        "facts": [line for line in texts[1 : texts.index("")] if line],
        "done": sum(stage.done for stage in status.stages),
        "total": sum(stage.total for stage in status.stages),
        "stages": [_stage(stage) for stage in status.stages],
        "on_pool": bool(status.dags),
        "causes": [{**vars(cause), "title": status_text.TITLES[cause.kind]} for cause in status.causes],
        "n_bad": sum(cause.count for cause in status.causes if cause.kind != "host"),
        "chart": _chart(ends),
    }  # fmt: skip


def _stage(stage: StageStatus) -> dict[str, Any]:
    """Values of a row of the table; widths of its bar in percent."""
    parts = {"done": stage.done, "running": stage.running, "held": stage.held, "failed": stage.failed}
    return {
        "task": stage.task, "total": stage.total, "missing": stage.total - stage.done, "idle": stage.idle, **parts,
        "bar": [(name, round(100 * n / stage.total, 3)) for name, n in parts.items() if n] if stage.total else [],
        "percent": f"{100 * stage.done / stage.total:.1f}" if stage.total else "100.0",
        "trials": f"{stage.trials_done:,}" if stage.trials else "–",
        "rate": rate(stage.per_second) if stage.trials else "–",
        "left": duration(stage.left_s), "first": stage.missing[0] if stage.missing else "",
    }  # fmt: skip


def _chart(ends: Throughput) -> dict[str, Any] | None:
    """Stacked bars as rectangles; None if no process has ended."""
    if not ends.counts:
        return None
    n, top = ends.n_bins, max(ends.totals)
    step = (WIDTH - LEFT) / n
    scale = (HEIGHT - BOTTOM - 12) / top
    base = [0] * n
    series = []
    for i, (task, counts) in enumerate(ends.counts.items()):
        boxes = []
        for k, count in enumerate(counts):
            if count:
                y = HEIGHT - BOTTOM - scale * (base[k] + count)
                x, width, height = LEFT + k * step, max(step - 1, 0.5), scale * count
                boxes.append(tuple(round(v, 2) for v in (x, y, width, height)))
                base[k] += count
        series.append({"task": task, "color": COLORS[min(i, len(COLORS) - 1)], "boxes": boxes, "total": sum(counts)})
    return {
        "series": series, "width": WIDTH, "height": HEIGHT, "left": LEFT, "floor": HEIGHT - BOTTOM, "top": top,
        "bin": duration(ends.width_s),
        "times": [_time(ends, fraction) for fraction in (0.0, 0.5, 1.0)],
        "per_minute": rate(60 * max(ends.totals) / ends.width_s),
    }  # fmt: skip


def _time(ends: Throughput, fraction: float) -> dict[str, Any]:
    at = ends.begin + fraction * ends.n_bins * ends.width_s
    return {
        "x": round(LEFT + fraction * (WIDTH - LEFT), 1),
        "text": time.strftime("%m-%d %H:%M:%S", time.localtime(at)),
        "anchor": {0.0: "start", 0.5: "middle", 1.0: "end"}[fraction],
    }
