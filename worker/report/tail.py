"""Figure of the checks of tilted background trials."""

from collections.abc import Iterator
from itertools import cycle

from worker.blinding import tail_checks as of_run
from worker.hypotheses import hottest_spots
from worker.report import style
from worker.report.numbers import columns
from worker.report.plot import Drawing
from worker.report.results import Results
from worker.spec.point import Point
from worker.stats import tail_checks

COLORS = (style.GREEN, style.BLUE, style.ORANGE, style.PURPLE)


def draw(results: Results) -> Drawing:
    """Effective number and largest share at each threshold, and mean weights of the tilts that are checks."""
    results.rows("background")
    run, points = results.run, results.points
    n_sigmas = sorted({run.spec.unblind.quote_nsigma, *run.spec.sensitivity.nsigmas})
    rows = [row for at in points.points for row in _rows(results, at, n_sigmas)]
    means = list(of_run.mean_weights(run))
    figure = style.new(10.5, 7.0)
    numbers, shares, covered = figure.subplots(3, 1, sharex=True)
    for n_sigma, color in zip(n_sigmas, cycle(COLORS), strict=False):
        chosen = [(at, effective, share) for at, n, _, effective, share in rows if n == n_sigma]
        x = points.xs(at for at, _, _ in chosen)
        numbers.plot(x, [effective for _, effective, _ in chosen], "o", color=color, label=f"{n_sigma:g}σ")
        shares.plot(x, [share for _, _, share in chosen], "o", color=color)
    numbers.axhline(tail_checks.MIN_EFFECTIVE, color=style.RED, linestyle="--")
    top = 4.0 * max(effective for *_, effective, _ in rows)
    numbers.set(yscale="log", ylabel="effective trials", ylim=(0.5 * tail_checks.MIN_EFFECTIVE, top))
    numbers.legend(ncols=len(n_sigmas), loc="upper right")
    shares.axhline(tail_checks.MAX_SHARE, color=style.RED, linestyle="--")
    shares.set(yscale="log", ylabel="largest share")
    look = {"fmt": ".", "color": style.BLUE}
    x = points.xs(at for at, _, _ in means)
    covered.errorbar(x, [one.mean for *_, one in means], [one.error for *_, one in means], **look)
    covered.axhline(1.0, color=style.GREY, linestyle=":")
    covered.set(ylabel="mean weight")
    for axis in (numbers, shares, covered):
        points.draw(axis, degrees=axis is numbers, label=axis is covered)
    return Drawing(
        figure,
        "Tilted background trials. Above: as many plain trials beyond each threshold would know its p-value as well; "
        "middle: the largest part of that p-value that is one trial's. Dashed: what the check tail_weights wants. "
        "Below: mean weights of the background and of tilts that were evaluated in each trial and never sampled: 1 "
        "within errors, unless a kind of background is missing among the tilts.",
        columns(
            (*points.names, "n_sigma", "ts", "n_effective", "largest_share"),
            [(*points.cells(at), *row) for at, *row in rows],
        ),
    )


def _rows(results: Results, at: Point, n_sigmas: list[float]) -> Iterator[tuple[Point, float, float, float, float]]:
    """Point, significance, its TS, effective number of trials beyond it, and largest share of one of them."""
    tsd = hottest_spots.load_tsd(results.run, at)
    tilted = tsd.counted.tilted
    for n_sigma in n_sigmas:
        ts = of_run.threshold(tsd, n_sigma)
        yield at, n_sigma, ts, tilted.n_effective(ts), tilted.largest_share(ts)
