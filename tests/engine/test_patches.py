"""Patches: pixels as in a scan, exact weights, the same bits however cut, the numbers of hot spots of plain skies."""

import numpy as np
import pytest

from worker.base import healpix, rng
from worker.engines.builtin import patches, scan
from worker.engines.builtin.scan import Scanner
from worker.engines.protocol import Tilt
from worker.hypotheses.sky.patches import hot_spots, weighted
from worker.stats.patches import Spots

KEY, PLAIN = rng.key("patches", 1), rng.key("plain", 1)
RADIUS, SEPARATION = np.radians(16.0), np.radians(20.0)
N, N_SKIES = 1500, 300
THRESHOLDS = (1.0, 4.0, 9.0)


@pytest.fixture(scope="module")
def rings():
    return healpix.rings_of(4, np.radians(-30.0), np.radians(60.0))


@pytest.fixture(scope="module")
def maker(analysis, rings):
    return patches.Patches(analysis, rings, RADIUS, SEPARATION)


@pytest.fixture(scope="module")
def rows(maker):
    return maker.rows(KEY, 0, N)


@pytest.fixture(scope="module")
def skies(analysis, rings):
    """TS of all pixels of plain skies in the form of patches with a weight of 1, (N_SKIES, n_pixels)."""
    scanner = Scanner(analysis, rings)
    out = np.zeros((N_SKIES, int(rings.n_pix.sum())), patches.PATCH_DTYPE)
    out["pixel"] = rings.first[0] + np.arange(out.shape[1])
    for sky in range(N_SKIES):
        turn = scan.right_ascensions(analysis, PLAIN, sky)
        out["ts"][sky] = np.concatenate([scanner.ring(r, turn)[:, 0] for r in range(len(rings.dec))])
    return out


def unit_vectors(rings):
    dec = np.repeat(rings.dec, rings.n_pix)
    ra = np.concatenate([(np.arange(n) + s) * 2 * np.pi / n for n, s in zip(rings.n_pix, rings.shift, strict=True)])
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)


def test_pixels_are_those_of_a_scan(analysis, rings, maker, rows):
    scanner, at, tilted = Scanner(analysis, rings), unit_vectors(rings), 0
    for patch in range(6):
        r, p, tilt = maker._drawn(KEY, patch)
        turn = maker._sky(KEY, patch, r, p, tilt)
        tilted += tilt > 0
        ts = np.concatenate([scanner.ring(i, turn)[:, 0] for i in range(len(rings.dec))])
        angle = np.arccos(np.clip(at @ at[rings.first[r] - rings.first[0] + p], -1.0, 1.0))
        expected = rings.first[0] + np.flatnonzero(angle <= RADIUS + SEPARATION)
        row = rows[patch][rows["pixel"][patch] >= 0]
        assert row["pixel"].tolist() == expected.tolist()
        assert row["ts"].tobytes() == ts[expected - rings.first[0]].tobytes()
        again = maker.around(turn, int(rings.first[r]) + p)
        assert again.tobytes() == rows[patch].tobytes()
        near = rings.first[0] + np.flatnonzero(angle <= RADIUS)
        assert row["pixel"][np.isfinite(row["log_w"])].tolist() == near.tolist()
    assert tilted


def test_a_weight_of_one_pixel_is_that_of_a_tilted_trial(analysis, rings, maker):
    alone = patches.Patches(analysis, rings, 0.01, 0.01)
    r, p, tilt = maker._drawn(KEY, 3)
    turn, pixel = maker._sky(KEY, 3, r, p, tilt), int(rings.first[r]) + p
    tilts = [Tilt(n, gamma, share / 256) for n, gamma, share in patches.TILTS]
    [row] = alone.around(turn, pixel)
    assert row["log_w"] == pytest.approx(alone.local_log_weight(turn, pixel, tilts) + np.log(rings.n_pix.sum()))


def test_any_cut_gives_the_same_bits(analysis, rings, rows):
    again = patches.Patches(analysis, rings, RADIUS, SEPARATION)
    parts = [again.rows(KEY, first, n) for first, n in ((137, 60), (0, 137))]
    assert np.concatenate(parts[::-1]).tobytes() == rows[:197].tobytes()


def test_every_pixel_and_tilt_is_drawn(maker, rings):
    drawn = [maker._drawn(KEY, patch) for patch in range(20_000)]
    pixels = np.bincount([rings.first[r] - rings.first[0] + p for r, p, _ in drawn], minlength=rings.n_pix.sum())
    assert abs(pixels.std() / np.sqrt(pixels.mean()) - 1.0) < 0.2
    shares = np.array([256 - sum(share for *_, share in patches.TILTS), *(share for *_, share in patches.TILTS)])
    expected = shares / 256 * len(drawn)
    counts = np.bincount([tilt for *_, tilt in drawn], minlength=len(shares))
    assert (((counts - expected) ** 2 / expected).sum()) < len(shares) + 4 * np.sqrt(2 * len(shares))


def pulls(found, plain):
    """Differences from plain skies in errors, at each threshold."""
    out = []
    for ts in THRESHOLDS:
        (a, a_error), (b, b_error) = found.expected(ts), plain.expected(ts)
        out.append((a - b) / np.hypot(a_error, b_error))
    return np.abs(out)


@pytest.mark.parametrize("what", ["pixels", "hot spots", "north"])
def test_numbers_are_those_of_plain_skies(rings, rows, skies, what):
    """Expected numbers of pixels and of hot spots with a large TS; wrong weights are seen."""

    def chosen(made):
        dec = rings.dec[np.searchsorted(rings.first, made["pixel"], side="right") - 1]
        inside = (dec > 0.2) if what == "north" else np.ones(made.shape, bool)
        if what == "pixels":
            return Spots(len(made), weighted(made, made["ts"], inside))
        return Spots(len(made), hot_spots(rings, made, made["ts"], inside, SEPARATION))

    found, plain = chosen(rows), chosen(skies)
    assert pulls(found, plain).max() < 3.5
    wrong = found.rows.copy()
    wrong["log_w"] = 2 * np.log(rings.n_pix.sum()) - wrong["log_w"]
    assert Spots(N, wrong).post_trial(4.0).largest_share > 0.9 > 6 * found.post_trial(4.0).largest_share
    wrong["log_w"] = found.rows["log_w"] + 1.2
    assert pulls(Spots(N, wrong), plain).max() > 5.0


def test_hot_spots_are_the_hottest_within_the_separation(rings, skies):
    at = unit_vectors(rings)
    near = np.arccos(np.clip(at @ at.T, -1.0, 1.0)) <= SEPARATION
    rows = hot_spots(rings, skies[:20], skies["ts"][:20], np.ones(skies[:20].shape, bool), SEPARATION)
    for sky in range(20):
        ts = skies["ts"][sky]
        expected = [t for t, close in zip(ts, near, strict=True) if t > 0 and t == ts[close].max()]
        assert sorted(rows["mlog10p"][rows["patch"] == sky]) == sorted(expected)
        assert ts.max() in expected


def test_the_mean_weight_is_one(rings, rows):
    """A pixel is in the sky: the weights of all pixels of a patch sum to their number, on average."""
    total = np.exp(rows["log_w"]).sum(axis=1) / rings.n_pix.sum()
    assert abs(total.mean() - 1.0) < 4 * total.std() / np.sqrt(N)
