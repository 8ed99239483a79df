"""Peaks of a map and their neighbours: on maps whose smoothness is known."""

import healpy
import numpy as np
import pytest

from worker.base.errors import InputError
from worker.stats.smoothness import peaks, smooth_map


def gaussian_map(nside: int, width: float) -> np.ndarray:
    """TS of thirty round spots of a width (rad) at fixed places, on nothing."""
    at = np.array(healpy.pix2vec(nside, np.arange(12 * nside**2)))
    spots = np.random.default_rng(3).normal(size=(30, 3))
    spots /= np.linalg.norm(spots, axis=1)[:, None]
    psi = np.arccos(np.clip(spots @ at, -1, 1))
    return np.asarray(10 * np.exp(-0.5 * (psi / width) ** 2).sum(axis=0))


def check_of(ts: np.ndarray, nside: int):
    return smooth_map(peaks(ts, np.asarray(healpy.get_all_neighbours(nside, np.arange(len(ts))))), nside)


def test_small_pixels_pass_and_large_ones_fail() -> None:
    width = np.radians(2.0)
    fine, coarse = check_of(gaussian_map(64, width), 64), check_of(gaussian_map(8, width), 8)
    assert fine.passed
    assert fine.value > 0.8
    assert not coarse.passed
    assert "use scan.nside: 16 or more" in coarse.sentence


def test_the_ratio_of_one_peak_by_hand() -> None:
    nside = 16
    ts = np.zeros(12 * nside**2)
    pixel = healpy.ang2pix(nside, 1.0, 2.0)
    around = healpy.get_all_neighbours(nside, pixel)
    ts[pixel], ts[around] = 10.0, np.arange(8) * 0.5
    check = check_of(ts, nside)
    assert check.value == pytest.approx(0.35)
    assert not check.passed
    ts[around[0]] = np.nan  # at the edge of the scan
    assert check_of(ts, nside).value == pytest.approx(0.35)


def test_a_map_that_says_nothing() -> None:
    assert not check_of(np.zeros(192), 4).passed
    with pytest.raises(InputError, match="no scanned pixel"):
        check_of(np.full(192, np.nan), 4)
