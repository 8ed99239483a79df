"""Sources fitted together: one source is the point source, and sums over sources and seasons are the formula."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from worker.base import rng
from worker.engines.builtin import scan
from worker.engines.builtin.analysis import table_at
from worker.engines.builtin.sources import SourceScanner
from worker.engines.builtin.stacked import Stack
from worker.engines.protocol import Sources

KEY = rng.key("scan_trials", 0)
CATALOGUE = Sources(np.radians([5.0, 5.4, -40.0, 62.0, -75.0]), np.array([0.2, 0.2005, 0.7, 0.999, 0.3]))
WEIGHTS = np.array([1.0, 3.0, 2.0, 0.5, 4.0])


def turns_of(analysis, n):
    return np.stack([scan.right_ascensions(analysis, KEY, k) for k in range(n)])


@pytest.mark.parametrize("dec", [-60.0, 5.0])
def test_one_source_is_the_point_source(two_seasons, dec):
    one = Sources(np.radians([dec]), np.array([0.3]))
    turns, expected = turns_of(two_seasons, 40), np.empty((40, 1, 3))
    SourceScanner(two_seasons, one).at(turns, expected)
    found = Stack(two_seasons, one, np.array([7.0])).at(turns)
    assert np.count_nonzero(found["ts"] > 0) > 8
    assert found["ts"] == pytest.approx(expected[:, 0, 0], abs=1e-9)
    assert found["ns"] == pytest.approx(expected[:, 0, 1], rel=1e-6, abs=1e-9)


def oracle(analysis, sources, weights, turn, g):
    """Function TS(ns) at node g of gamma, in numpy: all events against all sources."""
    sky, seasons = analysis.sky, analysis.dataset.seasons
    expected = np.array([[analysis.node_tables.at(s, dec)[1][g] for s in seasons] for dec in sources.dec])
    share = weights[:, None] * expected / (weights[:, None] * expected).sum()
    ratio = np.zeros(sky.dec.size)
    for k, dec in enumerate(sources.dec):
        ra = 2.0 * np.pi * (turn - sources.turn[k])
        a = np.stack([np.cos(sky.dec) * np.cos(ra), np.cos(sky.dec) * np.sin(ra), np.sin(sky.dec)])
        b = np.array([np.cos(dec), 0.0, np.sin(dec)])[:, None]
        psi = 2.0 * np.arctan2(np.linalg.norm(a - b, axis=0), np.linalg.norm(a + b, axis=0))
        x = psi / sky.sigma
        space = np.where(x < analysis.cuts.cut, np.exp(-0.5 * x**2), 0.0) * sky.weight
        ratio += share[k].sum() * space * table_at(analysis, dec).node[sky.row, g]
    q, n = share.sum(axis=0), analysis.n_data
    unusable = n - np.bincount(sky.season, minlength=len(n))

    def ts(ns):
        inside = np.log1p(ns * (ratio - (q / n)[sky.season])).sum()
        return 2.0 * (inside + (unusable * np.log1p(-ns * q / n)).sum())

    return ts


def test_sums_over_sources_and_seasons_are_those_of_the_formula(two_seasons):
    """At every sixth node of gamma, in three skies; the fit is never below the best node, and barely above."""
    stack, turns, gammas = Stack(two_seasons, CATALOGUE, WEIGHTS), turns_of(two_seasons, 3), two_seasons.cuts.gammas
    fitted = stack.at(turns)
    for sky, fit in zip(turns, fitted, strict=True):
        n, table = stack.table(sky)
        season = stack._season[:n].copy()
        rest, best = two_seasons.n_data - np.bincount(season, minlength=2), 0.0
        for g in range(0, gammas.size, 6):
            ts = oracle(two_seasons, CATALOGUE, WEIGHTS, sky, g)
            q = (table.share[g, 0] if g < gammas.size - 1 else table.share[-1].sum(axis=0)) / two_seasons.n_data
            for ns in (0.5, 4.0, 20.0):
                own = np.log1p(ns * (table.node[:, g] - q[season])).sum() + (rest * np.log1p(-ns * q)).sum()
                assert 2.0 * own == pytest.approx(ts(ns), abs=1e-6)
            best = max(best, -minimize_scalar(lambda ns, ts=ts: -ts(ns), bounds=(0.0, 200.0), method="bounded").fun)
        assert best - 1e-3 <= fit["ts"] <= best + 0.3
    assert (fitted["ts"] > 0).any()


def test_weights_and_company_matter(two_seasons):
    """Negative control: other weights, or one source less, are other fits; the order of the catalogue is none."""
    turns = turns_of(two_seasons, 4)
    ts = Stack(two_seasons, CATALOGUE, WEIGHTS).at(turns)["ts"]
    backwards = Sources(CATALOGUE.dec[::-1], CATALOGUE.turn[::-1])
    assert Stack(two_seasons, backwards, WEIGHTS[::-1]).at(turns)["ts"] == pytest.approx(ts, abs=1e-8)
    assert Stack(two_seasons, CATALOGUE, WEIGHTS[::-1]).at(turns)["ts"] != pytest.approx(ts, abs=1e-3)
    fewer = Sources(CATALOGUE.dec[2:], CATALOGUE.turn[2:])
    assert Stack(two_seasons, fewer, WEIGHTS[2:]).at(turns)["ts"] != pytest.approx(ts, abs=1e-3)


def test_nothing_accepted_is_refused(two_seasons):
    with pytest.raises(ValueError, match="accepts nothing"):
        Stack(two_seasons, CATALOGUE, np.zeros(5))
