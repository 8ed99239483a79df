"""The warm spots of the observed sky, and the population test of them."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base.healpix import Rings
from worker.hypotheses import hottest_spots
from worker.hypotheses.protocol import Rows, Tsds
from worker.hypotheses.sky import warm_spots
from worker.hypotheses.sky.rings import coordinates
from worker.rundir import layout, store
from worker.spec.sections import Spec
from worker.stats.binomial import LEVEL, clopper_pearson
from worker.stats.spots import Excess, excess, separated

F64 = NDArray[np.float64]


class Skies(NamedTuple):
    """Warm spots that a population test counts: of the background skies, and of the observed one, the last.

    Attributes
    ----------
    sky : ndarray (n_spots,), int64
    heat : ndarray (n_spots,)
        -log10 of the local p.
    n : int
        Number of skies, the observed one too.
    """

    sky: NDArray[np.int64]
    heat: F64
    n: int

    def counts(self, x: F64) -> NDArray[np.int64]:
        """Spots at least as hot as each x, in each sky, (n, n_x)."""
        out = np.empty((self.n, len(x)), np.int64)
        for k in range(self.n):
            own = np.sort(self.heat[self.sky == k])
            out[k] = len(own) - np.searchsorted(own, x, side="left")
        return out


def of_map(spec: Spec, rings: Rings, tsds: Tsds, heat: F64, values: Rows) -> dict[str, Any]:
    """Warm spots of a map of the observed sky, the hottest first, for its results; empty if the spec keeps none.

    ``complete_from``: -log10 p from which every local maximum of a region is kept, that of `min_ts` where it is
    largest.

    Parameters
    ----------
    heat : ndarray (n_pix,)
    values : ndarray (n_pix,) of `worker.hypotheses.sky.rings.MAP_DTYPE`
    """
    warm = spec.healpix.warm_spots
    if warm is None:
        return {}
    first = int(rings.first[0])
    at = warm_spots.local_maxima(spec.healpix.nside, first, np.ascontiguousarray(values["ts"]), warm.min_ts)
    dec, ra = coordinates(rings, at + first)
    columns = {"ra_deg": np.degrees(ra), "dec_deg": np.degrees(dec), "mlog10p": heat[at]}
    columns |= {name: values[name][at] for name in ("ts", "ns", "gamma")}
    order = np.argsort(-heat[at], kind="stable")
    least = hottest_spots.p_map(spec, tsds, rings.dec, np.full(rings.dec.shape, warm.min_ts))
    inside = {region: hottest_spots.in_region(spec, region, rings.dec) for region in hottest_spots.REGIONS}
    return {
        "warm_spots": {
            "complete_from": {region: float(least[use].max()) for region, use in inside.items() if use.any()},
            "spots": [{name: float(column[i]) for name, column in columns.items()} for i in order],
        }
    }


def tests(spec: Spec, path: Path, result: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The population test of each region of an observed sky, corrected with the background skies."""
    return {region: _test(skies_of(spec, path, result, region)) for region in result["regions"]}


def skies_of(spec: Spec, path: Path, result: Mapping[str, Any], region: str) -> Skies:
    """Warm spots for the test of a region: all above its threshold that are apart from hotter ones.

    Parameters
    ----------
    path : Path
        The run with the background skies.
    result : mapping
        That of the observed sky.
    """
    assert spec.healpix.population is not None
    spots = store.load_array(path, layout.WARM_SPOTS, None, warm_spots.SPOT_DTYPE)
    n, own = int(store.load_record(path, layout.WARM_SPOTS).n), result["warm_spots"]["spots"]
    dec, ra = (np.append(spots[name], np.radians([spot[f"{name}_deg"] for spot in own])) for name in ("dec", "ra"))
    sky = np.append(spots["sky"], np.full(len(own), n))
    heat = np.append(spots["mlog10p"], [spot["mlog10p"] for spot in own])
    use = heat >= result["warm_spots"]["complete_from"][region]
    use &= hottest_spots.in_region(spec, region, dec)
    separation = float(np.radians(spec.healpix.population.min_separation_deg))
    return _apart(Skies(sky[use], heat[use], n + 1), dec[use], ra[use], separation)


def _apart(skies: Skies, dec: F64, ra: F64, separation: float) -> Skies:
    """The spots that no hotter one of the same sky is near; `skies` are in order."""
    ends = np.searchsorted(skies.sky, np.arange(skies.n + 1))
    keep = [separated(dec[a:b], ra[a:b], skies.heat[a:b], separation) for a, b in pairwise(ends)]
    chosen = np.concatenate(keep)
    return Skies(skies.sky[chosen], skies.heat[chosen], skies.n)


def background(skies: Skies) -> Excess:
    """The best threshold of every sky, the observed one last."""
    return excess(skies.sky, skies.heat, skies.n)


def _test(skies: Skies) -> dict[str, Any]:
    """Result of the observed sky; p is the fraction of all skies that are at least as unlikely."""
    found, n = background(skies), skies.n - 1
    own = float(found.mlog10p[n])
    k = int(np.count_nonzero(found.mlog10p[:n] >= own))
    lo, hi = clopper_pearson(k, n)
    out = {"p": (k + 1) / (n + 1), "n": n, "n_at_least": k, "lo": float(lo), "hi": float(hi), "level": LEVEL}
    out |= {"mlog10p": own, "n_spots": int(found.n[n]), "expected": float(found.expected[n])}
    return out | {"x": float(found.x[n]), "n_warm": int(np.count_nonzero(skies.sky == n))}
