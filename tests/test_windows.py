"""Windows in time through a run: spec, skies, the sealed times, results as fluences, review and report."""

import json
from pathlib import Path

import numpy as np
import pytest

from dagmaker.cli import main as dagmaker
from dagmaker.plan.plan import make
from worker import data
from worker.base.errors import SpecError
from worker.blinding.unblind import write_results
from worker.cli.main import main
from worker.data.prepared import content_digest
from worker.report import unblinded
from worker.rundir import layout, store
from worker.rundir.ledger import expected, open_run
from worker.spec.specfile import loads, loads_resolved, resolved_text
from worker.tasks import blinded_positions, context, scratch_run

SPEC = """
version: 1
name: bursts
seed: 7
data: {format: synthetic, n_events: 4000}
hypothesis:
  kind: window
  length_days: [1000 s, 1, 100]
  sources:
    - {name: GRB1, ra_deg: 77.3, dec_deg: 5.5, start_mjd: 55700.2}
    - {name: GRB2, ra_deg: 200, dec_deg: 45, start_mjd: 55750.2}
    - {name: AT2, ra_deg: 300, dec_deg: -25, centre_mjd: 55800, sigma_days: [5]}
background: {n_trials: 4000, trials_per_file: 2000}
signal: {n_sig: [1, 3, 8, 20], n_trials: 80}
sensitivity: {n_bootstrap: 20, discovery_nsigma: 2}
scan: {kind: points, n_skies: 400, skies_per_file: 200}
unblind: {quote_nsigma: 1.0, waive: [p_uniform, n_sig_bias, enough_background_trials]}
"""
NAMES = ["GRB1__1000s", "GRB1__1d", "GRB1__100d", "GRB2__1000s", "GRB2__1d", "GRB2__100d", "AT2__sigma_5d"]


def test_every_window_of_every_source_is_a_point():
    spec = loads(SPEC)
    assert loads_resolved(resolved_text(spec)) == spec
    assert [at.folder.name for at in spec.all_points] == NAMES
    spans = [at.model.window.span for at in spec.all_points]
    np.testing.assert_allclose([stop - start for start, stop in spans], [1000 / 86400, 1, 100] * 2 + [50], rtol=1e-8)
    np.testing.assert_allclose([start for start, _ in spans[:3]], 55700.2, rtol=0, atol=1e-9)
    assert (spec.background.tail, spec.scan.survival) == ("none", "hybrid"), "there are no tilted trials"
    nodes = {node.name: node for node in make(spec, "0" * 64).nodes}
    assert [n for _, n in nodes["scan"].cuts] == [200, 200]


def test_an_address_has_everything_that_decides_trials():
    at = loads(SPEC).all_points[0].address
    for old, new in (("5.5", "5.6"), ("77.3", "77.4"), ("55700.2", "55700.3"), ("1000 s", "1001 s"), ("GRB1", "GRB3")):
        assert loads(SPEC.replace(old, new)).all_points[0].address != at
    assert loads(SPEC.replace("1000 s", "0.011574074074074073")).all_points[0].address == at


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("start_mjd: 55700.2", "start_mjd: 5", r"hypothesis\.sources\[0\]\.start_mjd: "),
        (", start_mjd: 55700.2", "", r"hypothesis\.sources\[0\]: GRB1: found neither"),
        ("start_mjd: 55700.2", "strat_mjd: 5", r"strat_mjd: unknown key.*start_mjd"),
        ("1000 s", "1000 parsec", r"hypothesis\.length_days: found '1000 parsec'"),
        ("  length_days: [1000 s, 1, 100]\n", "", r"hypothesis\.sources\[0\]\.length_days: GRB1: missing"),
        ("centre_mjd: 55800", "start_mjd: 55800", r"sigma_days: AT2: a Gaussian has a centre"),
        ("sigma_days: [5]", "sigma_days: [5], length_days: 3", r"hypothesis\.sources\[2\]: AT2: found length_days"),
        ("[1000 s, 1, 100]", "[1, 1]", r"hypothesis\.sources: found GRB1__1d twice"),
        ("n_trials: 4000", "tail: tilted, n_trials: 4000", r"background\.tail: found tilted"),
        ("n_trials: 4000", "dec_deg: [5], n_trials: 4000", r"background\.dec_deg: "),
        ("{kind: points, n_skies: 400, skies_per_file: 200}", "{nside: 4, n_skies: 9}", r"scan\.kind: "),
        ("synthetic, n_events: 4000", "icecube_3yr, dir: /tmp, seasons: [{name: IC79, livetime_days: 316}]",
         r"data\.format: .*no good runs"),
        ("unblind:", "resources: {gpu: true}\nunblind:", r"resources\.gpu: "),
    ],
)  # fmt: skip
def test_a_spec_that_makes_no_sense_is_refused_with_its_place(old, new, place):
    assert old in SPEC
    with pytest.raises(SpecError, match=place):
        loads(SPEC.replace(old, new))


def test_the_digest_of_the_data_has_the_good_runs_only_where_times_are_tested():
    dataset = data.read(loads(SPEC))
    season = dataset.seasons[0]
    later = type(dataset)(dataset.label, (type(season)(**vars(season) | {"runs": season.runs._replace(
        start=season.runs.start + 1, stop=season.runs.stop + 1)}),))  # fmt: skip
    assert content_digest(dataset) == content_digest(later)
    assert content_digest(dataset, True) not in (content_digest(later, True), content_digest(dataset))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = tmp_path_factory.mktemp("windows") / "spec.yaml"
    spec.write_text(SPEC)
    assert dagmaker(["run", str(spec), f"--run={spec.parent / 'run'}", "--jobs=1"]) == 0
    return spec.parent / "run"


@pytest.mark.slow  # a whole run
def test_no_file_but_the_sealed_one_has_times_and_trials_do_not_need_it(run, tmp_path):
    opened = open_run(run)
    prepared = store.load_arrays(run, layout.DATA)
    times = blinded_positions._seasons(opened)[0].mjd
    n = times.size
    assert n == 4000
    sorted_times = np.sort(times)
    for name, values in prepared.items():
        flat = np.asarray(values, np.float64).ravel() if values.dtype.kind in "fiu" else np.empty(0)
        if flat.size >= n:
            assert not np.isin(sorted_times, flat).any(), f"{name} has times of events"
    sealed, hidden = run / layout.SEALED, tmp_path / "positions.npz"
    file = expected(opened, "bg_trials", point=NAMES[2])[0]
    before = (run / file.path).read_bytes()
    sealed.rename(hidden)
    (run / file.path).rename(tmp_path / "trials.npy")
    try:
        context._engine.cache_clear()
        args = [f"--run={run}", f"--point={NAMES[2]}", f"--n={file.n}", f"--seed={file.seed}", f"--first={file.first}"]
        assert main(["bg_trials", *args]) == 0
        assert (run / file.path).read_bytes() == before
    finally:
        hidden.rename(sealed)


@pytest.mark.slow
def test_results_are_fluences_and_corrected_with_the_same_skies(run):
    summary = json.loads((run / layout.SUMMARY).read_text())
    rows = {(row["source"], row.get("length_days")): row for row in summary["sensitivity"]}
    assert all(row["unit"] == "TeV cm^-2" for row in rows.values())
    short, long = rows["GRB1", 1.0], rows["GRB1", 100.0]
    assert 2.0 < short["n_sig"] < 2.9, "nearly no background: 90 % have an event"
    assert short["flux"] / short["n_sig"] < long["flux"] / long["n_sig"], "6 of 100 days are gaps"
    skies = np.concatenate([np.load(run / file.path) for file in expected(open_run(run), "scan_trials")])
    assert skies.shape == (400, 7)
    assert [row["name"] for row in summary["scan"]["points"]] == NAMES
    assert summary["post_trial"]["n"] == 400
    observed = [row["ts"] for row in summary["scan"]["points"]]
    for i, length in enumerate(("1000s", "1d", "100d")):
        k = np.count_nonzero(skies["ts"][:, i] + skies["ts"][:, i + 3] >= observed[i] + observed[i + 3] - 1e-12)
        assert summary["sums"][length]["sum_ts"] == pytest.approx(observed[i] + observed[i + 3])
        assert (summary["sums"][length]["n_at_least"], summary["sums"][length]["p"]) == (k, (k + 1) / 401)
    assert len(summary["sums"]) == 3, "no other source has the Gaussian"
    tests = np.load(run / layout.binomial_file())["mlog10p"]
    test = summary["binomial"]["all"]
    assert (test["n_sources"], test["n_at_least"]) == (3, np.count_nonzero(tests >= test["mlog10p"]))


@pytest.mark.slow
def test_unblinding_opens_right_ascensions_and_times(run):
    opened = open_run(run)
    assert main(["unblind", f"--run={run}"]) == 4
    with scratch_run.create(opened) as root:
        write_results(opened, 1, root)
        real = json.loads((root / layout.UNBLINDED_RESULTS).read_text())
    sky = blinded_positions.open_positions(opened)
    assert sky.shape[0] == 2
    positions = blinded_positions._seasons(opened)[0]
    assert np.isin(sky[1], positions.mjd).all()
    fits = context.engine(opened).point_scanner(opened.spec.all_points).at(sky[None])[0]
    assert [row["ts"] for row in real["points"]] == fits["ts"].tolist()
    assert [row["name"] for row in real["upper_limits"]["limits"]] == NAMES
    assert real["upper_limits"]["unit"] == "TeV cm^-2"
    assert real["sums"].keys() == {"1000s", "1d", "100d"}
    assert unblinded._what(real) == "7 points"
    assert real["hottest"]["name"] in unblinded._sentence(real)
    near = np.abs(context.engine(opened)._analysis.sky.dec - np.radians(5.5)) < np.radians(0.3)
    moved = sky.copy()
    moved[0, near] = 77.3 / 360  # a flare at the source, in the day of the second window and then the day after it
    for mjd, fitted in ((55700.7, [False, True]), (55701.7, [False, False])):
        moved[1, near] = mjd
        found = context.engine(opened).point_scanner(opened.spec.all_points).at(moved[None])[0]["ts"]
        assert (found[:2] > 1).tolist() == fitted
        assert found[2] > 10
