"""What is kept of a sky beside the largest TS of each ring: hottest pixels with spatial priors, and warm spots.

A row has the ring maxima, then the hottest pixel with each prior, places for warm spots by pixel, and the hottest
pixels of the same sky with a source (`worker.hypotheses.sky.prior_signal`). A band of a sky
is scanned with MARGIN more rings on each side, so that its local maxima are those of the whole sky.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import healpix
from worker.base.errors import InputError
from worker.engines.protocol import RingScanner
from worker.hypotheses.sky import priors, warm_spots
from worker.hypotheses.sky.rings import empty_rows, rings
from worker.spec.sky_scan import HealpixScan
from worker.spec.specfile import digest

F64 = NDArray[np.float64]
Rows = NDArray[np.void]

MARGIN = 2
"""A neighbour of a pixel lies at most so many rings further."""


class Columns(NamedTuple):
    """Columns of a file of skies, or those of several bands side by side."""

    rings: Rows
    priors: Rows
    spots: Rows
    signal: Rows


def is_more(scan: HealpixScan) -> bool:
    """Whether a row has more than ring maxima."""
    return scan.warm_spots is not None or bool(scan.prior_maps)


def area(scan: HealpixScan) -> dict[str, Any]:
    """What is kept beside ring maxima, for digests; empty if nothing is."""
    out: dict[str, Any] = {}
    if scan.warm_spots is not None:
        out["warm_spots"] = scan.warm_spots.model_dump(mode="json")
    if scan.prior_maps:
        out["priors"] = [digest(text) for text in scan.prior_maps.values()]
    if scan.prior_n_sig:
        out["prior_n_sig"] = list(scan.prior_n_sig)
    return out


def columns(scan: HealpixScan, rows: Rows, band: healpix.Rings) -> Columns:
    """Split rows (n_skies, n_columns) of a band.

    Raises
    ------
    InputError
        They have another number of columns.
    """
    n_rings, n_priors = len(band.dec), len(scan.prior_maps or {})
    n_places, n_signal = scan.warm_places(int(band.n_pix.sum())), n_priors * len(scan.prior_n_sig or ())
    ends = np.cumsum([n_rings, n_priors, n_places, n_signal])
    if rows.shape[1:] != (ends[-1],):
        raise InputError(
            f"has {rows.shape[1:]} columns; expected {n_rings} rings, {n_priors} priors, {n_places} warm spots and "
            f"{n_signal} skies with a source"
        )
    return Columns(*np.split(rows, ends[:-1], axis=1))


def joined(scan: HealpixScan, bands: Sequence[Columns]) -> Columns:
    """The columns of whole skies from those of their bands."""
    return Columns(
        np.concatenate([band.rings for band in bands], axis=1),
        priors.joined(scan, [band.priors for band in bands]),
        np.concatenate([band.spots for band in bands], axis=1),
        priors.joined(scan, [band.signal for band in bands]),
    )


def with_margin(whole: healpix.Rings, band: healpix.Rings) -> tuple[healpix.Rings, slice]:
    """The rings of a band with those around it, and where the band lies among them."""
    if not len(band.first):
        return band, slice(0, 0)
    start = int(np.searchsorted(whole.first, band.first[0]))
    low, high = max(start - MARGIN, 0), min(start + len(band.first) + MARGIN, len(whole.first))
    return healpix.some(whole, slice(low, high)), slice(start - low, start - low + len(band.first))


class Scan:
    """Scans skies for all that is kept of them.

    Parameters
    ----------
    band : Rings
        Rings of the files; `scanner` is that of `with_margin`.
    """

    def __init__(self, scan: HealpixScan, band: healpix.Rings, scanner: RingScanner) -> None:
        self._scan, self._scanner = scan, scanner
        self._around, self._inner = with_margin(rings(scan, scan.nside), band)
        self._band, self._start = band, int(self._around.first[0])
        n = int(self._around.n_pix.sum())
        self._terms = priors.terms(scan)[:, self._start : self._start + n]
        inside = np.zeros(n, bool)
        inside[band.first[0] - self._start : band.first[-1] + band.n_pix[-1] - self._start] = True
        self._terms[:, ~inside] = -np.inf
        self._min_ts = np.inf if scan.warm_spots is None else scan.warm_spots.min_ts

    def row(self, turn: F64) -> Rows:
        """The row of a sky.

        Parameters
        ----------
        turn : ndarray (n_events,)
            From `Engine.scrambled`.

        Raises
        ------
        InputError
            There are more warm spots than places.
        """
        fits, band = priors.fits(self._scanner, self._around, self._terms, turn, self._min_ts), self._band
        every = np.concatenate(fits)
        largest = (
            band.first - self._start + np.array([int(np.argmax(ring[:, 0])) for ring in fits[self._inner]], np.int64)
        )
        at = np.concatenate([largest, priors.hottest(self._terms, every[:, 0]), self._warm(every[:, 0])])
        out: Rows = empty_rows(1, len(at))[0]
        used = at >= 0
        out["pixel"][used] = at[used] + self._start
        for i, name in enumerate(("ts", "ns", "gamma")):
            out[name][used] = every[at[used], i]
        return out

    def _warm(self, ts: F64) -> NDArray[np.int64]:
        """Places of the warm spots of the band, -1 where there are no more."""
        band = self._band
        at = warm_spots.local_maxima(self._scan.nside, self._start, ts, self._min_ts)
        pixel = at + self._start
        at = at[(pixel >= band.first[0]) & (pixel < band.first[-1] + band.n_pix[-1])]
        n_places = self._scan.warm_places(int(band.n_pix.sum()))
        if len(at) > n_places:
            raise InputError(
                f"scan.warm_spots: found {len(at)} local maxima with TS >= {self._min_ts:g} in a sky, and there are "
                f"places for {n_places}: write a larger min_ts, or e.g. most: {2 * len(at)}"
            )
        return np.concatenate([at, np.full(n_places - len(at), -1)])
