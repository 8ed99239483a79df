"""Truth: a trial with k events passes with f_k = P(z > sqrt(threshold) - s k), z normal, known exactly for all k."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from worker.base.errors import InputError
from worker.stats import adaptive, monotone
from worker.stats.passing import Point, point, weights
from worker.stats.sensitivity import NotBracketedError
from worker.stats.strata import Strata, count, find_n_sig_from_strata, passing

GRID = (2, 4, 6, 8, 10, 14, 18, 22, 26, 30)
EVENTS = np.arange(200)
CASES = [(0.45, 1e-9, 0.9), (0.45, 25.0, 0.5), (1.0, 9.0, 0.5), (0.25, 9.0, 0.5)]


def f(threshold: float, s: float) -> np.ndarray:
    return stats.norm.sf(math.sqrt(threshold) - s * EVENTS)


def truth(threshold: float, beta: float, s: float) -> float:
    fractions = f(threshold, s)
    return optimize.brentq(lambda n: float(stats.poisson.pmf(EVENTS, n) @ fractions) - beta, 1e-9, 100)


def trials(
    draw: np.random.Generator, threshold: float, s: float, n: int = 1000
) -> tuple[Point, np.ndarray, np.ndarray]:
    """Background, and numbers of injected events and passing weights of n signal trials for each n_sig of the grid."""
    fractions = f(threshold, s)
    counts = np.concatenate([draw.poisson(n_sig, n) for n_sig in GRID])
    passed = (draw.random(counts.size) < fractions[counts]).astype(float)
    return point(0.0, int(draw.binomial(10 * n, fractions[0])), 10 * n), counts, passed


def pulls(shift: int) -> tuple[np.ndarray, np.ndarray]:
    """Deviations of repeated results in units of their errors, and relative deviations; `shift` is a wrong k."""
    draw, found = np.random.default_rng(11), []
    for s, threshold, beta in CASES:
        true = truth(threshold, beta, s)
        for _ in range(60):
            background, counts, passed = trials(draw, threshold, s)
            result = find_n_sig_from_strata(count(background, counts + shift, passed), threshold, beta)
            found.append(((result.n_sig - true) / result.error, result.n_sig / true - 1.0))
    return tuple(np.array(found).T)  # type: ignore[return-value]


def test_errors_cover_and_nothing_is_biased():
    pull, relative = pulls(0)
    assert 0.6 < np.mean(np.abs(pull) < 1) < 0.75
    assert np.std(pull) == pytest.approx(1.0, abs=4 / math.sqrt(2 * pull.size))
    assert abs(np.mean(pull)) < 4 / math.sqrt(pull.size)
    assert np.std(relative) < 0.03


def test_a_number_of_events_that_is_wrong_by_one_is_seen():
    """Negative control of the test above."""
    pull, _ = pulls(1)
    assert np.mean(np.abs(pull) < 1) < 0.3


def test_trials_of_any_n_sig_give_the_same_answer():
    """Strata of exact numbers of events instead of Poisson ones, with gaps between them."""
    draw, fractions = np.random.default_rng(2), f(9.0, 0.45)
    counts = np.repeat([1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 17, 20], 4000)
    passed = (draw.random(counts.size) < fractions[counts]).astype(float)
    result = find_n_sig_from_strata(count(point(0.0, 13, 10_000), counts, passed), 9.0, 0.5)
    assert result.n_sig == pytest.approx(truth(9.0, 0.5, 0.45), abs=4 * result.error)
    assert result.error < 0.01 * result.n_sig


def test_passing_is_the_poisson_mixture():
    n, fractions = np.full(60, 1e9), f(9.0, 0.45)[:60]
    strata = Strata(np.arange(60.0), n, n * fractions, n * fractions)
    at = np.array([[0.0, 0.5], [3.0, 20.0]])
    expected = [[stats.poisson.pmf(EVENTS, x) @ f(9.0, 0.45) for x in row] for row in at]
    np.testing.assert_allclose(passing(strata, at), expected, rtol=1e-9)
    np.testing.assert_allclose(
        passing(strata, [4.0, 4.25], poisson=False), [fractions[4], 0.75 * fractions[4] + 0.25 * fractions[5]]
    )


def test_an_exact_number_of_events_is_interpolated_between_whole_ones():
    k, p = np.array([0.0, 2, 4, 6, 8]), np.array([0.0, 100, 400, 700, 900])
    result = find_n_sig_from_strata(Strata(k, np.full(5, 1000.0), p, p), 4.0, 0.5, poisson=False)
    assert 4 < result.n_sig < 6
    assert float(result.passing(result.n_sig)) == pytest.approx(0.5)
    assert float(result.passing(4.0)) == pytest.approx(0.4)
    with pytest.raises(NotBracketedError):
        find_n_sig_from_strata(Strata(k, np.full(5, 1000.0), p, p), 4.0, 0.95, poisson=False)


def test_weights_between_0_and_1_have_smaller_errors_than_trials_that_pass_or_not():
    draw = np.random.default_rng(4)
    background, counts, _ = trials(draw, 9.0, 0.45)
    expected = f(9.0, 0.45)[counts]
    by_weight = find_n_sig_from_strata(count(background, counts, expected), 9.0, 0.5)
    assert by_weight.n_sig == pytest.approx(truth(9.0, 0.5, 0.45), rel=2e-3)
    passed = (draw.random(counts.size) < expected).astype(float)
    assert by_weight.error < 0.2 * find_n_sig_from_strata(count(background, counts, passed), 9.0, 0.5).error


def test_the_error_of_the_threshold_is_that_of_the_answer_over_it():
    draw = np.random.default_rng(5)
    counts = np.concatenate([draw.poisson(n_sig, 2000) for n_sig in GRID])
    ts = np.maximum(draw.normal(size=counts.size) + 0.45 * counts, 0.0) ** 2
    background = point(0.0, 13, 10_000)
    low, middle, high = (count(background, counts, weights(ts, t)) for t in (8.0, 9.0, 10.0))
    alone = find_n_sig_from_strata(middle, 9.0, 0.5)
    moved = find_n_sig_from_strata(middle, 9.0, 0.5, moved=(low, high))
    shift = 0.5 * (truth(10.0, 0.5, 0.45) - truth(8.0, 0.5, 0.45))
    assert moved.error == pytest.approx(math.hypot(alone.error, shift), rel=0.1)
    assert moved.error_signal == alone.error


def test_what_depends_on_more_events_than_were_injected_is_refused_with_what_to_add():
    draw, fractions = np.random.default_rng(6), f(25.0, 0.25)
    counts = np.concatenate([draw.poisson(n_sig, 1000) for n_sig in (2, 4, 6)])
    strata = count(point(0.0, 0, 10_000), counts, (draw.random(counts.size) < fractions[counts]).astype(float))
    with pytest.raises(NotBracketedError) as caught:
        find_n_sig_from_strata(strata, 25.0, 0.5)
    assert truth(25.0, 0.5, 0.25) < caught.value.add_n_sig < 4 * counts.max()
    lucky = Strata(np.arange(4.0), np.array([1e4, 100, 100, 1]), np.array([0.0, 20, 60, 1]), np.array([0.0, 20, 60, 1]))
    with pytest.raises(NotBracketedError):
        find_n_sig_from_strata(lucky, 25.0, 0.9)


def test_what_the_background_passes_is_refused():
    strata = count(point(0.0, 950, 1000), [1, 1, 2, 5], [1, 1, 1, 1])
    with pytest.raises(NotBracketedError) as caught:
        find_n_sig_from_strata(strata, 0.0, 0.9)
    assert caught.value.add_n_sig == 0.0


def test_trials_without_signal_join_the_background():
    strata = count(point(0.0, 3, 100), [0, 2, 0], [1.0, 0.5, 0.0])
    assert [*strata.k] == [0, 2]
    assert [*strata.n] == [102, 1]
    assert [*strata.passed] == [4, 0.5]
    assert [*strata.squares] == [4, 0.25]


@pytest.mark.parametrize(("counts", "passed"), [([1, 2], [1.0]), ([-1, 2], [1.0, 1.0])])
def test_unusable_counts(counts, passed):
    with pytest.raises(InputError):
        count(point(0.0, 3, 100), counts, passed)


def test_pooling_one_row_is_isotonic_regression():
    draw = np.random.default_rng(8)
    for size in (1, 2, 9, 60):
        value, weight = draw.random(size) + np.arange(size) * 0.02, draw.integers(1, 50, size).astype(float)
        fitted, total = monotone.pool_adjacent(value, weight)
        np.testing.assert_allclose(fitted, monotone.isotonic(value[None, :], weight)[0], atol=1e-12)
        same = fitted[:, None] == fitted[None, :]
        np.testing.assert_allclose(total, (same * weight).sum(axis=1))


def test_best_shares_reach_the_error_that_is_aimed_at_with_the_fewest_trials():
    k = np.arange(25.0)
    n, passed = np.full(25, 40.0), np.round(40 * f(9.0, 0.45)[:25])
    points = tuple(point(x, int(p), 40) for x, p in zip(k, passed, strict=True))
    strata = Strata(k, n, passed, passed)
    result = find_n_sig_from_strata(strata, 9.0, 0.5, points=points)
    judged = adaptive.quantity(0.02, 0.5, result, result, exact=True)
    found = adaptive.verdict(judged, 0)
    assert found.state == "short"
    assert set(found.add) <= set(k[1:]), "whole numbers of events"
    m = 40 + np.array([found.add.get(x, 0) for x in k[1:]])
    error = math.sqrt((result.weights**2 / m).sum()) / judged.slope
    assert 0.75 < error / (0.9 * 0.02) < 1.0
    changed = np.flatnonzero(m > 40)
    for one, other in ((changed[0], changed[3]), (changed[3], changed[0]), (changed[-1], changed[2])):
        moved = m.astype(float)
        moved[one], moved[other] = moved[one] + 30, moved[other] - 30
        assert (result.weights**2 / moved).sum() > (result.weights**2 / m).sum()


def test_the_variance_says_what_more_trials_give():
    """An adaptive round asks for as many trials as the variance at known number of events needs."""
    draw = np.random.default_rng(9)
    background, counts, passed = trials(draw, 9.0, 0.45)
    points = (background, *(point(n, int(k), 1000) for n, k in zip(GRID, passed.reshape(-1, 1000).sum(1), strict=True)))
    result = find_n_sig_from_strata(count(background, counts, passed), 9.0, 0.5, points=points)
    weight, fractions = stats.poisson.pmf(EVENTS, result.n_sig), f(9.0, 0.45)
    assert result.variance == pytest.approx(weight @ (fractions * (1 - fractions)), rel=0.05)
    judged = adaptive.quantity(0.001, 0.5, result, result)
    curve = judged._replace(variance=None)
    fewer, more = (sum(adaptive.verdict(q, 1).add.values()) for q in (judged, curve))
    assert fewer < 0.75 * more
