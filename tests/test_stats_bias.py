"""How far off each way of making a p-value is, for a background that is not quite a chi2: the table of the docs.

Run as ``python -m tests.test_stats_bias`` to print the rows of docs/statistics.md again.
"""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats

from worker.stats.distributions import TSD
from worker.stats.significance import nsigma_to_p

ETA = 0.6
SIGMAS = (2, 3, 4, 5)
SETS = {1_000: 400, 10_000: 200, 100_000: 60}
WAYS = (("empirical", "scale1"), ("fit", "scale1"), ("hybrid", "scale1"), ("fit", "free"), ("hybrid", "free"))
DOC = Path(__file__).parents[1] / "docs" / "statistics.md"


def truth_sf(ts):
    """TS > 0 is chi2 with 1 degree of freedom in 3 of 4 trials, with 2 in the fourth."""
    return ETA * (0.75 * stats.chi2.sf(ts, 1) + 0.25 * stats.chi2.sf(ts, 2))


def draw(generator, n):
    ndof = np.where(generator.random(n) < 0.75, 1, 2)
    return np.where(generator.random(n) < ETA, generator.chisquare(ndof), 0.0)


def thresholds():
    return [optimize.brentq(lambda ts, p=p: truth_sf(ts) - p, 0, 100) for p in nsigma_to_p(SIGMAS)]


def ratios(n):
    """Ratio of estimated and true p: (way, 3, sigma), the 16, 50 and 84 % quantiles over the data sets."""
    generator, at = np.random.default_rng(n), thresholds()
    found = np.empty((len(WAYS), SETS[n], len(SIGMAS)))
    for i in range(SETS[n]):
        trials = draw(generator, n)
        tsds = {kind: TSD.from_trials(trials, kind) for kind in ("scale1", "free")}
        for w, (how, kind) in enumerate(WAYS):
            found[w, i] = tsds[kind].sf(at, how) / nsigma_to_p(SIGMAS)
    return np.quantile(found, [0.16, 0.5, 0.84], axis=1).transpose(1, 0, 2)


def rows(n):
    for (how, kind), (low, middle, high) in zip(WAYS, ratios(n), strict=True):
        label = how if how == "empirical" else f"{how}, {'scale 1' if kind == 'scale1' else 'scale free'}"
        cells = [
            "not reached" if m > 5 else f"{m:.2f} ± {0.5 * (h - lo):.2f}"
            for lo, m, h in zip(low, middle, high, strict=True)
        ]
        yield f"| {n:,} | {label} | " + " | ".join(cells) + " |"


@pytest.mark.slow
@pytest.mark.parametrize("n", SETS)
def test_the_table_of_the_docs_is_what_is_measured(n):
    written = [line for line in DOC.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {n:,} |")]
    assert len(written) == len(WAYS)
    for line, (_, middle, _) in zip(written, ratios(n), strict=True):
        for cell, found in zip(line.split("|")[3:7], middle, strict=True):
            number = re.match(r" (\d+\.\d\d) ± ", cell)
            if number:
                assert found == pytest.approx(float(number[1]), abs=0.006)
            else:
                assert cell.strip() == "not reached"
                assert found > 5


def test_the_truth_is_what_is_drawn():
    trials = draw(np.random.default_rng(1), 1_000_000)
    for ts, p in zip(thresholds()[:2], nsigma_to_p(SIGMAS), strict=False):
        assert np.mean(trials >= ts) == pytest.approx(float(p), rel=4 / np.sqrt(1e6 * float(p)))


if __name__ == "__main__":
    for count in SETS:
        print(*rows(count), sep="\n")
