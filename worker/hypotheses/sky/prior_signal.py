"""Skies with a source whose place is drawn from a spatial prior: how often the test with this prior finds it.

Every background sky gets a source of each `scan.prior_n_sig`, of the first spectrum of the spec. The place is drawn
from the prior, within the pixel too, so that what a pixel's centre misses is in the result.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.base import healpix, rng
from worker.base.key import Key
from worker.engines.protocol import Engine, Place
from worker.hypotheses.protocol import Rows
from worker.hypotheses.sky import priors
from worker.hypotheses.sky.rings import empty_rows, rings
from worker.rundir import address, layout, store
from worker.spec.sections import Spec
from worker.stats.passing import Point, point
from worker.stats.sensitivity import NotBracketedError, find_n_sig_from_points
from worker.stats.significance import nsigma_to_p

F64 = NDArray[np.float64]

WITHIN = 16
"""A place within a pixel is the centre of one of its WITHIN^2 parts."""
DISCOVERY = 3.0
"""Significance of the discovery potential: more takes more skies than are scanned."""


class PriorSignal:
    """Makes the signal skies of a band of rings.

    Parameters
    ----------
    seed : int
        Of the stream of background skies.
    """

    def __init__(self, spec: Spec, band: healpix.Rings, engine: Engine, seed: int) -> None:
        scan = spec.healpix
        self._scan, self._key, self._levels = scan, address.prior_signal(spec, seed), scan.prior_n_sig or ()
        self._whole = rings(scan, scan.nside)
        self._terms = priors.terms(scan) if self._levels else np.empty((0, 0))
        self._cdf = np.cumsum(np.exp(0.5 * self._terms), axis=1)
        self._parts = [_Part(term, band, engine, spec.signal.gammas[0]) for term in self._terms]

    def row(self, sky: int, turn: F64) -> Rows:
        """The hottest pixel with each prior and each n_sig of it, (n_priors * n_levels,) of `RING_DTYPE`."""
        n = len(self._levels)
        out: Rows = empty_rows(1, len(self._terms) * n)[0]
        for k, part in enumerate(self._parts):
            for i, n_sig in enumerate(self._levels):
                trial = (sky * len(self._parts) + k) * n + i
                part.fill(turn, self._key, trial, self._place(k, trial), n_sig, out[k * n + i : k * n + i + 1])
        return out

    def _place(self, k: int, trial: int) -> Place:
        """The place of a source, from the probability of a prior."""
        import healpy

        of_pixel, of_part = rng.uniforms(self._key, rng.OTHER, trial, 2)
        pixel = int(np.searchsorted(self._cdf[k], of_pixel * self._cdf[k][-1], side="right"))
        nested = int(healpy.ring2nest(self._scan.nside, pixel)) * WITHIN**2 + int(of_part * WITHIN**2)
        theta, phi = healpy.pix2ang(self._scan.nside * WITHIN, nested, nest=True)
        ring = int(np.searchsorted(self._whole.first, pixel, side="right")) - 1
        return Place(0.5 * np.pi - float(theta), float(phi) / (2.0 * np.pi), float(self._whole.dec[ring]))


class _Part:
    """Rings of a band in which a prior has probability."""

    def __init__(self, term: F64, band: healpix.Rings, engine: Engine, gamma: float) -> None:
        some = [bool(np.isfinite(term[a : a + n]).any()) for a, n in zip(band.first, band.n_pix, strict=True)]
        used = np.flatnonzero(some)
        self._rings = healpix.some(band, slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 0))
        self._first = int(self._rings.first[0]) if len(used) else 0
        n = int(self._rings.n_pix.sum())
        self._term = term[None, self._first : self._first + n]
        self._skies = engine.signal_skies(self._rings, gamma)

    def fill(self, turn: F64, key: Key, trial: int, at: Place, n_sig: float, out: Rows) -> None:
        """Write the hottest pixel of a sky with a source into `out` (1,)."""
        if not len(self._rings.dec):
            return
        sky = self._skies.add(turn, key, trial, at, n_sig)
        every = np.concatenate(priors.fits(self._skies, self._rings, self._term, sky))
        best = priors.hottest(self._term, every[:, 0])[0]
        if best >= 0:
            out["pixel"] = self._first + best
            for i, name in enumerate(("ts", "ns", "gamma")):
                out[name] = every[best, i]


def results(spec: Spec, path: Path, k: int, observed: float) -> dict[str, Any]:
    """Sensitivity, discovery potential and upper limit in events, null where the skies do not bracket them.

    Parameters
    ----------
    path : Path
        The run with the background skies.
    k : int
        Number of the prior.
    observed : float
        Its TS in the observed sky; the limit is never below the sensitivity.
    """
    n = len(spec.healpix.prior_n_sig or ())
    every = store.load_array(path, layout.PRIOR_SIGNAL, None, priors.SPOT_DTYPE)["prior_ts"]
    background, signal = priors.background(path)["prior_ts"][:, k], every[:, k * n : (k + 1) * n]
    beta, median = spec.sensitivity.beta, float(np.median(background))
    out = _n_sig(spec, k, "sensitivity", background, signal, median, beta)
    out |= _n_sig(spec, k, "limit", background, signal, max(observed, median), beta)
    allowed = int(float(nsigma_to_p(DISCOVERY)) * (len(background) + 1)) - 1
    if allowed < 0:  # too few skies for the threshold
        return out | {"discovery": None, "discovery_error": None}
    top = float(np.sort(background)[::-1][allowed])
    return out | _n_sig(spec, k, "discovery", background, signal, top, spec.sensitivity.discovery_beta)


def _n_sig(spec: Spec, k: int, kind: str, background: F64, signal: F64, ts: float, beta: float) -> dict[str, Any]:
    levels = [0.0, *(spec.healpix.prior_n_sig or ())]
    points: tuple[Point, ...] = tuple(
        point(n_sig, int((values > ts).sum()), len(values))
        for n_sig, values in zip(levels, [background, *signal.T], strict=True)
    )
    try:
        key = address.prior_bootstrap(spec, kind, k)
        found = find_n_sig_from_points(points, ts, beta, spec.sensitivity.n_bootstrap, key)
    except NotBracketedError:
        return {kind: None, f"{kind}_error": None}
    return {kind: found.n_sig, f"{kind}_error": found.error}
