"""The engine against a slow reading of its documentation, and against a distribution that is known beforehand."""

import numpy as np
import pytest
from scipy import stats

from tests import oracle
from worker.base import healpix
from worker.data.dataset import Dataset, EffectiveArea, Events, Season, Smearing
from worker.data.icetracks import read_release
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import scan, trials

CUTS = engine.Cuts(oracle.GAMMAS, 5.0, float(np.radians(0.2)), float(np.radians(5.0)))
TOLERANCE = 1e-6


def compare(analysis, model, nside, n_rings, n_random, n_hottest, space=None):
    """Differences of TS at positions all over the sky, for one scramble of numpy's; and the TS.

    `space`: an `oracle_psf.Space`, or a Gaussian.
    """
    generator = np.random.default_rng(4)
    turn = generator.random(analysis.sky.dec.size)
    by_season = [turn[analysis.sky.season == j] * 2 * np.pi for j in range(analysis.n_seasons)]
    rings = healpix.rings_of(nside)
    scanner = scan.Scanner(analysis, rings, keep=False)
    off, found = [], []
    for r in np.linspace(0, len(rings.dec) - 1, n_rings).round().astype(int):
        engine_says = scanner.ring(int(r), turn)
        dec = float(rings.dec[r])
        tables = oracle.signal(model, dec)
        density = space.at(dec) if space else oracle.gaussian
        tables = space.shares(tables, dec) if space else tables
        n_pix = int(rings.n_pix[r])
        hottest = np.argsort(engine_says[:, 0])[-n_hottest:]
        for p in {*generator.integers(n_pix, size=n_random).tolist(), *hottest.tolist()}:
            ra = (p + rings.shift[r]) * 2 * np.pi / n_pix
            ts, ns, gamma = oracle.ts_of(model, tables, ra, dec, by_season, density)
            off.append(ts - engine_says[p, 0])
            found.append((ts, ns, gamma, *engine_says[p]))
    return np.abs(off), np.array(found)


@pytest.mark.slow
def test_200_positions_of_the_real_season(icetracks_release):
    """Files read by the oracle itself, right ascensions scrambled."""
    season = oracle.read(icetracks_release, "IC86_I", "IC86")
    dataset = read_release(icetracks_release, ["IC86_I"], label="semi-real", sigma_max_deg=5.0)
    analysis = engine.build(dataset, CUTS)
    model = oracle.model((season,))
    off, found = compare(analysis, model, 64, 25, 5, 5)
    assert len(off) >= 200
    assert off.max() < TOLERANCE
    ts, ns, gamma, _, engine_ns, engine_gamma = found.T
    assert ts.max() > 10
    assert 0.1 < np.mean(ts == 0) < 0.7
    hot = ts > 1
    np.testing.assert_allclose(ns[hot], engine_ns[hot], rtol=1e-3)
    np.testing.assert_allclose(gamma[hot], engine_gamma[hot], atol=1e-3)


def as_read(season: Season) -> oracle.Season:
    """The arrays of a season in the oracle's own form."""
    n = len(season.smearing.dec) - 1
    start, cells = season.smearing.start, season.smearing.cells
    filled = {divmod(k, n): cells[start[k] : start[k + 1]] for k in np.flatnonzero(np.diff(start))}
    return oracle.Season(
        season.livetime_days, *season.events, season.area.log_e_nu, season.area.sin_dec, season.area.area_cm2,
        season.smearing.log_e_nu, season.smearing.dec, {(int(i), int(j)): c for (i, j), c in filled.items()},
    )  # fmt: skip


@pytest.mark.slow
def test_merged_seasons_are_the_sum_of_their_likelihoods(two_seasons):
    """ns_j = ns f_j(dec, gamma), the sums add; and a shift of a millionth of the weights would be seen."""
    model = oracle.model(tuple(as_read(season) for season in two_seasons.dataset.seasons))
    off, found = compare(two_seasons, model, 8, 8, 1, 4)
    assert off.max() < TOLERANCE
    assert found[:, 0].max() > 4
    wrong = [ev | {"pb": ev["pb"] * (1 + 1e-5)} for ev in model.events]
    assert compare(two_seasons, model._replace(events=tuple(wrong)), 8, 8, 1, 4)[0].max() > TOLERANCE


SIGMA = float(np.radians(3.0))
N = 200_000


@pytest.fixture(scope="module")
def regular():
    """Events everywhere alike, one sigma, R = 1 and gamma held: the null distribution is known."""
    generator = np.random.default_rng(6)
    dec = np.arcsin(generator.uniform(-1, 1, N)).astype(np.float32)
    log_e = generator.normal(3.0, 0.4, N).astype(np.float32)
    order = np.argsort(dec)
    events = Events(dec[order], np.full(N, SIGMA, np.float32), log_e[order])
    area = EffectiveArea(np.array([2.0, 8.0]), np.array([-1.0, 1.0]), np.ones((1, 1)))
    cuts = engine.Cuts(2.0 + 1e-4 * np.arange(5), 5.0, 1e-3, np.radians(5.0))

    def built(cells):
        smearing = Smearing(np.array([2.0, 8.0]), np.radians([-90.0, 90.0]), np.array([0, len(cells)]), cells)
        return engine.build(Dataset("synthetic", (Season("regular", 1.0, events, area, smearing),)), cuts)

    first = built(np.array([[3.0, 3.05, 0, 0.01, SIGMA, SIGMA, 1.0]], np.float32))
    at_equator = first.energy[0, first.energy.shape[1] // 2]
    edges = first.grid.edges.astype(np.float32)
    cells = np.zeros((first.grid.n, 7), np.float32)
    cells[:, 0], cells[:, 1], cells[:, 6] = edges[:-1] + 1e-4, edges[1:] - 1e-4, at_equator
    return built(cells)


@pytest.mark.slow
def test_ts_follows_the_mixture_that_theory_expects(regular):
    """One parameter at its boundary: half chi2(1), half zeros, up to two small terms that are computed here.

    S is a Gaussian in the plane: on the sphere its integral is 1 - sigma^2 / 3, which moves the score; and
    the score, a sum of some 300 weights, is skewed (Edgeworth's first term).
    """
    n = 6000
    point = trials.point_at(regular, 0.0)
    ts = trials.run(regular, point, (1, 2), 0, n)["ts"]
    n_eff = 0.5 * N * SIGMA**2
    shift, skew = -(SIGMA**2) / 3 * np.sqrt(2 * n_eff), 2**1.5 / 3 / np.sqrt(n_eff)
    eta = float(stats.norm.cdf(shift) - skew / 6 * stats.norm.pdf(0))
    error = np.sqrt(eta * (1 - eta) / n)
    assert 0.475 < eta < 0.5
    assert np.mean(ts > 0) == pytest.approx(eta, abs=3 * error)
    positive = ts[ts > 0]
    assert stats.kstest(positive, stats.chi2(1).cdf).pvalue > 0.01
    for wrong in (stats.chi2(1, scale=1.12), stats.chi2(1.12)):
        assert stats.kstest(positive, wrong.cdf).pvalue < 0.01, "negative control: such a difference is seen"
