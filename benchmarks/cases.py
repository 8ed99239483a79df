"""What is timed: the work of a trial task and of a scan, on made-up or on real events."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from worker import data
from worker.base import healpix, rng
from worker.data.dataset import Dataset
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import scan, trials
from worker.engines.builtin.engine import cuts
from worker.engines.builtin.response import Spectrum
from worker.spec.specfile import loads

SPEC = """
version: 1
name: bench
seed: 1
data: {%s}
background: {tail: none, dec_deg: [-80, 5, 80], n_trials: 10}
signal: {n_sig: [2, 5, 10], n_trials: 10}
scan: {nside: 4, n_skies: 2}
"""
KEY = rng.key("bench")
ROUNDS = 5
TUTORIAL = {"background": 63.0, "signal": 41.0, "scan": 83.0}  # per second and core, csky tutorial "Scaling up"


class Rate(NamedTuple):
    """Work done per CPU second: median, lowest and highest of the rounds."""

    name: str
    unit: str
    n: int
    middle: float
    low: float
    high: float
    peer: float | None


def dataset(release: Path | None, n_events: int = 138322, seed: int = 1) -> Dataset:
    """The made-up season, or IC86_I of a folder in the published format."""
    made_up = f"format: synthetic, n_events: {n_events}"
    what = f"format: icetracks, dir: {release}, seasons: [IC86_I], label: semi-real" if release else made_up
    return data.read(loads((SPEC % what).replace("seed: 1", f"seed: {seed}")))


def prepared(season: Dataset) -> engine.Analysis:
    """The data set made ready, with the likelihood's defaults."""
    return engine.build(season, cuts(loads(SPEC % "format: synthetic").likelihood))


def _rate(name: str, unit: str, n: int, work: Callable[[], object], peer: float | None, rounds: int = ROUNDS) -> Rate:
    work()  # compiled, and in the caches
    rates = []
    for _ in range(rounds):
        begin = time.process_time()
        work()
        rates.append(n / (time.process_time() - begin))
    return Rate(name, unit, n, median(rates), min(rates), max(rates), peer)


def rates(analysis: engine.Analysis) -> list[Rate]:
    """Background and signal trials at three declinations, and full scans."""
    out = []
    for dec_deg in (5.0, -45.0, 60.0):
        dec = float(np.radians(dec_deg))
        point = trials.point_at(analysis, dec)
        injector = trials.injector_at(analysis, dec, Spectrum(2.0), 10.0)
        near = dec_deg == 5.0
        out.append(
            _rate(
                f"background trials, dec {dec_deg:+.0f}",
                "trials",
                5000,
                lambda point=point: trials.run(analysis, point, KEY, 0, 5000),
                TUTORIAL["background"] if near else None,
            )
        )
        out.append(
            _rate(
                f"signal trials, dec {dec_deg:+.0f}, n_sig 10",
                "trials",
                3000,
                lambda point=point, injector=injector: trials.run(analysis, point, KEY, 0, 3000, injector),
                TUTORIAL["signal"] if near else None,
            )
        )
    limit = float(np.radians(85))
    for nside, rounds in ((16, 5), (128, 2)):
        rings = healpix.rings_of(nside, -limit, limit)
        n_pix = int(rings.n_pix.sum())
        scanner = scan.Scanner(analysis, rings, keep=nside < 128)

        def one_sky(scanner: scan.Scanner = scanner, n: int = len(rings.dec)) -> None:
            turns = scan.right_ascensions(analysis, KEY, 0)
            for r in range(n):
                scanner.ring(r, turns)

        out.append(_rate(f"scan, nside {nside}, {n_pix} pixels", "pixels", n_pix, one_sky, TUTORIAL["scan"], rounds))
    return out
