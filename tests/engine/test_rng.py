"""Philox against the known answers published with Random123, and against numpy's own use of them."""

import numpy as np
import pytest

from worker.base import rng

KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_published_known_answers(counter, key, answer):
    words = rng.philox(*(np.uint64(x) for x in (*counter, *key)))
    assert tuple(int(w) for w in words) == answer


def test_blocks_are_the_blocks_one_by_one():
    k0, k1 = (np.uint64(k) for k in rng.key("blocks"))
    for trial, first in ((0, 0), (2**32 + 7, 2**32 - 5), (2**63, 12)):
        words = np.empty((4, 16), np.uint32)
        rng.blocks(k0, k1, np.uint64(3), np.uint64(trial), np.uint64(first), words)
        want = [rng.block(k0, k1, np.uint64(3), np.uint64(trial), np.uint64(first + i)) for i in range(16)]
        assert [tuple(int(w) for w in column) for column in words.T] == [tuple(int(w) for w in b) for b in want]


def test_uniforms_depend_on_every_part_of_the_address():
    base = rng.uniforms(rng.key(1, "bg", 5.0), 0, 0, 4)
    others = [
        rng.uniforms(rng.key(2, "bg", 5.0), 0, 0, 4),
        rng.uniforms(rng.key(1, "sig", 5.0), 0, 0, 4),
        rng.uniforms(rng.key(1, "bg", 5), 0, 0, 4),
        rng.uniforms(rng.key(1, "bg", 5.0), 1, 0, 4),
        rng.uniforms(rng.key(1, "bg", 5.0), 0, 1, 4),
        rng.uniforms(rng.key(1, "bg", 5.0), 0, 2**32, 4),
    ]
    for other in others:
        assert not np.isin(base, other).any()


def test_uniforms_are_uniform_and_do_not_depend_on_the_cut():
    from scipy.stats import kstest

    u = rng.uniforms(rng.key(0, "test"), 0, 7, 100_000)
    assert kstest(u, "uniform").pvalue > 1e-3
    assert kstest(u**1.02, "uniform").pvalue < 1e-3, "negative control: a slightly skewed sample is found"
    np.testing.assert_array_equal(u[:10], rng.uniforms(rng.key(0, "test"), 0, 7, 10))


def test_unit_numbers_are_inside_the_open_interval():
    top = np.uint64(0xFFFFFFFF)
    zero = np.uint64(0)
    assert 0 < rng.unit32(zero) < rng.unit32(top) < 1
    assert 0 < rng.unit52(zero, zero) < rng.unit52(top, top) < 1
