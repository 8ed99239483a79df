"""The population test of warm spots: by hand, uniform without a signal, and powerful with many weak sources."""

import math

import numpy as np
import pytest
from scipy import stats

from worker.stats.spots import excess, separated


def by_hand(sky, heat, n_skies, k):
    """-log10 p, threshold, N and lambda of sky k, at the best of its own spots."""
    own, best = heat[sky == k], (0.0, math.nan, 0, 0.0)
    for x in own:
        n, expected = int((own >= x).sum()), (heat >= x).sum() / n_skies
        mlog10p = -math.log10(stats.poisson.sf(n - 1, expected))
        best = (
            max(best, (mlog10p, float(x), n, float(expected))) if not math.isnan(best[1]) else (mlog10p, x, n, expected)
        )
    return best


def background(generator, n_skies, mean=6.0):
    """Spots whose p is uniform, with -log10 p above 1."""
    n = generator.poisson(mean, n_skies)
    return np.repeat(np.arange(n_skies), n), 1.0 - np.log10(generator.uniform(size=n.sum()))


def test_the_best_threshold_of_every_sky_by_hand():
    sky, heat = background(np.random.default_rng(1), 30)
    heat = np.round(heat, 1)  # equal ones too
    order = np.random.default_rng(2).permutation(len(sky))
    found = excess(sky[order], heat[order], 30)
    for k in range(30):
        one = by_hand(sky, heat, 30, k)
        assert found.mlog10p[k] == pytest.approx(one[0], rel=1e-9)
        assert (found.x[k], found.n[k]) == (one[1], one[2]) or found.mlog10p[k] == pytest.approx(0)
        assert found.expected[k] == pytest.approx(one[3])


def test_a_sky_without_spots_has_no_excess():
    found = excess(np.array([1, 1]), np.array([2.0, 3.0]), 3)
    assert found.mlog10p[[0, 2]].tolist() == [0.0, 0.0]
    assert np.isnan(found.x[0])
    assert excess(np.empty(0, np.int64), np.empty(0), 2).mlog10p.tolist() == [0.0, 0.0]


def p_of_the_last(generator, extra, n_skies=100):
    """p of the last of all skies, with `extra` spots of -log10 p above 2 in it, and its uncorrected p."""
    sky, heat = background(generator, n_skies)
    sky = np.append(sky, np.full(extra, n_skies - 1))
    heat = np.append(heat, 2.0 - np.log10(generator.uniform(size=extra)))
    found = excess(sky, heat, n_skies).mlog10p
    return np.mean(found >= found[-1]), 10.0 ** -found[-1]


def test_p_is_uniform_without_a_signal_and_the_uncorrected_one_is_not():
    generator = np.random.default_rng(3)
    p, uncorrected = np.array([p_of_the_last(generator, 0) for _ in range(400)]).T
    assert stats.kstest(p - 0.005, "uniform").pvalue > 0.01
    assert stats.kstest(uncorrected, "uniform").pvalue < 1e-6, "negative control: the choice of x is not corrected"


def test_five_weak_sources_are_found_together():
    generator = np.random.default_rng(4)
    p = np.array([p_of_the_last(generator, 5)[0] for _ in range(40)])
    assert np.mean(p <= 0.02) > 0.8


def test_spots_that_remain_are_apart_and_the_hottest():
    generator = np.random.default_rng(5)
    dec, ra = np.arcsin(generator.uniform(-1, 1, 300)), generator.uniform(0, 2 * np.pi, 300)
    heat = np.round(generator.exponential(1.0, 300), 1)
    keep = separated(dec, ra, heat, np.radians(8))
    cos = np.sin(dec)[:, None] * np.sin(dec) + np.cos(dec)[:, None] * np.cos(dec) * np.cos(ra[:, None] - ra)
    near = cos > np.cos(np.radians(8))
    np.fill_diagonal(near, False)
    assert not near[np.ix_(keep, keep)].any()
    for i in np.flatnonzero(~keep):
        rivals = np.flatnonzero(near[i] & keep)
        assert any(heat[j] > heat[i] or (heat[j] == heat[i] and j < i) for j in rivals)
    assert 20 < keep.sum() < 250
    assert separated(dec, ra, heat, 1e-6).all()
