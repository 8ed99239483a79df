"""Patches: the part of a tilted sky around one pixel, for the tail of the hottest spot's p-value.

A patch belongs to a pixel x, drawn uniformly from the N pixels of a scan, and to a tilt k of x. Its sky is a scrambled
one in which events follow a source of n_k events at x, as in `worker.engines.builtin.tilted`. L_x is the density of
such skies (the mixture of all tilts of x) relative to background skies, and

    w_m = N / sum over x' within `radius` of m of L_x'

is the weight of pixel m, if m lies within `radius` of x. Let A_m be an event of a background sky, such as "m is the
hottest pixel within R of m, and its p is small". Over patches, the sum of w_m over those m with A_m has as its mean the
expected number of pixels with A_m in a background sky: every sky is divided by the density from which it was drawn
(Naiman and Priebe 2001, J. Comput. Graph. Stat. 10, 296; Shi, Siegmund and Yakir 2007, Stat. Sin. 17, 1189). Only
pixels near x are fitted.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath, rng
from worker.base.compiled import kernel
from worker.base.healpix import Rings
from worker.engines.builtin import mixture, tilt_pilot
from worker.engines.builtin.analysis import Analysis, table_at
from worker.engines.builtin.likelihood import count_rest
from worker.engines.builtin.mixture import PATTERN
from worker.engines.builtin.pairs import RingEvents, ring_events
from worker.engines.builtin.point import EVENT, PI, Candidates
from worker.engines.builtin.scan import NO_FLOOR, Scanner, fit_ring, right_ascensions
from worker.engines.builtin.tables import SignalTable
from worker.engines.builtin.tilted import Mixture, chosen, log_ratios, log_weight, place_in_window
from worker.engines.builtin.trials import Point
from worker.engines.protocol import PATCH_DTYPE, Tilt

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

PATCHES = 1
"""Version of the bits of a patch, besides those that `ENGINE` of `worker.engines.builtin.engine` counts."""
BLOCK = 1024
"""Patches that are made together, ordered by declination: the geometry of a ring is then computed once for them."""
RINGS_KEPT = 64
"""Rings whose events are kept in memory: those of a patch, and of the next one."""
NO_PIXEL = -1
"""Pixel of an unused place in a row."""
TILTS = (
    (5.0, 1.3, 12), (10.0, 1.3, 10), (5.0, 2.4, 10), (10.0, 1.8, 12), (10.0, 2.6, 14), (10.0, 3.8, 30), (18.0, 2.4, 22),
    (18.0, 3.0, 16), (18.0, 3.8, 28), (28.0, 3.0, 16), (28.0, 3.8, 24), (42.0, 3.0, 12), (42.0, 3.8, 18),
)  # fmt: skip
"""n, gamma and share, in 1 / PATTERN, of the tilts of every pixel; the rest are plain skies. Few energetic events and
many soft ones; n as far as a significance of 5 sigma after trials needs (a local one of 7 sigma at nside 128)."""


class Ring(NamedTuple):
    """What the pixels of a ring have in common, ready for patches."""

    events: RingEvents
    candidates: Candidates
    table: SignalTable


def _ring_of(analysis: Analysis, rings: Rings, r: int) -> Ring:
    dec = float(rings.dec[r])
    events = ring_events(analysis, dec)
    return Ring(events, candidates_of(analysis, events), table_at(analysis, dec))


def _mixture_of(analysis: Analysis, rings: Rings, ring_of: Callable[[int], Ring], r: int) -> Mixture:
    """The tilts of the pixels of a ring, with their hazards."""
    ring = ring_of(r)
    point = Point(float(rings.dec[r]), ring.table, ring.candidates)
    inside = tilt_pilot.inside(analysis, point, [(n, gamma) for n, gamma, _ in TILTS])
    tilts = [Tilt(*tilt, share / PATTERN) for tilt, (*_, share) in zip(inside, TILTS, strict=True)]
    return mixture.mixture_at(analysis, point, tilts)


@kernel
def _is_near(sin_half_ddec, coscos, turns, limit):  # type: ignore[no-untyped-def]
    """Whether two places are within a radius; `limit` is sin^2 of its half, `turns` their difference in ra."""
    s = fmath.sin(PI * abs(turns - np.floor(turns + 0.5)))
    return sin_half_ddec * sin_half_ddec + coscos * s * s <= limit


@kernel
def _disc(dec, cos_dec, n_pix, shift, r0, p0, limit, ring, pixel):  # type: ignore[no-untyped-def]
    """Pixels within a radius of pixel p0 of ring r0, by ring, into `ring` and `pixel`; returns how many."""
    n, at = 0, (p0 + shift[r0]) / n_pix[r0]
    for r in range(dec.size):
        s = fmath.sin(0.5 * abs(dec[r] - dec[r0]))
        if s * s > limit:
            continue
        for p in range(n_pix[r]):
            if _is_near(s, cos_dec[r] * cos_dec[r0], (p + shift[r]) / n_pix[r] - at, limit):
                ring[n], pixel[n] = r, p
                n += 1
    return n


@kernel
def _most_pixels(dec, cos_dec, n_pix, limit):  # type: ignore[no-untyped-def]
    """An upper bound of the number of pixels of a disc around any pixel."""
    most = 0
    for r0 in range(dec.size):
        n = 0
        for r in range(dec.size):
            s = fmath.sin(0.5 * abs(dec[r] - dec[r0]))
            x = (limit - s * s) / (cos_dec[r] * cos_dec[r0])
            if x >= 1.0:
                n += n_pix[r]
            elif x >= 0.0:
                turns = fmath.asin(np.sqrt(x)) / PI
                n += min(n_pix[r], int(np.floor(2.0 * turns * n_pix[r] + 1e-6)) + 1)
        most = max(most, n)
    return most


@kernel
def _log_weights(dec, cos_dec, ring, turn, log_l, inner, limit, log_n, out):  # type: ignore[no-untyped-def]
    """Ln w of the pixels with `inner`, -inf of the others; pixels of a patch are given by ring and turn, (n,)."""
    for m in range(ring.size):
        out[m] = -np.inf
        if not inner[m]:
            continue
        for turned in range(2):  # the largest first, then the sum relative to it
            top, total = out[m], 0.0
            for j in range(ring.size):
                s = fmath.sin(0.5 * abs(dec[ring[j]] - dec[ring[m]]))
                if not _is_near(s, cos_dec[ring[j]] * cos_dec[ring[m]], turn[j] - turn[m], limit):
                    continue
                if turned == 0:
                    out[m] = max(out[m], log_l[j])
                else:
                    total += fmath.exp(log_l[j] - top)
            if turned == 1:
                out[m] = log_n - (top + fmath.log(total))


@kernel
def _tilt(c, hazard, hard, k0, k1, trial, event, at, picked, turn):  # type: ignore[no-untyped-def]
    """Move the events that follow a tilt's source, at `at` (turns), to their places in the sky `turn`."""
    n = chosen(hazard, k0, k1, trial, picked)
    for j in range(n):
        i = picked[j]
        place = place_in_window(c.psf, c.event[i], hard, k0, k1, trial, j)
        here = at + (2.0 * place - 1.0) * c.event[i].half_window / PI
        turn[event[i]] = here - np.floor(here)


@kernel
def _log_l(start, fill, w, row, season, n_data, pixels, mixture, rest, work, log_l, out):  # type: ignore[no-untyped-def]
    """Ln L of some pixels of a ring, into `out`."""
    for j in range(pixels.size):
        a, b = start[pixels[j]], fill[pixels[j]]
        count_rest(n_data, season[a:b], rest)
        log_ratios(b - a, w[:, a:b], row[a:b], season[a:b], rest, mixture, work, log_l)
        out[j] = -log_weight(mixture.share, log_l)


class Patches(Scanner):
    """Makes patches of one analysis around the pixels of a set of rings.

    Parameters
    ----------
    radius : float, rad
        Between a pixel x and the pixels m that get a weight.
    separation : float, rad, not smaller than `radius`
        Pixels are fitted within radius + separation of x: all that are within `separation` of a pixel with a weight.

    Attributes
    ----------
    block : int
        Patches that are best made together.
    most : int
        Places in the row of a patch: an upper bound of its pixels.
    """

    def __init__(self, analysis: Analysis, rings: Rings, radius: float, separation: float) -> None:
        super().__init__(analysis, rings, keep=False)
        self.block = BLOCK
        self._cos_dec = np.array([float(fmath.cos(dec)) for dec in rings.dec.tolist()])
        self._near, self._summed, self._far = (
            _limit(angle) for angle in (radius, 2.0 * radius * (1.0 + 1e-9), radius + separation)
        )
        self._last = np.cumsum(rings.n_pix)
        self.most = int(_most_pixels(rings.dec, self._cos_dec, rings.n_pix, self._far))
        self._ring = lru_cache(RINGS_KEPT)(partial(_ring_of, analysis, rings))
        self._tilting = lru_cache(1)(partial(_mixture_of, analysis, rings, self._ring))
        self._light: dict[int, Mixture] = {}

    def rows(self, key: tuple[int, int], first: int, count: int) -> NDArray[np.void]:
        """Patches [first, first + count) of the stream of `key`, (count, most) of `PATCH_DTYPE`."""
        out = np.zeros((count, self.most), PATCH_DTYPE)
        out["pixel"], out["log_w"] = NO_PIXEL, -np.inf
        drawn = [self._drawn(key, first + i) for i in range(count)]
        for i in sorted(range(count), key=lambda i: drawn[i]):
            r, p, tilt = drawn[i]
            self._fill_row(self._sky(key, first + i, r, p, tilt), r, p, out[i])
        return out

    def around(self, turn: F64, pixel: int) -> NDArray[np.void]:
        """The patch around a healpix pixel in a given sky (`right_ascensions`), (most,) of `PATCH_DTYPE`."""
        out = np.zeros(self.most, PATCH_DTYPE)
        out["pixel"], out["log_w"] = NO_PIXEL, -np.inf
        self._fill_row(turn, *self._ring_and_place(pixel), out)
        return out

    def local_log_weight(self, turn: F64, pixel: int, tilts: Sequence[Tilt]) -> float:
        """Ln of the weight of a given sky as a tilted trial of the declination of a healpix pixel, with these tilts."""
        r, p = self._ring_and_place(pixel)
        ring, at = self._ring(r), (p + self.rings.shift[r]) / self.rings.n_pix[r]
        point = Point(float(self.rings.dec[r]), ring.table, ring.candidates)
        mixed = mixture.mixture_at(self.analysis, point, tilts)
        return -float(self._values(r, turn, float(at), np.array([p]), np.ones(1, bool), mixed)[1][0])

    def _ring_and_place(self, pixel: int) -> tuple[int, int]:
        r = int(np.searchsorted(self.rings.first, pixel, side="right")) - 1
        return r, pixel - int(self.rings.first[r])

    def _drawn(self, key: tuple[int, int], patch: int) -> tuple[int, int, int]:
        """Ring, pixel in the ring, and tilt of a patch: 0 for a plain sky, k + 1 for tilt k."""
        of_pixel, of_tilt = rng.uniforms(key, rng.OTHER, patch, 2)
        pixel = int(of_pixel * self._last[-1])
        ring = int(np.searchsorted(self._last, pixel, side="right"))
        shares = np.cumsum([PATTERN - sum(share for *_, share in TILTS), *(share for *_, share in TILTS)])
        tilt = int(np.searchsorted(shares, int(of_tilt * PATTERN), side="right"))
        return ring, pixel - int(self._last[ring] - self.rings.n_pix[ring]), tilt

    def _fill_row(self, turn: F64, r: int, p: int, out: NDArray[np.void]) -> None:
        """Fill the row of a patch around pixel p of ring r."""
        rings = self.rings
        ring, pixel = np.empty((2, self.most), np.int64)
        n = self._pixels(r, p, self._far, ring, pixel)
        ring, pixel = ring[:n], pixel[:n]
        inner, summed = (self._among(r, p, limit, ring, pixel) for limit in (self._near, self._summed))
        ts, log_l, at = np.zeros(n), np.full(n, -np.inf), (p + rings.shift[r]) / rings.n_pix[r]
        for one in range(int(ring[0]), int(ring[-1]) + 1):
            here = slice(*np.searchsorted(ring, [one, one + 1]))
            ts[here], log_l[here] = self._values(one, turn, float(at), pixel[here], summed[here])
        turns = (pixel + rings.shift[ring]) / rings.n_pix[ring]
        log_w = np.empty(n)
        log_n = float(fmath.log(float(self._last[-1])))
        _log_weights(rings.dec, self._cos_dec, ring, turns, log_l, inner, self._near, log_n, log_w)
        out["pixel"][:n], out["ts"][:n], out["log_w"][:n] = rings.first[ring] + pixel, ts, log_w

    def _pixels(self, r: int, p: int, limit: float, ring: I64, pixel: I64) -> int:
        rings = self.rings
        return int(_disc(rings.dec, self._cos_dec, rings.n_pix, rings.shift, r, p, limit, ring, pixel))

    def _among(self, r: int, p: int, limit: float, ring: I64, pixel: I64) -> NDArray[np.bool_]:
        """Which pixels of a patch are within a smaller radius; both lists have the same order."""
        near_ring, near_pixel = np.empty((2, len(ring)), np.int64)
        n = self._pixels(r, p, min(limit, self._far), near_ring, near_pixel)
        most = int(self.rings.n_pix.max())
        return np.isin(ring * most + pixel, near_ring[:n] * most + near_pixel[:n])

    def _sky(self, key: tuple[int, int], patch: int, r: int, p: int, tilt: int) -> F64:
        """Right ascensions of the tilted sky, as `right_ascensions` of a plain one."""
        turn = right_ascensions(self.analysis, key, patch)
        if tilt:
            ring, mixed = self._ring(r), self._tilting(r)
            picked = np.empty(ring.events.event.size, np.int64)
            _tilt(
                ring.candidates, mixed.hazard[tilt - 1], mixed.hard[tilt - 1], np.uint64(key[0]), np.uint64(key[1]),
                np.uint64(patch), ring.events.event, (p + self.rings.shift[r]) / self.rings.n_pix[r], picked, turn,
            )  # fmt: skip
        return turn

    def _values(
        self, r: int, turn: F64, at: float, pixel: I64, summed: NDArray[np.bool_], mixed: Mixture | None = None
    ) -> tuple[F64, F64]:
        """TS of some pixels of a ring, and ln L of those with `summed` (-inf of the others), for the tilts `mixed`."""
        ring, count = self._ring(r), int(self.rings.n_pix[r])
        turns = (pixel + self.rings.shift[r]) / count
        reach = float(np.abs(turns - at - np.floor(turns - at + 0.5)).max()) + 1e-6
        delta = turn[ring.events.event] - at
        near = np.abs(delta - np.floor(delta + 0.5)) <= reach + ring.events.half * ((1.0 + 1e-6) / PI)
        self._fill_with(self._some(ring.events, near), r, turn)
        out, log_l = np.empty((count, 3)), np.full(len(pixel), -np.inf)
        filled, n_data = self._filled(count), self.analysis.n_data
        fit_ring(
            *filled, n_data, ring.table, self._work, self._rest, self._slopes, pixel, np.full(count, np.inf),
            self._no_ranges, NO_FLOOR, out,
        )  # fmt: skip
        some, mixed = np.empty(int(summed.sum())), mixed or self._mixture(r)
        _log_l(*filled, n_data, pixel[summed], mixed, self._rest, self._work, np.empty(mixed.n.size), some)
        log_l[summed] = some
        return self._require(r, out[pixel])[:, 0], log_l

    def _some(self, events: RingEvents, chosen: NDArray[np.bool_]) -> RingEvents:
        """Some of the events of a ring, in the same order."""
        event, half, sin2, coscos, inverse, weight, limit, psf = events
        return RingEvents(
            event[chosen], half[chosen], sin2[chosen], coscos[chosen], inverse[chosen], weight[chosen], limit[chosen],
            psf,
        )  # fmt: skip

    def _mixture(self, r: int) -> Mixture:
        """Tilts of the pixels of a ring, without hazards; kept for every ring."""
        if r not in self._light:
            mixed = _mixture_of(self.analysis, self.rings, self._ring, r)
            self._light[r] = mixed._replace(hazard=np.empty((len(TILTS), 0)))
        return self._light[r]


def _limit(angle: float) -> float:
    """Sin^2 of half an angle (rad)."""
    s = float(fmath.sin(0.5 * min(angle, PI)))
    return s * s


def candidates_of(analysis: Analysis, events: RingEvents) -> Candidates:
    """The events of a ring in the form of those of a point; the hazards are left out: a sky is drawn whole."""
    sky, at = analysis.sky, events.event
    event = np.empty(at.size, EVENT)
    event["half_window"], event["sin2_ddec"], event["coscos"] = events.half, events.sin2, events.coscos
    event["inv_2sigma2"] = events.inv_2sigma2
    for k, name in enumerate(("weight", "hard")):
        event[name] = events.weight[:, k] * analysis.n_data[sky.season[at]]
    event["row"], event["season"], event["psf"] = sky.row[at], sky.season[at], sky.shape[at]
    return Candidates(0, np.zeros(at.size), np.zeros(1, np.int32), event, events.psf)
