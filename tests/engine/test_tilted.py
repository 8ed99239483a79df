"""Tilted background trials: exact weights, plain trials unchanged, the same bits however cut, the same tail."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate

from worker.base import rng
from worker.engines.builtin import mixture, tilt_pilot, trials
from worker.engines.builtin.reference import ts_at
from worker.engines.protocol import Tilt
from worker.stats import tail_checks
from worker.stats.distributions import TSD
from worker.stats.shares import best_shares, whole_shares
from worker.stats.significance import nsigma_to_p
from worker.stats.tail import Tilted

KEY = rng.key("tilted", 1)
DEC = np.radians(5.0)
SHARES = {(2.0, 1.3): 16, (5.0, 2.0): 48, (10.0, 2.6): 64, (18.0, 3.6): 96}
CHECKS = tuple(Tilt(n, gamma, 0.0) for n, gamma in tilt_pilot.CHECKS)
TILTS = (*(Tilt(n, gamma, share / 256) for (n, gamma), share in SHARES.items()), *CHECKS)
N = 8192


@pytest.fixture(scope="module")
def point(analysis):
    return trials.point_at(analysis, DEC)


@pytest.fixture(scope="module")
def mixed(analysis, point):
    return mixture.mixture_at(analysis, point, TILTS)


@pytest.fixture(scope="module")
def tilted(analysis, point, mixed):
    return mixture.run(analysis, point, mixed, KEY, 0, N)


@pytest.fixture(scope="module")
def plain(analysis, point):
    return trials.run(analysis, point, KEY, 0, 20_000)


def assert_mean_one(values, errors=4.0):
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean() - 1.0) < errors * error, (values.mean(), error)


def test_trials_without_a_tilt_are_plain_trials_bit_for_bit(tilted, plain, mixed):
    untilted = np.flatnonzero(np.resize(mixed.pattern, N) == 0)
    assert len(untilted) == N * 32 // 256
    assert tilted.rows[untilted, :3].tobytes() == plain[untilted].tobytes()
    assert not (tilted.rows[:, 0] == plain["ts"][:N]).all()


def test_every_block_of_trials_has_its_shares(mixed):
    expected = [32, *SHARES.values(), 0, 0, 0, 0]
    assert np.bincount(mixed.pattern, minlength=9).tolist() == expected
    assert (mixed.share * 256).tolist() == expected
    assert max(np.bincount(mixed.pattern[:64], minlength=9) - np.array(expected) / 4) <= 2


def test_any_cut_gives_the_same_bits(analysis, point, mixed, tilted):
    cuts = [(0, 137), (137, 463)]
    parts = [mixture.trials(analysis, point, TILTS, mixed, KEY, first, n) for first, n in cuts]
    whole = mixture.trials(analysis, point, TILTS, mixed, KEY, 0, 600)
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert whole["log_w"].tobytes() == tilted.rows[:600, 3].tobytes()
    assert whole["log_l3"].tobytes() == tilted.log_l[:600, 6].tobytes()


def test_the_weights_are_right_on_average(tilted, mixed):
    """E_Q[w] = 1 and E_Q[w L_k] = 1, for tilts that were sampled and for those that were not."""
    w = np.exp(tilted.rows[:, 3])
    assert_mean_one(w)
    for k in range(len(TILTS)):
        assert_mean_one(w * np.exp(tilted.log_l[:, k]))
    for wrong in (np.sqrt(w), 1.1 * w * np.exp(tilted.log_l[:, 2])):
        with pytest.raises(AssertionError):
            assert_mean_one(wrong)


def test_two_seasons_have_the_right_weights(two_seasons):
    point = trials.point_at(two_seasons, np.radians(-30.0))
    mixed = mixture.mixture_at(two_seasons, point, TILTS)
    made = mixture.run(two_seasons, point, mixed, KEY, 0, 4096)
    w = np.exp(made.rows[:, 3])
    assert_mean_one(w)
    for k in range(len(TILTS)):
        assert_mean_one(w * np.exp(made.log_l[:, k]))
    other = mixed._replace(log_z=mixed.log_z + 0.5)
    w = np.exp(mixture.run(two_seasons, point, other, KEY, 0, 4096).rows[:, 3])
    with pytest.raises(AssertionError):
        assert_mean_one(w)


def log_z(analysis, tilt):
    """Sum of ln Z over all events of the data, by scipy's quadrature over right ascension and unit vectors."""
    sky, total = analysis.sky, 0.0
    point = trials.point_at(analysis, DEC)
    piece = int((tilt.gamma - point.table.gammas[0]) / (point.table.gammas[1] - point.table.gammas[0]))
    t = (tilt.gamma - point.table.gammas[piece]) / (point.table.gammas[1] - point.table.gammas[0])
    power = t ** np.arange(4)
    table = power @ point.table.coef[piece]
    q = (power @ point.table.share[piece]) / analysis.n_data
    source = np.array([np.cos(DEC), 0.0, np.sin(DEC)])
    for i in np.flatnonzero(np.abs(sky.dec - DEC) < analysis.cuts.cut * sky.sigma):

        def spatial(ra, i=i):
            x = np.array([np.cos(sky.dec[i]) * np.cos(ra), np.cos(sky.dec[i]) * np.sin(ra), np.sin(sky.dec[i])])
            psi = 2 * np.arcsin(np.linalg.norm(x - source) / 2)
            return np.exp(-0.5 * (psi / sky.sigma[i]) ** 2) * (psi < analysis.cuts.cut * sky.sigma[i])

        edge = min(analysis.cuts.cut * sky.sigma[i] / np.cos(sky.dec[i]), np.pi)
        mean = sky.weight[i] * integrate.quad(spatial, 0, edge, limit=200, epsabs=1e-9)[0] / np.pi
        total += np.log1p((tilt.n * mean * table[sky.row[i]]) / (1 - tilt.n * q[sky.season[i]]))
    return total + float((analysis.n_data * np.log1p(-tilt.n * q)).sum())


def test_normalisation_and_likelihood_ratio_are_those_of_an_independent_sum(analysis, mixed, tilted):
    few = analysis.sky
    near = np.flatnonzero(np.abs(few.dec - DEC) < analysis.cuts.cut * few.sigma)
    chosen = np.concatenate([near[::100], np.setdiff1d(np.arange(few.dec.size), near)[:50]])
    small = type(few)(*(column[chosen] for column in few))
    part = replace(analysis, sky=small)
    at = trials.point_at(part, DEC)
    made = mixture.mixture_at(part, at, TILTS)
    for k in (1, 3):
        assert made.log_z[k] == pytest.approx(log_z(part, TILTS[k]), abs=2e-6)
    trial = int(np.flatnonzero(made.pattern == 0)[0])
    drawn = trials.draw(part, at, KEY, trial)
    row = mixture.run(part, at, made, KEY, trial, 1)
    for k, tilt in enumerate(TILTS):
        expected = ts_at(drawn, at.table, np.array([tilt.n]), tilt.gamma)[0] / 2 - made.log_z[k]
        assert row.log_l[0, k] == pytest.approx(expected, abs=1e-9)


def test_the_tail_is_that_of_plain_trials(tilted, plain):
    w, ts = np.exp(tilted.rows[:, 3]), tilted.rows[:, 0]
    edges = [4.0, 6.0, 8.0, 10.0, np.inf]
    pulls = []
    for low, high in pairwise(edges):
        inside = w * ((ts >= low) & (ts < high))
        p, error = inside.mean(), inside.std() / np.sqrt(N)
        counted = ((plain["ts"] >= low) & (plain["ts"] < high)).mean()
        pulls.append((p - counted) / np.hypot(error, np.sqrt(p / len(plain))))
    assert np.sum(np.square(pulls)) < 18.5, pulls  # chi2 of 4 bins, p = 1e-3
    with_wrong_sign = np.exp(-tilted.rows[:, 3]) * (ts >= 8.0)
    assert with_wrong_sign.mean() > 10 * (plain["ts"] >= 8.0).mean(), "negative control"


@pytest.mark.parametrize("dec_deg", [5.0, 88.0])
def test_a_pilot_chooses_shares_that_reach_five_sigma(analysis, dec_deg):
    point = trials.point_at(analysis, np.radians(dec_deg))
    chosen = tilt_pilot.tilts(analysis, point, KEY)
    shares = np.array([tilt.share for tilt in chosen]) * 256
    assert (shares == np.round(shares)).all()
    assert shares.sum() <= 256 - tilt_pilot.PLAIN_SHARE
    assert [tilt.share for tilt in chosen[-mixture.N_CHECKS :]] == [0.0] * mixture.N_CHECKS
    assert {(tilt.n, tilt.gamma) for tilt in chosen} >= set(tilt_pilot.SAFE)
    assert chosen == tilt_pilot.tilts(analysis, point, KEY)
    made = mixture.run(analysis, point, mixture.mixture_at(analysis, point, chosen), KEY, 0, 4096)
    ts, w = made.rows[:, 0], np.exp(made.rows[:, 3])
    order = np.argsort(-ts)
    p = np.cumsum(w[order]) / len(w)
    beyond = w[order][: np.searchsorted(p, 2.87e-7)]
    assert beyond.sum() ** 2 / (beyond**2).sum() > 100, "effective number beyond 5 sigma"


def test_best_shares_of_two_components_are_those_of_a_scan():
    """P = normal, tilts to mean 2 and mean 6: the second moment of P(x > 3) is smallest at the shares found."""
    generator = np.random.default_rng(3)
    x = np.concatenate([generator.normal(m, 1, 4000) for m in (0.0, 2.0, 6.0)])
    log_l = np.stack([np.zeros(len(x)), 2 * x - 2, 6 * x - 18], axis=1)
    log_w = -np.log(np.exp(log_l).mean(axis=1))
    found = best_shares(x, log_w, log_l, (3.0,))
    cut = x >= np.sort(x)[::-1][np.searchsorted(np.cumsum(np.exp(log_w[np.argsort(-x)])) / len(x), 0.00135)]

    def second_moment(alpha):
        return float((np.exp(log_w) * cut / (np.exp(log_l) @ alpha)).sum())

    grid = [np.array([1 - a - b, a, b]) for a in np.arange(0, 1.01, 0.05) for b in np.arange(0, 1.01 - a, 0.05)]
    assert second_moment(found) <= min(map(second_moment, grid)) * 1.01
    assert second_moment(found) < 0.5 * second_moment(np.array([0.9, 0.05, 0.05]))


def test_whole_shares_keep_their_least_and_their_sum():
    counts = whole_shares(np.array([0.05, 0.6, 0.3, 0.045, 0.005]), np.array([16, 0, 4, 0, 0]), 256)
    assert counts.sum() == 256
    assert counts[0] >= 16
    assert counts[4] == 0
    assert counts[1] > counts[2] > counts[3] > 0


@pytest.mark.parametrize(
    ("tilts", "text"),
    [
        ([Tilt(5.0, 2.0, 0.3)], "multiples of 1/256"),
        ([Tilt(5.0, 2.0, 1.0)], "plain"),
        ([Tilt(5.0, 4.5, 0.25)], "spectral index"),
        ([Tilt(20000.0, 2.0, 0.25)], "too much"),
    ],
)
def test_wrong_tilts_are_refused(analysis, point, tilts, text):
    with pytest.raises(ValueError, match=text):
        mixture.mixture_at(analysis, point, tilts)


def checked(analysis, point, plain, tilts, change=lambda mixed: mixed):
    """Names of the checks before unblinding that 4,096 trials of some tilts fail, beside plain trials."""
    mixed = change(mixture.mixture_at(analysis, point, tilts))
    rows, log_l = mixture.run(analysis, point, mixed, KEY, 0, 4096)
    order = np.argsort(rows[:, 0], kind="stable")
    tail = Tilted(rows[order, 0], rows[order, 3])
    at = [float(tail.isf(nsigma_to_p(n_sigma))) for n_sigma in (3.0, 5.0)]
    failed = {"tail_weights"} if not all(tail_checks.weights(tail, ts, "here").passed for ts in at) else set()
    evaluated = [np.zeros(4096), *(log_l[:, k] for k, tilt in enumerate(tilts) if tilt.share == 0.0)]
    means = [tail_checks.mean_weight(rows[:, 3], values, "here", "a tilt") for values in evaluated]
    agree = tail_checks.agreement(TSD(len(plain), np.sort(plain["ts"][plain["ts"] > 0]), "scale1", tail), "here")
    failed |= set() if agree.passed else {"tail_agrees"}
    return failed | {"tail_covers" for mean in means if not tail_checks.coverage(mean).passed}


def test_a_bad_mixture_is_seen_by_a_check(analysis, point, plain):
    right = tilt_pilot.tilts(analysis, point, KEY)
    assert checked(analysis, point, plain, right) == set()
    soft_alone = (Tilt(18.0, 3.8, 0.9375), *tilt_pilot.checks(analysis, point))
    assert "tail_weights" in checked(analysis, point, plain, soft_alone), "no hard tilts"
    largest = int(np.argmax([tilt.share for tilt in right]))

    def dropped(mixed):
        share = mixed.share.copy()
        share[largest + 1] = 0.0
        return mixed._replace(share=share)

    def wrong_z(mixed):
        return mixed._replace(log_z=mixed.log_z + 0.3)

    assert "tail_covers" in checked(analysis, point, plain, right, dropped)
    assert "tail_agrees" in checked(analysis, point, plain, right, wrong_z)
