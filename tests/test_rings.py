"""`interpolation: ring`: background trials at every healpix ring, p-values without interpolation, end to end."""

from pathlib import Path

import healpy
import numpy as np
import pytest

from dagmaker.plan import plan
from tests import report_run
from worker.base.errors import InputError, SpecError
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
background: {tail: none, dec_deg: rings, n_trials: 100}
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


SHORT = """
version: 1
name: rings
seed: 3
data: {format: synthetic, n_events: 5000}
background: {tail: none}
signal: {n_sig: [3, 12, 30], n_trials: 10}
scan: {nside: 32, n_skies: 5, dec_min_deg: -60, dec_max_deg: 80}
"""


def test_a_map_has_rings_by_default_and_signal_trials_at_few_of_them() -> None:
    spec = loads(SHORT)
    every = ring_decs(32)
    rings = tuple(every[(every >= -60) & (every <= 80)])
    assert spec.background.decs == rings
    assert (spec.scan.interpolation, spec.background.n_trials) == ("ring", 7500)
    assert len(spec.signal_decs) == 15
    assert (spec.signal_decs[0], spec.signal_decs[-1]) == (rings[0], rings[-1]), "every position has an upper limit"
    assert set(spec.signal_decs) < set(rings)
    assert max(np.diff(spec.signal_decs)) < 12
    assert loads_resolved(resolved_text(spec)) == spec
    nodes = plan.make(spec, "").nodes
    for task, decs in (("bg_trials", rings), ("sig_trials", spec.signal_decs), ("collect_sig", spec.signal_decs)):
        assert {dict(node.args)["dec"] for node in nodes if node.task == task} == set(decs)


def test_rings_have_few_trials_of_each_kind() -> None:
    made = loads(SHORT.replace("{tail: none}", "{}"))
    found = made.background
    assert (found.tail, found.n_trials, found.n_tail_trials) == ("tilted", 5000, 8192)
    assert found.decs == loads(SHORT).background.decs
    grid = loads(SHORT.replace("{tail: none}", "{dec_deg: {start: -60, stop: 80, step: 20}}")).background
    assert (grid.n_trials, grid.n_tail_trials) == (10000, 16384)


@pytest.mark.parametrize(("quoted", "n"), [(1.5, 5000), (3, 7500), (4, 320_000)])
def test_as_many_trials_as_the_quoted_significance_takes(quoted: float, n: int) -> None:
    """10 / p of them, in two digits."""
    assert loads(f"{SHORT}unblind: {{quote_nsigma: {quoted}}}\n").background.n_trials == n


def test_a_grid_is_interpolated_as_before() -> None:
    spec = loads(
        SHORT.replace(
            "background: {tail: none}",
            "background: {tail: none, dec_deg: {start: -60, stop: 80, step: 20}, n_trials: 50}",
        )
    )
    assert (spec.scan.interpolation, spec.signal_decs, spec.signal.dec_deg) == ("linear", spec.background.decs, None)
    assert spec.background.n_trials == 50


def test_signal_trials_have_a_grid_of_their_own() -> None:
    own = "signal: {dec_deg: {start: -60, stop: 80, step: 35},"
    spec = loads(SHORT.replace("signal: {", own))
    assert spec.signal_decs == (-60, -25, 10, 45, 80)
    assert set(spec.background.decs) == {*loads(SHORT).background.decs, -60, -25, 10, 45, 80}
    with pytest.raises(SpecError, match=r"signal\.dec_deg: reaches from -60 to 45, and the scan from"):
        loads(SHORT.replace("signal: {", own.replace("80", "45")))
    grid = SHORT.replace("{tail: none}", "{tail: none, dec_deg: {start: -60, stop: 80, step: 20}}")
    assert loads(grid.replace("signal: {", "signal: {dec_deg: [-60, 0, 80],")).signal_decs == (-60, 0, 80)
    with pytest.raises(SpecError, match=r"signal\.dec_deg: found -25 and 2 more without background trials"):
        loads(grid.replace("signal: {", own))
    rings = loads(SHORT.replace("signal: {", "signal: {dec_deg: rings,"))
    assert rings.signal_decs == rings.background.decs


def test_rings_belong_to_a_map() -> None:
    catalog = (
        SHORT.partition("scan:")[0] + 'scan: {kind: catalog, sources: "name,ra_deg,dec_deg\\na,10,20\\n", n_skies: 5}'
    )
    with pytest.raises(SpecError, match=r"background\.dec_deg: found rings, but scan\.kind is catalog"):
        loads(catalog)


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
