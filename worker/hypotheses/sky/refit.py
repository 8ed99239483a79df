"""Background skies fitted again, but only at the pixels that their file names: for a review."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from worker.base import healpix
from worker.base.errors import InputError
from worker.engines.protocol import Engine, Sources, SourceScanner
from worker.hypotheses.protocol import Rows
from worker.hypotheses.sky import kept, warm_spots
from worker.hypotheses.sky.prior_signal import PriorSignal
from worker.hypotheses.sky.rings import NO_PIXEL, empty_rows
from worker.rundir import address
from worker.rundir.ledger import Expected
from worker.spec.sections import Spec


def refitted(spec: Spec, chosen: healpix.Rings, engine: Engine, file: Expected, skies: Rows) -> Iterator[Rows]:
    """Every sky of a file, fitted at its pixels, one row at a time; skies with a source are scanned again.

    Parameters
    ----------
    chosen : Rings
        Those of the file.
    skies : ndarray (n_skies, n_columns) of `worker.hypotheses.sky.rings.RING_DTYPE`

    Raises
    ------
    InputError
        The file names pixels outside its rings.
    """
    n_rings, scan = len(chosen.dec), spec.healpix
    try:
        found = kept.columns(scan, skies, chosen)
        warm_spots.require(scan, found.spots, chosen)
    except InputError as error:
        raise InputError(f"{file.path}: {error}") from None
    place = found.rings["pixel"] - chosen.first
    other = (found.priors["pixel"] < chosen.first[0]) | (found.priors["pixel"] >= chosen.first[-1] + chosen.n_pix[-1])
    if ((place < 0) | (place >= chosen.n_pix)).any() or (other & (found.priors["pixel"] != NO_PIXEL)).any():
        raise InputError(f"{file.path}: names pixels of other rings")
    key = address.scan_trials(spec, file.seed)
    scanner = engine.source_scanner(Sources(chosen.dec, np.zeros(n_rings)))
    n_fitted = skies.shape[1] - found.signal.shape[1]
    signal = PriorSignal(spec, chosen, engine, file.seed)
    return (
        np.concatenate(
            [
                _row(scanner, key, file.first + i, chosen, sky["pixel"][:n_fitted]),
                signal.row(file.first + i, engine.scrambled(key, file.first + i))[None],
            ],
            axis=1,
        )
        for i, sky in enumerate(skies)
    )


def _row(
    scanner: SourceScanner, key: tuple[int, int], sky: int, chosen: healpix.Rings, pixel: NDArray[np.int64]
) -> Rows:
    """A sky fitted at some pixels; a scanner fits one pixel of each ring at a time."""
    out = empty_rows(1, len(pixel))
    used = np.flatnonzero(pixel != NO_PIXEL)
    ring = np.searchsorted(chosen.first, pixel[used], side="right") - 1
    for group, in_ring in _passes(ring):
        at, turn = used[group], np.zeros(len(chosen.dec))
        turn[in_ring] = (pixel[at] - chosen.first[in_ring] + chosen.shift[in_ring]) * (1.0 / chosen.n_pix[in_ring])
        scanner.sources = Sources(chosen.dec, turn)
        fitted = scanner.skies(key, sky, 1)[0]
        out["pixel"][0, at] = pixel[at]
        for i, name in enumerate(("ts", "ns", "gamma")):
            out[name][0, at] = fitted[in_ring, i]
    return out


def _passes(ring: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Split pixels into groups with at most one in each ring: (places in the list, their rings)."""
    order = np.argsort(ring, kind="stable")
    rank = np.arange(len(ring)) - np.searchsorted(ring[order], ring[order])
    for number in range(int(rank.max(initial=-1)) + 1):
        chosen = order[rank == number]
        yield chosen, ring[chosen]
