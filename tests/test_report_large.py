"""A report as large as they come: 170 declinations, 1000 background skies, a map of nside 128.

Trials and maps are drawn from the distributions that they would have (making them takes CPU years), and written as the
tasks write them; everything from there on is the real thing.
"""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2

from dagmaker.htcondor.build import build
from tests.test_report_page import read
from worker.base import rng
from worker.engines.builtin.trials import TRIAL_DTYPE
from worker.hypotheses.sky.rings import MAP_DTYPE, RING_DTYPE, rings
from worker.report import figures, interactive, produce
from worker.report.results import load
from worker.rundir import layout, store
from worker.rundir.ledger import Run, expected, open_run
from worker.rundir.record import measure
from worker.spec.specfile import loads
from worker.tasks import collect, prepare, results, scans

SPEC = """
version: 1
name: large
seed: 8
data: {format: synthetic, n_events: 10000}
background: {tail: none, dec_deg: {start: -84.5, stop: 84.5, step: 1}, n_trials: 20000, trials_per_file: 20000}
signal: {n_sig: [2, 4, 6, 8, 10, 14, 18, 22, 26, 30], n_trials: 500}
sensitivity: {n_bootstrap: 20}
scan: {nside: 32, map_nside: 128, dec_min_deg: -84.5, dec_max_deg: 84.5, n_skies: 1000, skies_per_file: 1000}
"""
KEY = rng.key(8, "large report")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything but the report."""
    run = tmp_path_factory.mktemp("large") / "run"
    build(loads(SPEC), run)
    prepare.prepare(run)
    opened = open_run(run)
    for i, dec in enumerate(opened.spec.background.decs):
        _collected(opened, dec, i)
    _scanned(opened)
    results.distributions(run)
    results.sensitivity(run)
    collect.collect_scan(run, False)
    results.post_trial(run)
    return run


def _ts(stream: int, n: int, shift: float = 0.0) -> NDArray[np.float64]:
    """A TS of n trials: zero for one half, else a chi2 of one degree of freedom; `shift` moves its root."""
    u = rng.uniforms(KEY, rng.OTHER, stream * 2**24, 2 * n).reshape(2, -1)
    root = np.sqrt(-2 * np.log(u[0])) * np.cos(2 * np.pi * u[1]) + shift
    return np.where(root > 0, root**2, 0.0)


def _collected(run: Run, dec: float, i: int) -> None:
    with measure("collect_bg", {"dec": dec}) as meter:
        ts = _ts(3 * i, run.spec.background.n_trials)
        halves = [np.sort(half[half > 0]) for half in (ts[::2], ts[1::2])]
        arrays = {
            "n": np.array([len(ts) // 2] * 2),
            "n_missing": np.array(0),
            "ts_even": halves[0],
            "ts_odd": halves[1],
        }
        store.save_arrays(run.path, layout.bg_collected(run.spec.at(dec)), arrays, meter.record(len(ts)))
    n_sigs, n = run.spec.signal.n_sig, run.spec.signal.n_trials
    every: dict[str, NDArray[np.generic]] = {"n_sig": np.array(n_sigs), "n_missing": np.array(0)}
    for k, n_sig in enumerate(n_sigs):
        trials = np.zeros(n, TRIAL_DTYPE)
        trials["ts"] = _ts(3 * i + 1, n * (k + 1), 0.45 * n_sig)[-n:]
        trials["ns"], trials["gamma"] = n_sig * (0.5 + trials["ts"] / (1 + trials["ts"])), 2.2
        every[f"trials_{k}"] = trials
    with measure("collect_sig", {"dec": dec}) as meter:
        store.save_arrays(run.path, layout.sig_collected(run.spec.at(dec)), every, meter.record(n * len(n_sigs)))


def _scanned(run: Run) -> None:
    """Ring maxima of the background skies and the bands of the map, with the records that collect_scan asks for."""
    [file] = expected(run, "scan_trials")
    n_pix, first = (getattr(rings(run.spec.healpix, 32), name) for name in ("n_pix", "first"))
    out = np.zeros((file.n, len(n_pix)), RING_DTYPE)
    u = rng.uniforms(KEY, rng.OTHER, 2**40, out.size).reshape(out.shape)
    p = 1 - u ** (1.0 / n_pix)  # of the best of the ring's pixels
    out["ts"] = chi2.isf(np.minimum(2 * p, 1), 1)
    out["pixel"], out["ns"], out["gamma"] = first + n_pix // 3, 5, 2.5
    args = {"nside": 32, "seed": file.seed, "first": file.first, "band": None}
    with measure("scan_trials", args, scans.scan_digest(run)) as meter:
        store.save_array(run.path, file.path, out, meter.record(file.n))
    for j, e in enumerate(expected(run, "scan_map")):
        nside, (band, bands) = int(e.point["nside"]), e.band or (0, 1)
        values = np.zeros(int(rings(run.spec.healpix, nside).n_pix.sum()), MAP_DTYPE)
        values["ts"] = _ts(2**14 + j, values.size)
        values["ns"], values["gamma"] = values["ts"], np.where(values["ts"] > 0, 2.5, 1.0)
        args = {"nside": nside, "band": band, "bands": bands}
        with measure("scan_map", args, scans.map_digest(run, nside, band, bands)) as meter:
            store.save_array(run.path, e.path, values, meter.record(values.size))


def test_the_report_of_170_declinations_is_whole_and_small(large: Path) -> None:
    produce.report(large, None, None)
    found = read(large)
    assert sum(link.startswith("data:image/png") for link in found.loaded) == len(figures.chosen(load(open_run(large))))
    assert "170 rows" in found.text
    assert "of 1,000 background skies" in found.text or "of 1000 background skies" in found.text
    assert (large / layout.REPORT).stat().st_size < 8e6
    assert (large / interactive.FILE).stat().st_size < 3e6
