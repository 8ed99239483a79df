"""Number of trials on the declination grid, and by n_sig and declination."""

import math

import numpy as np
from matplotlib.axes import Axes

from worker.base.task_rows import SIG_TRIALS
from worker.report import style
from worker.report.numbers import columns
from worker.report.plot import Drawing
from worker.report.results import Results
from worker.rundir.ledger import each_expected


def draw(results: Results) -> Drawing:
    """Background trials per declination above, signal trials per declination and n_sig below."""
    spec = results.run.spec
    background = {shape.dec_deg: shape.n for shape in results.shapes}
    signal = signal_counts(results)
    figure = style.new(9.0, 5.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2))
    _background(upper, spec.background.decs, background)
    planned = _planned(results)
    _signal(lower, tuple(planned), signal)
    style.sin_dec_axis(upper, label=False)
    style.sin_dec_axis(lower, degrees=False)
    full = sum(signal.get(point, 0) >= n for point, n in planned.items())
    rounds = " (with what rounds have added)" if results.run.rounds else f" ({spec.signal.n_trials:,} each)"
    return Drawing(
        figure,
        f"The declination grid: {len(spec.background.decs)} declinations, of which {len(background)} have background "
        f"trials (planned: {spec.background.n_trials:,} each). Below, each square is one (declination, n_sig) with its "
        f"number of signal trials; {full} of {len(planned)} have all that were planned{rounds}. Crosses have none.",
        columns(
            ("dec_deg", "n_sig", "n_trials"),
            [(dec, 0.0, background.get(dec, 0)) for dec in spec.background.decs]
            + [(*point, signal.get(point, 0)) for point in planned],
        ),
    )


def signal_counts(results: Results) -> dict[tuple[float, float], int]:
    """Signal trials by (dec, n_sig) of the first spectrum; from the summary if possible, which is fast."""
    bias = results.summary.get("bias")
    if bias:
        return {(float(d["dec_deg"]), float(row["n_sig"])): int(row["n"]) for d in bias for row in d["rows"]}
    counts = {}
    for dec in results.run.spec.background.decs:
        for n_sig, trials in (results.signal(results.run.spec.at(dec)) or {}).items():
            counts[dec, n_sig] = len(trials)
    return counts


def _planned(results: Results) -> dict[tuple[float, float], int]:
    """Planned signal trials, with those of rounds, by (dec, n_sig) of the first spectrum."""
    level = results.run.spec.signal.levels[0]
    point = {} if level is None else {"gamma": level}
    planned: dict[tuple[float, float], int] = {}
    for file in each_expected(results.run, SIG_TRIALS, **point):
        at = float(file.point["dec"]), float(file.point["n_sig"])
        planned[at] = planned.get(at, 0) + file.n
    return dict(sorted(planned.items()))


def _background(axis: Axes, decs: tuple[float, ...], counts: dict[float, int]) -> None:
    x = np.sin(np.radians(decs))
    n = np.array([counts.get(dec, 0) for dec in decs])
    axis.vlines(x, 0, n, color=style.BLUE, linewidth=1.2)
    axis.plot(x[n > 0], n[n > 0], "o", color=style.BLUE, markersize=4 if len(decs) > 60 else 6)
    style.crosses(axis, x[n == 0], n[n == 0], style.RED)
    axis.set_ylim(0, 1.18 * max(int(n.max()), 1))
    axis.set_ylabel("background\ntrials")


def _signal(axis: Axes, at: tuple[tuple[float, float], ...], counts: dict[tuple[float, float], int]) -> None:
    points = [(math.sin(math.radians(dec)), n_sig, counts.get((dec, n_sig), 0)) for dec, n_sig in at]
    decs, n_sigs = {dec for dec, _ in at}, [n_sig for _, n_sig in at]
    x, y, n = np.array(points).T
    size = 34 if len(decs) <= 60 else 10
    present = n > 0
    drawn = axis.scatter(
        x[present], y[present], c=n[present], s=size, marker="s", cmap="viridis_r", vmin=0, vmax=max(n.max(), 1)
    )
    style.crosses(axis, x[~present], y[~present], style.RED)
    axis.figure.colorbar(drawn, ax=axis, label="signal trials", pad=0.01)
    axis.set_ylim(0, 1.06 * max(n_sigs))
    axis.set_ylabel("n_sig [events]")
