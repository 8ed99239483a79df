"""Scans: healpix geometry against healpy, bands bit for bit, every pixel against a plain fit."""

import healpy
import numpy as np
import pytest

from worker.base import healpix, rng
from worker.engines.builtin import reference, scan, trials

KEY = rng.key("scan", 1)


@pytest.mark.parametrize("nside", [1, 2, 4, 16, 64])
def test_rings_are_healpix_rings(nside):
    rings = healpix.rings_of(nside)
    theta, phi = healpy.pix2ang(nside, np.arange(12 * nside**2))
    assert rings.n_pix.sum() == 12 * nside**2
    np.testing.assert_allclose(np.repeat(rings.dec, rings.n_pix), np.pi / 2 - theta, atol=1e-12)
    ra = np.concatenate([(np.arange(n) + s) * 2 * np.pi / n for n, s in zip(rings.n_pix, rings.shift, strict=True)])
    np.testing.assert_allclose(ra, phi, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 40])
def test_bands_hold_every_ring_once(n):
    rings = healpix.rings_of(8)
    parts = [healpix.band(rings, k, n) for k in range(n)]
    np.testing.assert_array_equal(np.concatenate([p.first for p in parts]), rings.first)
    if n <= 8:
        assert min(p.n_pix.sum() for p in parts) > 0.5 * 768 / n


def maps(analysis, rings, sky=0, keep=True):
    scanner = scan.Scanner(analysis, rings, keep=keep)
    turns = scan.right_ascensions(analysis, KEY, sky)
    return np.concatenate([scanner.ring(r, turns) for r in range(len(rings.dec))])


def test_eight_bands_equal_the_unsplit_scan_bit_for_bit(analysis):
    rings = healpix.rings_of(8, np.radians(-85), np.radians(85))
    whole = maps(analysis, rings)
    bands = np.concatenate([maps(analysis, healpix.band(rings, k, 8), keep=k % 2 == 0) for k in range(8)])
    assert whole.tobytes() == bands.tobytes()
    assert 0.2 < (whole[:, 0] > 0).mean() < 0.9


def test_pixels_against_plain_numpy(analysis):
    """TS of single pixels from unit vectors and the plain likelihood, poles and the ra = 0 seam included."""
    nside = 8
    rings = healpix.rings_of(nside)
    out = maps(analysis, rings)
    turns = scan.right_ascensions(analysis, KEY, 0)
    sky = analysis.sky
    ra = 2 * np.pi * turns
    events = np.stack([np.cos(sky.dec) * np.cos(ra), np.cos(sky.dec) * np.sin(ra), np.sin(sky.dec)])
    for pixel in (0, 3, 5, 112, 113, 300, 301, 399, 400, 555, 767):
        psi = 2 * np.arcsin(np.linalg.norm(events - np.array(healpy.pix2vec(nside, pixel))[:, None], axis=0) / 2)
        near = np.flatnonzero(psi < analysis.cuts.cut * sky.sigma)
        dec = float(np.pi / 2 - healpy.pix2ang(nside, pixel)[0])
        w = sky.weight[near] * np.exp(-0.5 * (psi[near] / sky.sigma[near]) ** 2)
        drawn = trials.Drawn(
            np.stack([w, 0 * w]), sky.row[near], sky.season[near], analysis.n_data - near.size, analysis.n_data,
        )  # fmt: skip
        table = trials.table_at(analysis, dec)
        ts = reference.ts_at(drawn, table, out[pixel, 1:2], out[pixel, 2])[0]
        assert out[pixel, 0] == pytest.approx(max(ts, 0), abs=1e-6)
        assert reference.brute_force(drawn, table, np.linspace(1, 4, 25))[0] <= out[pixel, 0] + 1e-3
