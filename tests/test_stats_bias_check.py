"""Fitted against injected events: the table, the line through it, and the share of the sky where it is off."""

import math

import numpy as np
import pytest

from worker.base.errors import InputError
from worker.stats.bias import MAX_AREA, Response, bias_table, n_sig_bias, of_spectra, response

GOOD = Response(1.0, 0.01, 2.0, 0.2)
LOW = Response(0.7, 0.01, 0.0, 0.2)


def fitted(slope: float, offset: float, n: int = 4000) -> dict[float, np.ndarray]:
    generator = np.random.default_rng(5)
    return {n_sig: generator.normal(offset + slope * n_sig, 5, n) for n_sig in (2.0, 10.0, 18.0, 30.0)}


def test_bias_table_by_hand() -> None:
    (row,) = bias_table({0.0: [0.0, 1.0], 10.0: [9.0, 10.0, 14.0]})
    error = np.std([9, 10, 14], ddof=1) / math.sqrt(3)
    assert row[:3] == (10.0, 3, 11.0)
    assert row[3:] == pytest.approx((error, 0.1, 1.0 / error))
    with pytest.raises(InputError, match="not all finite"):
        bias_table({10.0: [1.0, math.nan]})


def test_the_line_is_found_within_its_errors() -> None:
    found = response(bias_table(fitted(1.1, 2.0)))
    assert found is not None
    assert found.slope == pytest.approx(1.1, abs=3 * found.slope_error)
    assert found.offset == pytest.approx(2.0, abs=3 * found.offset_error)
    # the error that the formula gives: 5 / sqrt(4000) per point, at 10, 18 and 30
    spread = np.sum((np.array([10, 18, 30]) - 58 / 3) ** 2)
    assert found.slope_error == pytest.approx(5 / math.sqrt(4000) / math.sqrt(spread), rel=0.05)
    one = response(bias_table({20.0: fitted(1.1, 0.0)[18.0]}))
    assert one is not None
    assert one.offset == 0
    assert one.slope == pytest.approx(19.8 / 20, rel=0.02)
    assert response(bias_table({2.0: [1.0, 2.0]})) is None


def test_tolerance_allows_for_errors_and_sees_a_real_bias() -> None:
    for slope, offset, good in (
        (1.0, 2.0, True),
        (1.15, 3.0, True),
        (1.3, 0.0, False),
        (0.7, 0.0, False),
        (1, 6, False),
    ):
        found = response(bias_table(fitted(slope, offset)))
        assert found is not None
        assert found.good is good, (slope, offset)
    few = response(bias_table(fitted(1.3, 0.0, n=4)))
    assert few is not None
    assert few.good  # four trials cannot tell


def test_the_share_of_the_sky_decides_not_the_number_of_declinations() -> None:
    decs = [float(d) for d in range(-85, 86, 10)]
    caps = {dec: LOW if abs(dec) > 70 else GOOD for dec in decs}  # 4 of 18 declinations, 5.7 % of the sky
    check = n_sig_bias(caps, -85, 85)
    share = 1 - math.sin(math.radians(70)) / math.sin(math.radians(85))
    assert check.value == pytest.approx(share, abs=1e-12)
    assert check.passed
    assert "at dec -85, -75, 75, 85 deg" in check.sentence
    equator = n_sig_bias({dec: LOW if abs(dec) < 10 else GOOD for dec in decs}, -85, 85)  # 2 of 18, 17 %
    assert equator.value > MAX_AREA
    assert not equator.passed
    assert "explain it before quoting a fitted ns" in equator.sentence


def test_a_declination_that_cannot_tell_fails() -> None:
    assert n_sig_bias({0.0: GOOD, 30.0: LOW}, 20, 20).value == 1, "one source: its nearest declination counts"
    assert n_sig_bias({0.0: GOOD, 30.0: LOW}, 10, 10).value == 0
    check = n_sig_bias({0.0: GOOD, 30.0: None}, -85, 85)
    assert not check.passed
    assert "add such an n_sig to signal.n_sig" in check.sentence


def test_a_soft_spectrum_that_fails_is_not_hidden_by_a_hard_one() -> None:
    good, bad = n_sig_bias({0.0: GOOD}, -85, 85), n_sig_bias({0.0: LOW}, -85, 85)
    unknown = n_sig_bias({0.0: None}, -85, 85)
    for checks, passed, value in (
        ({2.0: good, 3.2: good}, True, 0.0),
        ({2.0: good, 3.2: bad}, False, 1.0),
        ({2.0: bad, 3.2: good}, False, 1.0),
        ({2.0: good, 3.2: unknown}, False, math.nan),
    ):
        check = of_spectra(checks)
        assert (check.name, check.passed) == ("n_sig_bias", passed)
        assert check.value == pytest.approx(value, nan_ok=True)
        assert "gamma 2:" in check.sentence
        assert "gamma 3.2:" in check.sentence
        assert "No other spectrum" not in check.sentence
    assert "No other spectrum" in of_spectra({2.0: good}).sentence
