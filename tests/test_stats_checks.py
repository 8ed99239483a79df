import math

import numpy as np
import pytest
from scipy import stats

from worker.base.errors import InputError
from worker.stats.checks import (
    Check,
    combined,
    complete,
    enough_trials,
    p_uniform,
    ra_uniform,
)
from worker.stats.distributions import TSD


def background(generator, n, eta=0.55, scale=1.0):
    return np.where(generator.random(n) < eta, stats.chi2.rvs(1.1, scale=scale, size=n, random_state=generator), 0.0)


@pytest.mark.slow
def test_p_uniform_holds_its_level_and_sees_a_wrong_background():
    """300 good halves: at most a few below p = 0.01; another scale, and another eta, always fail."""
    generator = np.random.default_rng(1)
    low = 0
    for _ in range(300):
        tsd = TSD.from_trials(background(generator, 2000))
        low += p_uniform(tsd.sf(background(generator, 2000)), tsd.eta, 2000).value < 0.01
    assert low <= 3 + 4 * math.sqrt(3)
    tsd = TSD.from_trials(background(generator, 5000))
    for wrong in (background(generator, 5000, scale=1.3), background(generator, 5000, eta=0.62)):
        check = p_uniform(tsd.sf(wrong), tsd.eta, 5000)
        assert not check.passed
        assert "add background trials" in check.sentence


def test_combined_keeps_its_level_and_sees_one_bad_declination():
    good = [Check(f"dec_{i}", p, 1e-3, p >= 1e-3, "text") for i, p in enumerate(np.linspace(5e-4, 1, 170))]
    check = combined("p_uniform", good)
    assert not good[0].passed
    assert check.passed
    assert check.value == pytest.approx(170 * 5e-4)
    assert "it is dec_0: text" in check.sentence
    assert not combined("p_uniform", [*good, Check("bad", 1e-6, 1e-3, False, "text")]).passed
    with pytest.raises(InputError, match="nothing to combine"):
        combined("p_uniform", [])


def test_p_uniform_without_one_positive_trial():
    assert p_uniform(np.ones(100), 0.0, 100).passed
    assert not p_uniform(np.ones(100), 0.5, 100).passed
    assert not p_uniform(np.full(100, 1 / 101), 0.0, 100).passed


def test_hottest_spots_in_ra():
    generator = np.random.default_rng(4)
    ra = generator.uniform(0, 2 * math.pi, 500)
    assert ra_uniform(ra).passed
    assert ra_uniform(ra - math.pi).passed
    assert not ra_uniform(ra * 0.8).passed


def test_enough_trials():
    check = enough_trials(7_408, 3, "enough_skies", "raise scan.n_skies")
    assert check.passed
    assert check.limit == 7_408  # 10 / 1.35e-3
    few = enough_trials(7_407, 3, "enough_skies", "raise scan.n_skies")
    assert not few.passed
    assert few.sentence == "7,407 are there; 3 sigma with 10 of them beyond takes 7,408: raise scan.n_skies."
    assert enough_trials(200, 1.5, "enough_skies", "").passed


def test_complete_names_what_is_lost():
    assert complete(10, []).passed
    check = complete(10, ["a", "b", "c", "d", "e"])
    assert not check.passed
    assert check.value == 5
    assert "a, b, c and 2 more; `dagmaker repair`" in check.sentence


@pytest.mark.parametrize("values", [[], [1.0, np.nan]])
def test_unusable_values(values):
    with pytest.raises(InputError, match="it needs at least one, all finite"):
        ra_uniform(values)
