"""The largest TS of a ring without fitting every pixel: the same bits, from bounds that hold."""

import gc
import weakref

import numpy as np
import pytest

from tests.engine.conftest import CUTS, with_another
from worker.base import healpix, rng
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import bounds, likelihood, patches, scan
from worker.engines.builtin.analysis import table_at
from worker.engines.builtin.work import EVENTS

KEY = rng.key("bounds", 1)
RINGS = healpix.rings_of(16, np.radians(-85), np.radians(85))


@pytest.fixture(scope="module", params=["gaussian", "response"])
def two_kinds(request, dataset):
    """Two seasons, with both signal densities."""
    return engine.build(with_another(dataset), CUTS._replace(psf=request.param))


def test_the_largest_ts_has_the_same_bits_as_in_a_map(two_kinds):
    scanner, zero = scan.Scanner(two_kinds, RINGS), 0
    turns = [scan.right_ascensions(two_kinds, KEY, sky) for sky in range(3)]
    for turn in turns:
        for r in range(0, len(RINGS.dec), 3):
            pixels = scanner.ring(r, turn)
            pixel, fitted = scanner.largest(r, turn)
            assert pixel == int(np.argmax(pixels[:, 0]))
            assert fitted.tobytes() == pixels[pixel].tobytes()
            zero += pixels[:, 0].max() == 0
    before = scanner.count.copy()
    for r in range(len(RINGS.dec)):
        scanner.largest(r, turns[0])
    few = (scanner.count - before)[EVENTS]
    for r in range(len(RINGS.dec)):
        scanner.ring(r, turns[0])
    assert few < 0.35 * (scanner.count - before)[EVENTS]  # events of fitted pixels


def test_a_pixel_that_reaches_its_floor_is_fitted(two_kinds):
    """Whatever its bound; its bits are those of a map, and the largest TS of a ring stays the same."""
    scanner, turn = scan.Scanner(two_kinds, RINGS), scan.right_ascensions(two_kinds, KEY, 1)
    n = 0
    for r in range(0, len(RINGS.dec), 3):
        some = scanner.above(r, turn, np.full(1, 3.0))
        varied = scanner.above(r, turn, np.where(np.arange(len(some)) % 2, 1.0, np.inf))
        pixels = scanner.ring(r, turn)
        largest = int(np.argmax(pixels[:, 0]))
        for found, floor in ((some, 3.0), (varied[1::2], 1.0)):
            of_map = pixels if found is some else pixels[1::2]
            fitted = found[:, 0] != scan.LEFT_OUT
            assert fitted[of_map[:, 0] >= floor].all()
            assert found[fitted].tobytes() == of_map[fitted].tobytes()
            n += int((~fitted).sum())
        assert np.argmax(some[:, 0]) == np.argmax(varied[:, 0]) == largest
    assert n > 300, "most pixels below the floor are not fitted"


@pytest.mark.parametrize("of_patches", [False, True])
def test_a_scanner_is_freed_at_once(analysis, of_patches):
    """A process that makes many files of skies has one scanner at a time: no reference leads back to it."""
    rings = healpix.rings_of(1)
    scanner = patches.Patches(analysis, rings, 0.02, 0.02) if of_patches else scan.Scanner(analysis, rings)
    scanner.largest(1, scan.right_ascensions(analysis, KEY, 0))
    gone = weakref.ref(scanner)
    gc.disable()
    try:
        del scanner
        assert gone() is None
    finally:
        gc.enable()


def test_a_sky_without_events_near_a_ring_is_that_of_its_first_pixel(analysis):
    """All TS are 0: the lowest pixel, as argmax of a map says."""
    rings = healpix.rings_of(1)
    nothing = scan.Scanner(analysis, rings)
    turn = np.full(analysis.sky.dec.size, 0.5)  # all events at one right ascension
    for r in range(len(rings.dec)):
        pixels = nothing.ring(r, turn)
        pixel, fitted = nothing.largest(r, turn)
        assert (pixel, fitted.tolist()) == (int(np.argmax(pixels[:, 0])), pixels[np.argmax(pixels[:, 0])].tolist())


def _bounds(scanner, r, turn, ranges):
    """The bound of each pixel over all gammas, and the largest over the ranges of gamma."""
    count = scanner._fill(r, turn)
    start, fill, w, row, season = scanner._filled(count)
    out = np.empty((len(ranges.least), count))
    for k in range(len(ranges.least)):
        for p in range(count):
            a, b = start[p], fill[p]
            likelihood.count_rest(scanner.analysis.n_data, season[a:b], scanner._rest)
            out[k, p] = bounds.ts_bound(
                b - a, w[:, a:b], row[a:b], season[a:b], scanner._rest, scanner.analysis.n_data, ranges.tallest[k],
                ranges.least[k], ranges.hard[k], scanner._work,
            )  # fmt: skip
    return out[0], out[1:].max(axis=0)


@pytest.mark.parametrize("r", [2, 20, 40])
def test_no_ts_is_above_its_bounds(two_kinds, r):
    scanner, turn = scan.Scanner(two_kinds, RINGS), scan.right_ascensions(two_kinds, KEY, 0)
    turn = np.where(turn < 0.2, 0.3 + 0.01 * turn, turn)  # a crowd
    ts = scanner.ring(r, turn)[:, 0]
    ranges = bounds.ranges_of(table_at(two_kinds, float(RINGS.dec[r])))
    whole, parts = _bounds(scanner, r, turn, ranges)
    assert ts.max() > 15
    assert np.all(ts <= whole)
    assert np.all(ts <= parts)
    low, _ = _bounds(scanner, r, turn, ranges._replace(tallest=0.7 * ranges.tallest))
    assert np.any(ts > low), "negative control: a bound of T that does not hold"


def test_bounds_of_a_table_hold_between_its_nodes(two_kinds):
    table = table_at(two_kinds, 0.3)
    ranges, t = bounds.ranges_of(table), np.linspace(0, 1, 21)
    powers = np.stack([t**0, t, t * t, t**3])
    values = np.einsum("kpr,pt->ktr", table.coef, powers)
    shares = np.einsum("kps,pt->kts", table.share, powers)
    assert np.all(values.max((0, 1)) <= ranges.tallest[0] + 1e-15)
    assert np.all(shares.min((0, 1)) >= ranges.least[0] - 1e-15)
    assert np.all(ranges.tallest[1:].max(0) <= ranges.tallest[0])
