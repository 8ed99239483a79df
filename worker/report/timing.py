"""Cost of the run: CPU time and memory of each stage."""

from collections.abc import Mapping
from typing import Any

from worker.base.errors import InputError
from worker.base.task_rows import LAST, ROWS
from worker.report import formats, style
from worker.report.numbers import columns
from worker.report.plot import Drawing
from worker.report.results import Results


def stages(results: Results) -> list[tuple[str, Mapping[str, Any]]]:
    """Stages with a known cost, in the order of the DAG."""
    timing = results.summary.get("timing") or {}
    return sorted(timing.items(), key=lambda item: (ROWS[item[0]].cost_line if item[0] in ROWS else LAST, item[0]))


def draw(results: Results) -> Drawing:
    """CPU time and peak memory of each stage as bars."""
    rows = stages(results)
    if not rows:
        raise InputError("no file has a record of its cost")
    names = [name for name, _ in rows]
    figure = style.new(11.0, 0.46 * len(rows) + 1.9)
    cpu, memory = figure.subplots(1, 2, sharey=True)
    seconds = [max(float(row["cpu_s"]), 1e-3) for _, row in rows]
    cpu.barh(names, seconds, color=style.BLUE, alpha=0.8)
    for i, (value, (_, row)) in enumerate(zip(seconds, rows, strict=True)):
        speed = f" ({formats.plain(row['n'] / value)}/s)" if row["n"] > 1 else ""
        cpu.text(1.25 * value, i, duration(value) + speed, va="center", fontsize=11)
    # Room for the text to the right of the longest bar.
    low = 0.5 * min(seconds)
    cpu.set(
        xscale="log", xlabel="CPU time of all processes [s]", xlim=(low, max(seconds) * (max(seconds) / low) ** 0.6)
    )
    peak = [float(row["max_rss_mb"]) for _, row in rows]
    asked = results.run.spec.resources.request_memory_mb
    memory.barh(names, peak, color=style.ORANGE, alpha=0.85)
    memory.axvline(asked, color=style.RED, linestyle="--", label=f"requested {asked:,} MB")
    for i, value in enumerate(peak):
        memory.text(value + 0.015 * max(*peak, asked), i, f"{value:.0f}", va="center", fontsize=11.5)
    memory.set(xlabel="largest peak memory of a process [MB]", xlim=(0, 1.15 * max(*peak, asked)))
    memory.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0))
    cpu.invert_yaxis()
    for axis in (cpu, memory):
        axis.grid(True, axis="x")
    return Drawing(
        figure,
        "CPU time of each stage, summed over its processes (log scale; in brackets what it made per CPU second: "
        "trials, skies, pixels or events), and the largest peak memory against what the spec asks for.",
        columns(
            ("stage", "files", "n", "wall_s", "cpu_s", "max_rss_mb"),
            [(name, *(row.get(k) for k in ("files", "n", "wall_s", "cpu_s", "max_rss_mb"))) for name, row in rows],
        ),
    )


def duration(seconds: float) -> str:
    """A time for people: 0.4 s, 12 min, 3.1 h."""
    for limit, unit, name in ((120.0, 1.0, "s"), (7200.0, 60.0, "min"), (172800.0, 3600.0, "h")):
        if seconds < limit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds / 86400.0:.3g} d"
