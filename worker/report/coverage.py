"""Number of trials on the declination grid, and by n_sig and declination."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from worker.base.task_rows import SIG_TRIALS
from worker.report import style
from worker.report.numbers import columns
from worker.report.plot import Drawing
from worker.report.points import PointAxis
from worker.report.results import Results
from worker.rundir.ledger import each_expected
from worker.spec.point import Point


def draw(results: Results) -> Drawing:
    """Background trials of each point above, signal trials of each point and n_sig below."""
    spec, points = results.run.spec, results.points
    background = {shape.at: shape.n for shape in results.shapes}
    signal = signal_counts(results)
    figure = style.new(9.0, 5.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2))
    _background(upper, points, background)
    planned = _planned(results)
    _signal(lower, points, tuple(planned), signal)
    points.draw(upper, label=False)
    points.draw(lower, degrees=False)
    full = sum(signal.get(point, 0) >= n for point, n in planned.items())
    rounds = " (with what rounds have added)" if results.run.rounds else f" ({spec.signal.n_trials:,} each)"
    grid, pair = ("The declination grid", "(declination, n_sig)") if points.on_sky else ("The points", "(point, n_sig)")
    return Drawing(
        figure,
        f"{grid}: {len(points.points)} {points.what}, of which {len(background)} have background "
        f"trials (planned: {spec.background.n_trials:,} each). Below, each square is one {pair} with its "
        f"number of signal trials; {full} of {len(planned)} have all that were planned{rounds}. Crosses have none.",
        columns(
            (*points.names, "n_sig", "n_trials"),
            [(*points.cells(at), 0.0, background.get(at, 0)) for at in points.points]
            + [(*points.cells(at), n_sig, signal.get((at, n_sig), 0)) for at, n_sig in planned],
        ),
    )


def signal_counts(results: Results) -> dict[tuple[Point, float], int]:
    """Signal trials by (point, n_sig) of the first spectrum; from the summary if possible, which is fast."""
    bias, points = results.summary.get("bias"), results.points
    if bias:
        return {(points.of(one), float(row["n_sig"])): int(row["n"]) for one in bias for row in one["rows"]}
    counts = {}
    for at in results.run.spec.signal_points:
        for n_sig, trials in (results.signal(at) or {}).items():
            counts[at, n_sig] = len(trials)
    return counts


def _planned(results: Results) -> dict[tuple[Point, float], int]:
    """Planned signal trials, with those of rounds, by (point, n_sig) of the first spectrum."""
    spec = results.run.spec
    level = spec.signal.levels[0]
    args = {} if level is None else {"gamma": level}
    planned: dict[tuple[Point, float], int] = {}
    for file in each_expected(results.run, SIG_TRIALS, **args):
        at = spec.point_of(file.point), float(file.point["n_sig"])
        planned[at] = planned.get(at, 0) + file.n
    return dict(sorted(planned.items(), key=lambda item: (results.points.x(item[0][0]), item[0][1])))


def _background(axis: Axes, points: PointAxis, counts: dict[Point, int]) -> None:
    x = points.xs(points.points)
    n = np.array([counts.get(at, 0) for at in points.points])
    axis.vlines(x, 0, n, color=style.BLUE, linewidth=1.2)
    axis.plot(x[n > 0], n[n > 0], "o", color=style.BLUE, markersize=4 if len(x) > 60 else 6)
    style.crosses(axis, x[n == 0], n[n == 0], style.RED)
    axis.set_ylim(0, 1.18 * max(int(n.max()), 1))
    axis.set_ylabel("background\ntrials")


def _signal(axis: Axes, points: PointAxis, at: tuple[tuple[Point, float], ...], counts: dict[Any, int]) -> None:
    places = [(points.x(point), n_sig, counts.get((point, n_sig), 0)) for point, n_sig in at]
    n_sigs = [n_sig for _, n_sig in at]
    x, y, n = np.array(places).T
    size = 34 if len(points.points) <= 60 else 10
    present = n > 0
    drawn = axis.scatter(
        x[present], y[present], c=n[present], s=size, marker="s", cmap="viridis_r", vmin=0, vmax=max(n.max(), 1)
    )
    style.crosses(axis, x[~present], y[~present], style.RED)
    axis.figure.colorbar(drawn, ax=axis, label="signal trials", pad=0.01)
    axis.set_ylim(0, 1.06 * max(n_sigs))
    axis.set_ylabel("n_sig [events]")
