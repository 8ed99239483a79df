"""A list of sources: the same skies and the same bits as the all-sky scan, whatever the blocks and the cache."""

import numpy as np
import pytest

from worker.base import healpix, rng
from worker.engines.builtin import scan, sources
from worker.engines.builtin.sources import SourceScanner
from worker.engines.protocol import Sources

KEY = rng.key("scan_trials", 0)


@pytest.mark.parametrize("seasons", [1, 2])
def test_a_source_at_a_pixel_has_the_bits_of_the_scan(analysis, two_seasons, seasons):
    """Every third pixel of three rings, near a pole, in the middle and in the south, in two skies."""
    what = analysis if seasons == 1 else two_seasons
    rings = healpix.rings_of(8)
    chosen = [0, 12, 20]
    scanner = scan.Scanner(what, rings)
    places = [(r, p) for r in chosen for p in range(0, int(rings.n_pix[r]), 3)]
    listed = Sources(
        np.array([rings.dec[r] for r, _ in places]),
        np.array([(p + rings.shift[r]) * (1.0 / rings.n_pix[r]) for r, p in places]),
    )
    found = SourceScanner(what, listed).skies(KEY, 5, 2)
    for k in range(2):
        turn = scan.right_ascensions(what, KEY, 5 + k)
        by_ring = {r: scanner.ring(r, turn) for r in chosen}
        expected = np.array([by_ring[r][p] for r, p in places])
        assert found[k].tobytes() == expected.tobytes()
    assert np.count_nonzero(found[..., 0] > 0) > 10
    assert not np.array_equal(found[0], found[1])


def test_neither_blocks_nor_cache_nor_company_change_a_bit(analysis, monkeypatch):
    listed = Sources(np.radians([-40.0, 5.0, 5.0, 80.0]), np.array([0.1, 0.999, 0.0, 0.5]))
    whole = SourceScanner(analysis, listed).skies(KEY, 0, 7)
    monkeypatch.setattr(sources, "CACHE_BYTES", 0)
    monkeypatch.setattr(sources, "BLOCK_BYTES", 8 * analysis.sky.dec.size * 2)
    small = SourceScanner(analysis, listed)
    assert small.block == 2
    assert small.skies(KEY, 0, 7).tobytes() == whole.tobytes()
    assert small.skies(KEY, 3, 2).tobytes() == whole[3:5].tobytes()
    alone = SourceScanner(analysis, Sources(listed.dec[1:2], listed.turn[1:2])).skies(KEY, 0, 7)
    assert alone[:, 0].tobytes() == whole[:, 1].tobytes()


def test_neighbours_share_their_sky(analysis):
    """TS of two sources 0.3 deg apart goes together, that of sources 60 deg apart does not."""
    listed = Sources(np.radians([5.0, 5.3, 5.0]), np.array([0.2, 0.2, 0.4]))
    ts = SourceScanner(analysis, listed).skies(KEY, 0, 300)[..., 0]
    near, far = np.corrcoef(ts[:, 0], ts[:, 1])[0, 1], np.corrcoef(ts[:, 0], ts[:, 2])[0, 1]
    assert near > 0.5
    assert abs(far) < 4 / np.sqrt(300)
