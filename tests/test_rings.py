"""`interpolation: ring`: background trials at every healpix ring, p-values without interpolation, end to end."""

from pathlib import Path

import healpy
import numpy as np
import pytest

from dagmaker.plan import plan
from tests import report_run
from worker.base.errors import InputError
from worker.hypotheses import hottest_spots
from worker.rundir import layout
from worker.rundir.ledger import open_run
from worker.spec.specfile import loads, loads_resolved, resolved_text
from worker.stats.chi2 import Chi2Tail
from worker.stats.pvalues import mlog10p, ts_to_p

SPEC = """
version: 1
name: rings
seed: 3
data: {format: synthetic, n_events: 5000}
background: {dec_deg: rings, n_trials: 100}
signal: {n_sig: [3, 12, 30], n_trials: 10}
sensitivity: {n_bootstrap: 20}
scan: {nside: 2, map_nside: 4, n_skies: 5, dec_min_deg: -60, dec_max_deg: 80, interpolation: ring}
"""


def ring_decs(nside: int) -> np.ndarray:
    theta, _ = healpy.pix2ang(nside, np.arange(12 * nside**2))
    return np.unique(np.round(90 - np.degrees(theta), 6))


def test_the_grid_is_the_rings_of_all_maps() -> None:
    spec = loads(SPEC)
    every = ring_decs(4)
    assert spec.background.decs == tuple(every[(every >= -60) & (every <= 80)])
    assert set(ring_decs(2)[1:-1]) < set(spec.background.decs), "the rings of a coarser map are rings of a finer one"
    frozen = resolved_text(spec)
    assert "rings\n" not in frozen.partition("name: rings")[2]
    assert loads_resolved(frozen) == spec
    nodes = plan.make(spec, "").nodes
    decs = [dict(node.args)["dec"] for node in nodes if node.task == "bg_trials"]
    assert tuple(decs) == spec.background.decs
    assert len({node.dir for node in nodes if node.task == "bg_trials"}) == len(decs)


def test_a_real_resolution() -> None:
    spec = loads(SPEC.replace("nside: 2, map_nside: 4", "nside: 128"))
    assert len(spec.background.decs) == sum(-60 <= dec <= 80 for dec in ring_decs(128))


def test_p_is_that_of_the_ring_and_nothing_else() -> None:
    tails = {-10.0: Chi2Tail(0.5, 1.0), 0.0: Chi2Tail(0.6, 1.2), 41.810315: Chi2Tail(0.4, 1.5)}
    dec = np.radians([41.8103148958, 0.0, -10.0])
    ts = np.array([5.0, 12.0, 0.0])
    expected = [tails[key].sf(t) for key, t in zip((41.810315, 0.0, -10.0), ts, strict=True)]
    np.testing.assert_array_equal(ts_to_p(tails, dec, ts, "ring"), np.exp(np.log(np.array(expected))))
    with pytest.raises(InputError, match=r"dec = 5\.000000 deg has no background trials of its own .* 0\.000000 deg"):
        mlog10p(tails, np.radians([0.0, 5.0]), 3.0, "ring")


def test_one_ring_less_is_refused() -> None:
    decs = loads(SPEC).background.decs
    with pytest.raises(InputError, match=r"write background\.dec_deg: rings"):
        mlog10p({dec: Chi2Tail(0.5, 1.0) for dec in decs[1:]}, np.radians(decs), 1.0, "ring")


@pytest.mark.slow
def test_from_trials_to_maps(tmp_path: Path) -> None:
    run = report_run.finished(tmp_path / "run", SPEC)
    opened = open_run(run)
    tsds = hottest_spots.load_tsds(opened)
    full = np.load(run / layout.map_file(4))
    theta, _ = healpy.pix2ang(4, np.arange(192))
    dec_deg = np.round(90 - np.degrees(theta), 6) + 0.0
    seen = np.flatnonzero(np.isfinite(full[0]))
    assert len(seen) > 150
    for pixel in seen:
        p = float(tsds[float(dec_deg[pixel])].sf(full[1, pixel]))
        assert full[0, pixel] == pytest.approx(-np.log10(p), abs=1e-9)
    spots = np.load(run / layout.skies_file())
    one = spots[0]
    own = min(tsds, key=lambda dec: abs(dec - np.degrees(one["dec"])))
    assert one["mlog10p"] == pytest.approx(-np.log10(float(tsds[own].sf(one["ts"]))), abs=1e-9)
