"""Spatial priors: the hottest pixel of TS + 2 ln(P / P max), clipped at 0, for each map of probability.

The largest P is that of the scanned pixels. A pixel is fitted unless its TS plus that term is surely below that of
another one, so the maximum is that of all pixels.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.base.healpix import Rings
from worker.engines.protocol import RingScanner
from worker.hypotheses.protocol import Rows
from worker.hypotheses.sky.rings import coordinates, empty_rows, rings
from worker.rundir import layout, store
from worker.spec import prior_map
from worker.spec.sections import Spec
from worker.spec.sky_scan import HealpixScan
from worker.stats.binomial import LEVEL, clopper_pearson
from worker.stats.several import smallest_p

F64 = NDArray[np.float64]

LEAST_FLOOR = 1e-300
"""A pixel with TS = 0 never matters: no prior makes it larger than 0."""
COLUMNS = ("dec", "gamma", "ns", "prior_ts", "ra", "ts")
SPOT_DTYPE = np.dtype([(name, "<f8") for name in COLUMNS])


def terms(scan: HealpixScan) -> F64:
    """2 ln(P / P max) of every pixel of the sphere for each prior, (n_priors, 12 nside^2), -inf outside the scan."""
    scanned = rings(scan, scan.nside)
    first, last = int(scanned.first[0]), int(scanned.first[-1] + scanned.n_pix[-1])
    out = np.full((len(scan.prior_maps or {}), 12 * scan.nside**2), -np.inf)
    for row, text in zip(out, (scan.prior_maps or {}).values(), strict=True):
        inside = prior_map.parse(text)[first:last]
        row[first:last] = inside - inside.max()
    return out


def floors(of_ring: F64, best: F64) -> F64:
    """TS that each pixel of a ring must reach to be the hottest with one of the priors, (n_pix,).

    Parameters
    ----------
    of_ring : ndarray (n_priors, n_pix)
        Their terms.
    best : ndarray (n_priors,)
        Largest TS plus term so far.
    """
    needed: F64 = np.maximum(best[:, None] - of_ring, LEAST_FLOOR).min(axis=0)
    return needed


def fits(scanner: RingScanner, around: Rings, of_pixels: F64, turn: F64, min_ts: float = np.inf) -> list[F64]:
    """TS, ns and gamma of every pixel that may be the hottest with a prior or reach `min_ts`, ring by ring.

    Parameters
    ----------
    of_pixels : ndarray (n_priors, n_pix)
        Terms of all pixels of the rings.
    """
    best, found, begin = np.zeros(len(of_pixels)), [], 0
    for r, n_pix in enumerate(around.n_pix.tolist()):
        of_ring, floor = of_pixels[:, begin : begin + n_pix], np.full(1, min_ts)
        if len(of_ring):
            floor = np.minimum(floors(of_ring, best), min_ts)
        found.append(scanner.above(r, turn, floor))
        if len(of_ring):
            best = np.maximum(best, (found[-1][:, 0] + of_ring).max(axis=1))
        begin += n_pix
    return found


def hottest(of_pixels: F64, ts: F64) -> NDArray[np.int64]:
    """Place of the hottest pixel with each prior (ties: the lowest), -1 if its TS plus term is not above 0.

    Parameters
    ----------
    of_pixels : ndarray (n_priors, n_pix)
    ts : ndarray (n_pix,)
    """
    total = ts + of_pixels
    at = total.argmax(axis=1)
    return np.where(total[np.arange(len(total)), at] > 0.0, at, -1)


def joined(scan: HealpixScan, bands: Sequence[Rows]) -> Rows:
    """The hottest pixel of each sky and prior, from those of its bands: `prior_ts` says which columns they have."""
    every = np.stack(bands)
    total = prior_ts(terms(scan), every)
    best = total.argmax(axis=0)
    chosen: Rows = np.take_along_axis(every, best[None], axis=0)[0]
    return chosen


def prior_ts(of_pixel: F64, rows: Rows) -> F64:
    """TS + 2 ln(P / P max), clipped at 0, of rows (..., n_priors * n) with a pixel each (-1: none), by prior."""
    if not rows.shape[-1]:
        return np.zeros(rows.shape)
    prior = np.arange(rows.shape[-1]) // (rows.shape[-1] // len(of_pixel))
    term = of_pixel[prior, np.maximum(rows["pixel"], 0)]
    used: F64 = np.where(rows["pixel"] >= 0, rows["ts"] + term, 0.0)
    return np.maximum(used, 0.0)


def listed(scan: HealpixScan, scanned: Rings, rows: Rows) -> Rows:
    """Columns of `SPOT_DTYPE` of hottest pixels; without a pixel all are 0."""
    out = np.zeros(rows.shape, SPOT_DTYPE)
    used = rows["pixel"] >= 0
    dec, ra = coordinates(scanned, rows["pixel"][used])
    out["dec"][used], out["ra"][used] = dec, ra
    out["prior_ts"] = prior_ts(terms(scan), rows)
    for name in ("ts", "ns", "gamma"):
        out[name] = np.where(used, rows[name], 0.0)
    return out


def of_map(spec: Spec, scanned: Rings, values: Rows) -> dict[str, Any]:
    """Hottest pixel of a map of the observed sky with each prior, for its results; empty without priors."""
    scan = spec.healpix
    if not scan.prior_maps:
        return {}
    first = int(scanned.first[0])
    at = hottest(terms(scan)[:, first : first + len(values)], values["ts"])
    rows = empty_rows(1, len(at))[0]
    used = at >= 0
    rows["pixel"][used] = first + at[used]
    for name in ("ts", "ns", "gamma"):
        rows[name][used] = values[name][at[used]]
    spots = listed(scan, scanned, rows)
    share = {name: prior_map.inside(text, scan.dec_min_deg, scan.dec_max_deg) for name, text in scan.prior_maps.items()}
    return {"priors": {name: _spot(spot, share[name]) for name, spot in zip(scan.prior_maps, spots, strict=True)}}


def _spot(spot: np.void, share: float) -> dict[str, float]:
    found = {name: float(spot[name]) for name in ("gamma", "ns", "prior_ts", "ts")}
    found |= {f"{name}_deg": float(np.degrees(spot[name])) for name in ("ra", "dec")}
    return found | {"probability_inside": share}


def background(path: Path) -> Rows:
    """Hottest pixel of every background sky and prior, (n_skies, n_priors) of `SPOT_DTYPE`."""
    return store.load_array(path, layout.PRIORS, None, SPOT_DTYPE)


def tests(scan: HealpixScan, path: Path, result: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """P of the hottest pixel with each prior, counted in the skies; ``p_of_all`` corrects for their number."""
    own = {name: result["priors"][name] for name in scan.prior_maps or ()}  # JSON has them by name
    skies = background(path)["prior_ts"]
    observed = np.array([spot["prior_ts"] for spot in own.values()])
    p_of_all = float(smallest_p(np.vstack([skies, observed]))[-1])
    rows, n = {}, len(skies)
    for (name, spot), of_skies in zip(own.items(), skies.T, strict=True):
        k = int(np.count_nonzero(of_skies >= spot["prior_ts"]))
        lo, hi = clopper_pearson(k, n)
        rows[name] = {"p": (k + 1) / (n + 1), "n": n, "n_at_least": k, "lo": float(lo), "hi": float(hi)}
        rows[name] |= {"level": LEVEL, "p_of_all": p_of_all, "n_priors": len(own), **spot}
    return rows
