"""Post-trial tail from weighted hot spots."""

import math

import numpy as np
import pytest

from worker.base.errors import InputError
from worker.stats.patches import SPOT_DTYPE, Spots, pixel_sums, with_observed

RATE = 40.0


def made(n, seed, factor=1.0):
    """Patches of a sky of `RATE` independent hot spots, tilted by a factor e^(0.8 h ln 10) in the density of h."""
    random = np.random.default_rng(seed)
    h = random.exponential(1 / (0.2 * math.log(10)), n)  # under the tilt; plain: exponential of 1 / ln 10
    rows = np.empty(n, SPOT_DTYPE)
    rows["patch"], rows["mlog10p"] = np.arange(n), h
    rows["log_w"] = math.log(RATE * factor) + math.log(5.0) - 0.8 * math.log(10) * h
    return Spots(n, rows)


def test_the_tail_is_exact_for_independent_spots():
    """P = 1 - exp(-40 10^-h), to p = 1e-10, with errors that cover."""
    pulls = []
    for seed in range(40):
        for h in (2.0, 4.0, 8.0, 11.0):
            found = made(5000, seed).post_trial(h)
            pulls.append((found.expected - RATE * 10.0**-h) / found.expected_error)
            assert found.p == pytest.approx(-math.expm1(-found.expected))
            assert found.lo < found.p < found.hi
    assert 0.8 < np.std(pulls) < 1.25
    assert abs(np.mean(pulls)) < 0.3
    assert abs(np.mean([made(5000, seed, 1.5).post_trial(4.0).expected for seed in range(9)]) / RATE / 1e-4 - 1) > 0.3


def test_the_error_of_p():
    found = made(5000, 1).post_trial(2.0)
    assert found.error == pytest.approx(math.exp(-found.expected) * found.expected_error)
    assert found.n_effective <= found.n == 5000
    assert 0 < found.largest_share < 0.05


def test_nothing_is_quoted_beyond_the_last_spot():
    spots = made(100, 2)
    last = spots.rows["mlog10p"].max()
    found = spots.post_trial(last + 3.0)
    assert (found.p, found.lo) == (spots.post_trial(last).p, 0.0)


def test_pixel_sums_are_those_of_uniform_p():
    rows = pixel_sums(made(20_000, 3), int(RATE), [2.0, 5.0, 9.0])
    for row in rows:
        assert row["expected"] == RATE * 10.0 ** -row["mlog10p"]
        assert abs(row["measured"] - row["expected"]) < 4 * row["error"]


@pytest.mark.parametrize("column, value", [("patch", 100), ("mlog10p", math.nan), ("log_w", math.inf)])
def test_damaged_rows_are_refused(column, value):
    rows = made(100, 2).rows.copy()
    rows[column][3] = value
    with pytest.raises(InputError, match="100 hot spots"):
        Spots(100, rows)


def test_nothing_to_count_is_refused():
    with pytest.raises(InputError, match="n_patches"):
        Spots(10, np.empty(0, SPOT_DTYPE)).post_trial(3.0)
    with pytest.raises(InputError, match="mlog10p"):
        made(10, 1).post_trial(math.nan)


def test_the_observed_weight_makes_a_valid_p_value():
    """P(p <= a) <= a for exponential TS under P with 8 trials from a tilted Q; not without the observed weight."""
    random = np.random.default_rng(5)
    n, sets, slope = 8, 40_000, 0.3
    trials, observed = random.exponential(1 / slope, (sets, n)), random.exponential(1.0, sets)
    w, w_observed = np.exp(-(1 - slope) * trials) / slope, np.exp(-(1 - slope) * observed) / slope
    mean = (w * (trials >= observed[:, None])).mean(axis=1)
    valid = np.array([with_observed(*each) for each in zip(mean, [n] * sets, w_observed, strict=True)])
    for a in (0.001, 0.01, 0.1, 0.3):
        error = math.sqrt(a / sets)
        assert (valid <= a).mean() < a + 4 * error
        assert (mean <= a).mean() > a + 10 * error
    assert with_observed(0.3, 10, 1.0) == pytest.approx((3 + 1) / 11)
