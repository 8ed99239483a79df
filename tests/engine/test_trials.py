"""Streams of trials: the same bits however cut; background drawn directly as if all were scrambled."""

import numpy as np
import pytest
from scipy.stats import ks_2samp, kstest

from worker.base import rng
from worker.engines.builtin import scan, trials
from worker.engines.builtin.fit import fit
from worker.engines.builtin.inject import draw_signal
from worker.engines.builtin.likelihood import workspace
from worker.engines.builtin.response import Spectrum

KEY = rng.key("trials", 1)


def test_one_file_of_1000_equals_ten_of_100_bit_for_bit(analysis):
    point = trials.point_at(analysis, np.radians(5.0))
    injector = trials.injector_at(analysis, np.radians(5.0), Spectrum(2.0), 5.0)
    for what in (None, injector):
        whole = trials.run(analysis, point, KEY, 0, 1000, what)
        parts = np.concatenate([trials.run(analysis, point, KEY, k, 100, what) for k in range(0, 1000, 100)])
        assert whole.tobytes() == parts.tobytes()


def test_streams_do_not_overlap(analysis):
    """No trial of one file occurs in another: other dec, n_sig, spectrum or file seed."""
    point = trials.point_at(analysis, np.radians(5.0))
    streams = [trials.run(analysis, point, rng.key(*a), 0, 300) for a in ((1, "bg", 5.0, 0), (1, "bg", 5.0, 1), (1, 6))]
    positive = [set(s["ts"][s["ts"] > 0]) for s in streams]
    for i, a in enumerate(positive):
        assert len(a) > 50
        assert all(not (a & b) for b in positive[i + 1 :])


def scrambled(analysis, point, n):
    """TS at one position by scrambling every event, through the scan's code path of one pixel."""
    sky, cuts = analysis.sky, analysis.cuts
    out = np.empty(n)
    work = workspace(sky.dec.size + 8, analysis.n_rows, analysis.n_seasons)
    generator = np.random.Generator(np.random.Philox(5))
    sin_dec, cos_dec = np.sin(sky.dec), np.cos(sky.dec)
    for t in range(n):
        ra = generator.uniform(-np.pi, np.pi, sky.dec.size)
        # the plain way: unit vectors, and the angle from their difference
        x = np.stack([cos_dec * np.cos(ra), cos_dec * np.sin(ra), sin_dec])
        source = np.array([np.cos(point.dec), 0.0, np.sin(point.dec)])
        psi = 2 * np.arcsin(np.minimum(np.linalg.norm(x - source[:, None], axis=0) / 2, 1))
        near = np.flatnonzero(psi < cuts.cut * sky.sigma)
        w = np.zeros((2, near.size + 8))
        w[0, : near.size] = sky.weight[near] * np.exp(-0.5 * (psi[near] / sky.sigma[near]) ** 2)
        rest = analysis.n_data - near.size
        out[t] = fit(
            near.size, w, sky.row[near], sky.season[near], rest, analysis.n_data, point.table, work, np.empty(49)
        )[0]
    return out


@pytest.mark.slow
@pytest.mark.parametrize("dec_deg", [-30.0, 5.0, 86.0])
def test_direct_drawing_is_the_same_distribution_as_scrambling(analysis, dec_deg):
    point = trials.point_at(analysis, np.radians(dec_deg))
    direct = trials.run(analysis, point, KEY, 0, 1500)["ts"]
    full = scrambled(analysis, point, 1500)
    assert ks_2samp(direct, full).pvalue > 1e-3
    assert abs((direct > 0).mean() - (full > 0).mean()) < 4 * np.sqrt(0.5 / 1500)
    event = point.candidates.event.copy()
    event["weight"] *= 1.3
    event["hard"] *= 1.3
    heavy = point._replace(candidates=point.candidates._replace(event=event))
    assert ks_2samp(trials.run(analysis, heavy, KEY, 0, 1500)["ts"], full).pvalue < 1e-3, "negative control"


def test_number_of_accepted_events_is_right(analysis):
    """The mean number of events with S > 0 is the sum of window / 2 pi, with binomial spread."""
    point = trials.point_at(analysis, np.radians(5.0))
    p = point.candidates.event["half_window"] * 2 / np.pi
    counts = np.array([trials.draw(analysis, point, KEY, t).row.size for t in range(400)])
    error = np.sqrt((p * (1 - p)).sum() / 400)
    assert abs(counts.mean() - p.sum()) < 4 * error
    assert counts.var() == pytest.approx((p * (1 - p)).sum(), rel=0.35)


def test_poisson_counts_and_fixed_counts(analysis):
    cdf = trials.poisson_cdf(3.7)
    from scipy.stats import poisson

    np.testing.assert_allclose(cdf, poisson.cdf(np.arange(cdf.size), 3.7), atol=1e-14)
    dec = np.radians(5.0)
    rows = {}
    for fixed in (True, False):
        injector = trials.injector_at(analysis, dec, Spectrum(2.0), 6.0, poisson=not fixed)
        draws = np.empty((injector.count_cdf.size, 5))
        k = [np.uint64(x) for x in KEY]
        rows[fixed] = np.array([draw_signal(injector, *k, np.uint64(t), draws) for t in range(3000)])
        counts = trials.signal_counts(KEY, 1000, 2000, 6.0, poisson=not fixed)
        np.testing.assert_array_equal(counts, rows[fixed][1000:])
    assert np.all(rows[True] == 6)
    assert abs(rows[False].mean() - 6) < 4 * np.sqrt(6 / 3000)
    assert rows[False].var() == pytest.approx(6, rel=0.12)


@pytest.mark.parametrize("dec_deg", [-89.5, -30.0, 60.0])
def test_signal_is_drawn_jointly_from_the_response(analysis, dec_deg):
    """Energy, angle and sigma of injected events follow the cells, their correlation included; position is right."""
    dec = np.radians(dec_deg)
    n = 20_000
    injector = trials.injector_at(analysis, dec, Spectrum(2.0), float(n), poisson=False)
    draws = np.empty((n + 1, 5))
    draw_signal(injector, *(np.uint64(x) for x in KEY), np.uint64(0), draws)
    draws = draws[:n]
    p = np.diff(np.r_[0, injector.cell_cdf])
    cells = injector.cells.astype(float)
    for column, (lo, hi) in enumerate([(0, 1), (2, 3), (4, 5)]):
        mean = (p * (cells[:, lo] + cells[:, hi]) / 2).sum()
        second = (p * (cells[:, lo] ** 2 + cells[:, lo] * cells[:, hi] + cells[:, hi] ** 2) / 3).sum()
        assert abs(draws[:, column].mean() - mean) < 4 * np.sqrt((second - mean**2) / n)
    product = (p * (cells[:, 2] + cells[:, 3]) * (cells[:, 4] + cells[:, 5]) / 4).sum()
    sample = draws[:, 1] * draws[:, 2]
    assert abs(sample.mean() - product) < 4 * sample.std() / np.sqrt(n), "correlation of angle and sigma"
    shuffled = draws[:, 1] * np.roll(draws[:, 2], 1)
    assert abs(shuffled.mean() - product) > 4 * shuffled.std() / np.sqrt(n), "negative control: uncorrelated draws"
    # sin(dec) of an event at psi with a uniform position angle
    angle = (draws[:, 3] - np.sin(dec) * np.cos(draws[:, 1])) / (np.cos(dec) * np.sin(draws[:, 1]))
    assert np.abs(angle).max() < 1 + 1e-6
    assert kstest(np.arccos(np.clip(angle, -1, 1)) / np.pi, "uniform").pvalue > 1e-3


def test_sky_is_the_same_for_every_band_and_resolution(analysis):
    turns = scan.right_ascensions(analysis, KEY, 3)
    np.testing.assert_array_equal(turns, scan.right_ascensions(analysis, KEY, 3))
    assert kstest(turns, "uniform").pvalue > 1e-3
    assert not np.isin(turns, scan.right_ascensions(analysis, KEY, 4)).any()
