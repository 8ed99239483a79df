"""Elementary functions against exact arithmetic (mpmath is not needed: longdouble and libm suffice)."""

import math

import numpy as np
import pytest

from worker.base import fmath

RNG = np.random.Generator(np.random.Philox(1))


def ulps(ours, exact):
    """Largest distance in units of the last place of the exact value."""
    return max(abs(a - b) / math.ulp(b) for a, b in zip(ours, exact, strict=True) if b != 0)


@pytest.mark.parametrize(
    ("ours", "exact", "x", "limit"),
    [
        (fmath.exp, math.exp, RNG.uniform(-700, 700, 20000), 2),
        (fmath.exp, math.exp, RNG.uniform(-1, 1, 20000), 2),
        (fmath.log, math.log, np.exp(RNG.uniform(-600, 600, 20000)), 2),
        (fmath.log, math.log, RNG.uniform(0.5, 2, 20000), 2),
        (fmath.sin, math.sin, RNG.uniform(-math.pi / 2, math.pi / 2, 20000), 2),
        (fmath.asin, math.asin, RNG.uniform(0, 1, 20000), 3),
    ],
)
def test_within_a_few_ulps(ours, exact, x, limit):
    assert ulps([ours(v) for v in x], [exact(v) for v in x]) <= limit


def test_cos_and_sincos_of_a_turn():
    x = RNG.uniform(-math.pi / 2, math.pi / 2, 5000)
    assert max(abs(fmath.cos(v) - math.cos(v)) for v in x) < 3e-16
    u = np.r_[0.0, 0.25, 0.5, 0.75, 1 - 2.0**-53, RNG.uniform(0, 1, 5000)]
    got = np.array([fmath.sincos_turns(v) for v in u])
    want = np.array([(math.sin(2 * math.pi * v), math.cos(2 * math.pi * v)) for v in u])
    np.testing.assert_allclose(got, want, atol=2e-15, rtol=0)


def test_edges():
    assert fmath.exp(0.0) == 1.0
    assert fmath.exp(-800.0) == 0.0
    assert fmath.exp(-1e300) == 0.0
    assert fmath.log(1.0) == 0.0
    assert fmath.asin(0.0) == 0.0
    assert fmath.asin(1.0) == pytest.approx(math.pi / 2, abs=1e-15)


def test_angle_from_chord():
    psi = np.r_[0.0, np.logspace(-9, math.log10(math.pi), 3000)]
    c2 = (2 * np.sin(psi / 2)) ** 2
    got = np.array([fmath.angle2_from_chord2(c) for c in c2])
    np.testing.assert_allclose(got[:-1], psi[:-1] ** 2, rtol=3e-14, atol=0)
    assert got[-1] == pytest.approx(math.pi**2, rel=1e-7)
