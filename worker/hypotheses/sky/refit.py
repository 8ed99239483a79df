"""Background skies fitted again, but only at the pixels that their file names: for a review."""

from collections.abc import Iterator

import numpy as np

from worker.base import healpix
from worker.base.errors import InputError
from worker.engines.protocol import Engine, Sources, SourceScanner
from worker.hypotheses.protocol import Rows
from worker.hypotheses.sky import warm_spots
from worker.rundir import address
from worker.rundir.ledger import Expected
from worker.spec.sections import Spec


def refitted(spec: Spec, chosen: healpix.Rings, engine: Engine, file: Expected, skies: Rows) -> Iterator[Rows]:
    """Every sky of a file, fitted at its pixels, one row at a time.

    Parameters
    ----------
    chosen : Rings
        Those of the file.
    skies : ndarray (n_skies, n_rings + places) of `worker.hypotheses.sky.rings.RING_DTYPE`

    Raises
    ------
    InputError
        The file names pixels outside its rings.
    """
    n_rings, scan = len(chosen.dec), spec.healpix
    place = skies["pixel"][:, :n_rings] - chosen.first
    if skies.shape[1:] != (n_rings + scan.warm_places(int(chosen.n_pix.sum())),):
        raise InputError(f"{file.path}: has {skies.shape[1:]} columns, and {n_rings} rings")
    if ((place < 0) | (place >= chosen.n_pix)).any():
        raise InputError(f"{file.path}: names pixels of other rings")
    if scan.warm_spots is not None:
        warm_spots.require(scan, skies[:, n_rings:], chosen, str(file.path))
    key = address.scan_trials(spec, file.seed)
    scanner = engine.source_scanner(Sources(chosen.dec, np.zeros(n_rings)))
    return (_row(scanner, key, file.first + i, chosen, sky["pixel"]) for i, sky in enumerate(skies))


def _row(scanner: SourceScanner, key: tuple[int, int], sky: int, chosen: healpix.Rings, pixel: np.ndarray) -> Rows:
    """A sky fitted at some pixels; a scanner fits one pixel of each ring at a time."""
    out = warm_spots.empty_rows(1, len(pixel))
    used = np.flatnonzero(pixel != warm_spots.NO_PIXEL)
    ring = np.searchsorted(chosen.first, pixel[used], side="right") - 1
    for group, in_ring in warm_spots.passes(ring, len(chosen.dec)):
        at, turn = used[group], np.zeros(len(chosen.dec))
        turn[in_ring] = (pixel[at] - chosen.first[in_ring] + chosen.shift[in_ring]) * (1.0 / chosen.n_pix[in_ring])
        scanner.sources = Sources(chosen.dec, turn)
        fitted = scanner.skies(key, sky, 1)[0]
        out["pixel"][0, at] = pixel[at]
        for i, name in enumerate(("ts", "ns", "gamma")):
            out[name][0, at] = fitted[in_ring, i]
    return out
