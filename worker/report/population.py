"""The population test of warm spots: how many there are against the expectation, and the trial correction."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from worker.base.errors import InputError
from worker.hypotheses.sky import population
from worker.hypotheses.sky.population import Skies
from worker.report import formats, style
from worker.report.plot import Drawing
from worker.report.results import Results
from worker.report.scan import NAMES
from worker.rundir import layout
from worker.spec.sections import Spec

BAND = (0.15865, 0.84135)


def draw(results: Results) -> Drawing:
    """Number of spots against the threshold, and the smallest p-value of every background sky; by region."""
    tests, found = results.require("population"), results.require("scan")
    if not (results.run.path / layout.WARM_SPOTS).exists():
        raise InputError(f"{layout.WARM_SPOTS} is not there")
    figure = style.new(max(4.4 * len(tests), 5.5) + 0.4, 7.6)
    axes = figure.subplots(2, len(tests), squeeze=False)
    drawn: dict[str, Any] = {}
    for column, (region, test) in zip(axes.T, tests.items(), strict=True):
        skies = population.skies_of(results.run.spec, results.run.path, found, region)
        drawn |= {f"{name}_{region}": values for name, values in _numbers(column[0], skies, results.sky).items()}
        column[0].set_title(NAMES.get(region, region))
        if test["n_spots"]:
            column[0].axvline(test["x"], color=style.GREY, linestyle=":", zorder=0)
        heat = population.background(skies).mlog10p[:-1]
        drawn[f"mlog10p_{region}"] = heat
        edges = np.linspace(0, max(float(heat.max()), test["mlog10p"]) * 1.08 + 0.05, 41)
        column[1].hist(heat, list(edges), color=style.BLUE, alpha=0.4, edgecolor=style.BLUE)
        label = f"{results.sky} sky {test['mlog10p']:.2f}\npost-trial p {formats.p_value(test['p'])}"
        column[1].axvline(test["mlog10p"], color=style.RED, label=label)
        column[1].set(xlabel="−log₁₀ p at the best threshold", ylim=(0, 1.35 * column[1].get_ylim()[1]))
        column[1].legend(loc="upper right")
    axes[0, 0].set_ylabel("warm spots with −log₁₀ p ≥ x")
    axes[1, 0].set_ylabel("background skies")
    separation = results.run.spec.healpix.population
    assert separation is not None
    return Drawing(
        figure,
        f"Local maxima of TS that are at least {separation.min_separation_deg:g}° from any hotter one. Above: their "
        f"number in the {results.sky} sky against the threshold (steps), the mean of the background skies (dashed) and "
        "the central 68 % of these skies (band); dotted: the threshold with the smallest Poisson p-value. Below: that "
        "p-value in every background sky, which corrects for the choice of the threshold and for spots that are not "
        "independent. The list is complete above the smallest x shown.",
        drawn,
    )


def _numbers(axis: Axes, skies: Skies, name: str) -> dict[str, Any]:
    """Draw N(x); returns what is drawn."""
    if not len(skies.heat):
        raise InputError("no sky has a warm spot in one of the regions: write a smaller scan.warm_spots.min_ts")
    x = np.linspace(float(skies.heat.min()), float(skies.heat.max()) + 0.1, 101)
    counts = skies.counts(x)
    low, high = np.quantile(counts[:-1], BAND, axis=0)
    expected = counts[:-1].mean(axis=0)
    axis.fill_between(x, low, high, color=style.BLUE, alpha=0.2, step="post")
    axis.plot(x, expected, color=style.BLUE, linestyle="--", label="background skies")
    axis.step(x, counts[-1], color=style.RED, where="post", label=f"{name} sky")
    axis.set(yscale="symlog", xlabel="x", ylim=(0, None))
    axis.legend(loc="upper right")
    return {"x": x, "n": counts[-1], "expected": expected, "low": low, "high": high}


def sentence(spec: Spec) -> str:
    """Sentence on the test for the method; empty if the spec has none."""
    warm, test = spec.healpix.warm_spots, spec.healpix.population
    if warm is None or test is None:
        return ""
    return (
        f" The population test counts local maxima with TS of at least {warm.min_ts:g}, {test.min_separation_deg:g}° "
        "or more from any hotter one, and takes the threshold in their local p-value where the Poisson probability of "
        "so many is smallest; the same test of every background sky corrects for this choice."
    )
