"""Listed points in the same skies: the built-in engine has the bits of a list of sources; all results of a run."""

import json
from pathlib import Path

import numpy as np
import pytest

from dagmaker.cli import main as dagmaker
from dagmaker.plan.plan import make
from worker.base.errors import SpecError
from worker.blinding import unblinding_checks
from worker.blinding.unblind import write_results
from worker.cli.main import main
from worker.engines.protocol import Sources
from worker.hypotheses import hottest_spots
from worker.hypotheses.points.skies import PointSkies
from worker.rundir import address, layout, store
from worker.rundir.ledger import expected, open_run
from worker.spec.specfile import loads, loads_resolved, resolved_text
from worker.tasks import blinded_positions, context, scratch_run

SPEC = """
version: 1
name: near
seed: 7
data: {format: synthetic, n_events: 4000}
hypothesis: {kind: points}
points: [{dec_deg: 5.5, ra_deg: 77.3}, {dec_deg: -25, ra_deg: 300}, {dec_deg: 5.5, ra_deg: 77.9}]
background: {tail: none, n_trials: 400, trials_per_file: 400}
signal: {n_sig: [1, 3, 8, 20, 50], n_trials: 80}
sensitivity: {n_bootstrap: 20, discovery_nsigma: 2}
scan: {kind: points, n_skies: 400, skies_per_file: 200}
unblind: {quote_nsigma: 1.0, waive: [p_uniform, n_sig_bias, enough_background_trials]}
"""
NAMES = ["dec_deg_5.5__ra_deg_77.3", "dec_deg_-25__ra_deg_300", "dec_deg_5.5__ra_deg_77.9"]


def test_the_plan_has_skies_of_all_points():
    spec = loads(SPEC)
    assert loads_resolved(resolved_text(spec)) == spec
    assert (spec.scan.kept_per_sky, spec.scan.has_skies) == (3, True)
    nodes = {node.name: node for node in make(spec, "0" * 64).nodes}
    assert [n for _, n in nodes["scan"].cuts] == [200, 200]
    assert nodes["scan"].dir == f"trials/near/scan/{spec.scan.level()}"
    assert nodes["map_points"].task == "scan_map"
    other = loads(SPEC.replace("77.9", "78.9"))
    assert other.scan.level() != spec.scan.level(), "skies of other points lie in another folder"


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        (", ra_deg: 300", "", r"points\[1\]: "),
        ("ra_deg: 300", "ra_deg: 400", r"points\[1\]\.ra_deg: "),
        ("scan: {kind: points,", "scan: {kind: healpix, nside: 4,", "scan.kind: "),
        ("hypothesis: {kind: points}\n", "", "scan.kind: "),
        ("hypothesis: {kind: points}", "hypothesis: {kind: point}", "hypothesis.kind: "),
    ],
)
def test_a_scan_that_does_not_fit_is_refused(old, new, place):
    with pytest.raises(SpecError, match=place):
        loads(SPEC.replace(old, new))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = tmp_path_factory.mktemp("points") / "spec.yaml"
    spec.write_text(SPEC)
    assert dagmaker(["run", str(spec), f"--run={spec.parent / 'run'}", "--jobs=1"]) == 0
    return spec.parent / "run"


def _skies(run: Path) -> np.ndarray:
    opened = open_run(run)
    return np.concatenate([np.load(run / file.path) for file in expected(opened, "scan_trials")])


@pytest.mark.slow  # a whole run
def test_points_of_the_builtin_engine_have_the_bits_of_a_list_of_sources(run):
    opened = open_run(run)
    labels = [at.labels for at in opened.spec.all_points]
    sources = Sources(np.radians([at["dec_deg"] for at in labels]), np.array([at["ra_deg"] for at in labels]) / 360.0)
    fits = context.engine(opened).source_scanner(sources).skies(address.scan_trials(opened.spec, 0), 0, 20)
    assert np.array_equal(_skies(run)[:20].view("<f8").reshape(20, 3, 3), fits)


@pytest.mark.slow
def test_p_is_that_of_the_own_trials_and_corrected_by_whole_skies(run):
    opened, skies = open_run(run), _skies(run)
    summary = json.loads((run / layout.SUMMARY).read_text())
    scan = summary["scan"]
    assert skies.shape == (400, 3)
    assert [row["name"] for row in scan["points"]] == NAMES
    ts = [np.concatenate([np.load(run / file.path)["ts"] for file in expected(opened, "bg_trials", point=name)])
          for name in NAMES]  # fmt: skip
    tsds = hottest_spots.load_tsds(opened)
    heat = np.stack([-np.log10(tsds[name].sf(skies["ts"][:, i])) for i, name in enumerate(NAMES)], axis=1)
    for i, row in enumerate(scan["points"]):
        above = np.count_nonzero(ts[i] >= row["ts"])
        if above >= 100:
            assert row["p"] == pytest.approx((above + 1) / 401)
    k = np.count_nonzero(heat.max(axis=1) >= scan["hottest"]["mlog10p"] - 1e-12)
    assert (summary["post_trial"]["k"], summary["post_trial"]["p"]) == (k, (k + 1) / 401)
    assert np.corrcoef(skies["ts"][:, 0], skies["ts"][:, 2])[0, 1] > 0.5, "neighbours are fitted in the same sky"
    limits = {row["name"]: row["limits"][0] for row in summary["upper_limits"]["limits"]}
    rows = {row["ra_deg"]: row["n_sig"] for row in summary["sensitivity"]}
    assert all(limits[row["name"]]["n_sig"] >= rows[row["ra_deg"]] for row in scan["points"])


@pytest.mark.slow
def test_the_check_of_the_skies_catches_skies_of_another_distribution(run, monkeypatch):
    opened = open_run(run)
    verdicts = {one.name: one for one in unblinding_checks.verdicts(opened)}
    assert verdicts["n_eff_bands"].passed
    load = store.load_array

    def hotter(path, rel, *more):
        rows = load(path, rel, *more).copy()
        if rows.ndim == 2:
            rows["ts"] *= 5.0
        return rows

    monkeypatch.setattr(store, "load_array", hotter)
    assert not PointSkies(opened.spec).checks()["n_eff_bands"](opened).passed


@pytest.mark.slow
def test_the_real_sky_is_opened_with_a_token_and_has_every_point(run):
    opened = open_run(run)
    assert main(["unblind", f"--run={run}"]) == 4
    with scratch_run.create(opened) as root:
        write_results(opened, 1, root)
        real = json.loads((root / layout.UNBLINDED_RESULTS).read_text())
    assert [row["name"] for row in real["points"]] == NAMES
    assert {"ts", "ns", "gamma", "p", "p_lo", "p_hi"} <= {*real["points"][0]}
    assert [row["name"] for row in real["upper_limits"]["limits"]] == NAMES
    labels = [at.labels for at in opened.spec.all_points]
    sources = Sources(np.radians([at["dec_deg"] for at in labels]), np.array([at["ra_deg"] for at in labels]) / 360.0)
    fits = np.empty((1, 3, 3))
    context.engine(opened).source_scanner(sources).at(blinded_positions.open_positions(opened)[None, :], fits)
    assert [row["ts"] for row in real["points"]] == fits[0, :, 0].tolist()
    assert real["hottest"]["ts"] > 0.5
