"""Spatial priors: the hottest pixel with each map of probability, against background skies."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from worker.base.errors import InputError
from worker.hypotheses.sky import priors
from worker.report import formats, style
from worker.report.plot import Drawing
from worker.report.results import Results
from worker.rundir import layout
from worker.spec.sections import Spec


def draw(results: Results) -> Drawing:
    """Largest TS plus prior of every background sky, and that of the shown sky, for each prior."""
    tests = results.require("prior_tests")
    if not (results.run.path / layout.PRIORS).exists():
        raise InputError(f"{layout.PRIORS} is not there")
    skies = priors.background(results.run.path)["prior_ts"]
    names = list(results.run.spec.healpix.prior_maps or ())
    width = min(len(names), 3)
    height = -(-len(names) // width)
    figure = style.new(max(4.4 * width, 5.5) + 0.4, 4.2 * height)
    axes = figure.subplots(height, width, squeeze=False).ravel()
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    for axis, name, of_skies in zip(axes, names, skies.T, strict=False):
        own = float(tests[name]["prior_ts"])
        top, n_bins = max(float(of_skies.max()), own) * 1.05 + 0.1, int(np.clip(2 * len(of_skies) ** 0.4, 8, 60))
        edges = np.linspace(0, top, n_bins + 1)
        axis.hist(of_skies, list(edges), color=style.BLUE, alpha=0.4, edgecolor=style.BLUE)
        label = f"{results.sky} sky {own:.2f}\np {formats.p_value(tests[name]['p'])}"
        axis.axvline(own, color=style.RED, label=label)
        axis.set(title=name, xlabel="TS + 2 ln(P / P max)", ylabel="background skies")
        axis.set_ylim(0, 1.4 * axis.get_ylim()[1])
        axis.legend(loc="upper right")
    several = _sensitivities(tests)
    if len(names) > 1:
        p = next(iter(tests.values()))["p_of_all"]
        several += f" The smallest p, corrected for the {len(names)} priors with the same skies: {formats.p_value(p)}."
    return Drawing(
        figure,
        "Hottest pixel of each sky if 2 ln(P / P max) of a spatial prior is added to its TS (0 if that is negative): "
        f"background skies, and the {results.sky} sky.{several}",
        {f"prior_ts_{name}": of_skies for name, of_skies in zip(names, skies.T, strict=True)}
        | {f"{results.sky}_{name}": [tests[name]["prior_ts"]] for name in names},
    )


def _sensitivities(tests: Mapping[str, Any]) -> str:
    """Sentence on the sensitivities to sources drawn from the priors; empty if there are none."""
    shown = [f"{name} {test['sensitivity']:.1f}" for name, test in tests.items() if test.get("sensitivity") is not None]
    return f" Sensitivity to a source drawn from the map, in events: {', '.join(shown)}." if shown else ""


def sentence(spec: Spec) -> str:
    """Sentence on the priors for the method; empty if the spec has none."""
    names = list(spec.healpix.prior_maps or ())
    if not names:
        return ""
    which = "a spatial prior" if len(names) == 1 else f"{len(names)} spatial priors"
    return (
        f" With {which} ({', '.join(names)}), 2 ln(P / P max) is added to the TS of every pixel, P max being the "
        "largest of a scanned pixel; the hottest pixel counts, and its p-value is the fraction of background "
        "skies with at least its value."
    )
