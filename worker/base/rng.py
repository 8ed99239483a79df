"""Random numbers as a pure function of their address: Philox 4x32-10, no state.

An address is (analysis seed, task kind, dec, n_sig, spectrum, file seed) -> 64-bit key, and (draw or event index,
stream, trial index) -> 128-bit counter. So trial k is the same in any file and on any machine.
Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11; tested with the answers of Random123.
"""

import numpy as np
from numpy.typing import NDArray

from worker.base.compiled import kernel, part
from worker.base.key import key

__all__ = ["block", "key", "philox", "trial_keys", "uniforms", "unit32", "unit52"]

BACKGROUND, COUNT, SIGNAL, SKY, OTHER, TILT, PLACE, PLUGIN, SOURCE, TIME = range(10)
"""Streams: the purpose of a draw. Draws of one trial for two purposes never share a counter."""

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_12 = np.uint64(12)


@kernel
def philox(c0, c1, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    """Ten rounds of Philox 4x32: four 32-bit words in uint64 registers.

    Parameters
    ----------
    c0, c1, c2, c3 : uint64
        Counter words, each below 2**32.
    k0, k1 : uint64
        Key words, each below 2**32.

    Returns
    -------
    tuple of 4 uint64, each below 2**32
    """
    for _ in range(10):
        p0 = _M0 * c0
        p1 = _M1 * c2
        c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1 & _LOW, (p0 >> _32) ^ c3 ^ k1, p0 & _LOW
        k0 = (k0 + _W0) & _LOW
        k1 = (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@kernel
def block(k0, k1, stream, trial, index):  # type: ignore[no-untyped-def]
    """The four words of draw `index` of `stream` in `trial`, all unsigned 64-bit integers."""
    return philox(index & _LOW, stream, trial & _LOW, trial >> _32, k0, k1)


@part
def blocks(k0, k1, stream, trial, first, words):  # type: ignore[no-untyped-def]
    """Draws first, first + 1, ... of `block` into words (4, n), uint32: rounds outside, so that draws vectorise."""
    c0, c1, c2, c3 = words[0], words[1], words[2], words[3]
    for i in range(c0.size):
        c0[i] = (first + np.uint64(i)) & _LOW
        c1[i] = stream
        c2[i] = trial & _LOW
        c3[i] = trial >> _32
    for _ in range(10):
        for i in range(c0.size):
            p0 = _M0 * np.uint64(c0[i])
            p1 = _M1 * np.uint64(c2[i])
            c0[i] = (p1 >> _32) ^ np.uint64(c1[i]) ^ k0
            c2[i] = (p0 >> _32) ^ np.uint64(c3[i]) ^ k1
            c1[i] = p1 & _LOW
            c3[i] = p0 & _LOW
        k0 = (k0 + _W0) & _LOW
        k1 = (k1 + _W1) & _LOW


@kernel
def unit32(word):  # type: ignore[no-untyped-def]
    """A number in (0, 1) from one 32-bit word."""
    return (np.float64(np.int64(word)) + 0.5) * 2.0**-32


@kernel
def unit52(high, low):  # type: ignore[no-untyped-def]
    """A number in (0, 1) with 52 random bits, from two 32-bit words."""
    return (np.float64(np.int64(((high << _32) | low) >> _12)) + 0.5) * 2.0**-52


@kernel
def _uniforms(k0, k1, stream, trial, out):  # type: ignore[no-untyped-def]
    for i in range(out.size):
        a, b, _, _ = block(k0, k1, stream, trial, np.uint64(i))
        out[i] = unit52(a, b)


def uniforms(key: tuple[int, int], stream: int, trial: int, n: int) -> NDArray[np.float64]:
    """Uniform numbers in (0, 1), draws 0 to n - 1 of a stream of a trial.

    Parameters
    ----------
    key : tuple of 2 int
        From `key`.

    Returns
    -------
    ndarray (n,)
    """
    out = np.empty(n)
    _uniforms(np.uint64(key[0]), np.uint64(key[1]), np.uint64(stream), np.uint64(trial), out)
    return out


def trial_keys(key: tuple[int, int], first: int, n: int) -> NDArray[np.uint64]:
    """One 64-bit key for each of the trials [first, first + n), for code that has random numbers of its own.

    Parameters
    ----------
    key : tuple of 2 int
        From `key`.

    Returns
    -------
    ndarray (n,)
    """
    trial = np.uint64(first) + np.arange(n, dtype=np.uint64)
    zero = np.zeros(n, np.uint64)
    words = zero, zero + np.uint64(PLUGIN), trial & _LOW, trial >> _32
    high, low, _, _ = philox.py_func(*words, np.uint64(key[0]), np.uint64(key[1]))  # numpy is fast enough
    keys: NDArray[np.uint64] = (high << _32) | low
    return keys
