"""Flares through a run: spec, skies, the sealed times, results as fluences, a task stopped and resumed, unblinding."""

import json
from pathlib import Path

import numpy as np
import pytest

from dagmaker.cli import main as dagmaker
from worker.base.errors import SpecError
from worker.blinding.unblind import write_results
from worker.cli.main import main
from worker.rundir import layout, store
from worker.rundir.ledger import expected, open_run
from worker.spec.specfile import loads, loads_resolved, resolved_text
from worker.tasks import blinded_positions, context, scratch_run

SPEC = """
version: 1
name: flares
seed: 7
data: {format: synthetic, n_events: 4000}
hypothesis:
  kind: flare
  max_days: 100
  inject_days: 20
  sources: [{name: TXS, ra_deg: 77.36, dec_deg: 5.0}, {name: PKS, ra_deg: 238.9, dec_deg: -11.2}]
background: {n_trials: 300, trials_per_file: 150}
signal: {n_sig: [1, 3, 8], n_trials: 40}
sensitivity: {n_bootstrap: 20, discovery_nsigma: 1.5}
scan: {kind: points, n_skies: 100, skies_per_file: 50}
unblind: {quote_nsigma: 1.0, waive: [p_uniform, n_sig_bias, enough_background_trials]}
"""


def test_every_source_and_injected_width_is_a_point():
    spec = loads(SPEC)
    assert loads_resolved(resolved_text(spec)) == spec
    assert [at.folder.name for at in spec.all_points] == ["TXS", "PKS"]
    assert (spec.background.tail, spec.scan.survival) == ("none", "hybrid"), "there are no tilted trials"
    several = loads(
        SPEC.replace("20\n", "[10, 100]\n", 1).replace("scan: {kind: points, n_skies: 100, skies_per_file: 50}\n", "")
    )
    assert [at.folder.name for at in several.all_points] == ["TXS__10d", "TXS__100d", "PKS__10d", "PKS__100d"]
    addresses = {at.address for at in several.all_points}
    assert len(addresses) == 4


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("max_days: 100", "max_days: 0.5", r"hypothesis\.max_days: "),
        ("max_days: 100", "max_days: 1", r"hypothesis\.max_days: found 1; must be larger"),
        ("max_days: 100", "max_day: 100", r"max_day: unknown key.*max_days"),
        ("inject_days: 20", "inject_days: [20, 30]", r"hypothesis\.inject_days: found 2 widths"),
        ("name: PKS", "name: TXS", r"hypothesis: found TXS twice"),
        ("dec_deg: 5.0", "dec: 5.0", r"dec: unknown key.*dec_deg"),
        ("n_trials: 300", "tail: tilted, n_trials: 300", r"background\.tail: found tilted"),
        ("n_trials: 300", "dec_deg: [5], n_trials: 300", r"background\.dec_deg: "),
        ("kind: flare", "kind: flare\n  profile: triangle", r"hypothesis\.profile: "),
        ("synthetic, n_events: 4000", "icecube_3yr, dir: /tmp, seasons: [{name: IC79, livetime_days: 316}]",
         r"data\.format: .*no good runs"),
        ("unblind:", "resources: {gpu: true}\nunblind:", r"resources\.gpu: "),
    ],
)  # fmt: skip
def test_a_spec_that_makes_no_sense_is_refused_with_its_place(old, new, place):
    assert old in SPEC
    with pytest.raises(SpecError, match=place):
        loads(SPEC.replace(old, new))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = tmp_path_factory.mktemp("flares") / "spec.yaml"
    spec.write_text(SPEC)
    assert dagmaker(["run", str(spec), f"--run={spec.parent / 'run'}", "--jobs=1"]) == 0
    return spec.parent / "run"


@pytest.mark.slow  # a whole run
def test_no_file_but_the_sealed_one_has_times_and_trials_do_not_need_it(run, tmp_path):
    opened = open_run(run)
    times = np.sort(blinded_positions._seasons(opened)[0].mjd)
    for name, values in store.load_arrays(run, layout.DATA).items():
        flat = np.asarray(values, np.float64).ravel() if values.dtype.kind in "fiu" else np.empty(0)
        if flat.size >= times.size:
            assert not np.isin(times, flat).any(), f"{name} has times of events"
    sealed, hidden = run / layout.SEALED, tmp_path / "positions.npz"
    file = expected(opened, "bg_trials", point="TXS")[0]
    before = (run / file.path).read_bytes()
    sealed.rename(hidden)
    (run / file.path).rename(tmp_path / "trials.npy")
    try:
        context._engine.cache_clear()
        args = [f"--run={run}", "--point=TXS", f"--n={file.n}", f"--seed={file.seed}", f"--first={file.first}"]
        assert main(["bg_trials", *args]) == 0
        assert (run / file.path).read_bytes() == before
    finally:
        hidden.rename(sealed)


@pytest.mark.slow
def test_results_are_fluences_and_files_have_time_and_width(run):
    summary = json.loads((run / layout.SUMMARY).read_text())
    assert {row["unit"] for row in summary["sensitivity"]} == {"TeV cm^-2"}
    assert {row["inject_days"] for row in summary["sensitivity"]} == {20.0}
    skies = np.concatenate([np.load(run / file.path) for file in expected(open_run(run), "scan_trials")])
    assert skies.shape == (100, 2)
    assert skies.dtype.names == ("ts", "ns", "gamma", "t0", "width")
    assert ((skies["ts"] > 0) == (skies["width"] >= 1)).all()
    assert summary["post_trial"]["n"] == 100
    assert {"t0", "width"} <= set(summary["scan"]["points"][0])


@pytest.mark.slow
def test_a_review_makes_trials_again(run):
    assert dagmaker(["review", str(run)]) in (0, 4)


@pytest.mark.slow
def test_unblinding_opens_right_ascensions_and_times(run):
    opened = open_run(run)
    assert main(["unblind", f"--run={run}"]) == 4
    with scratch_run.create(opened) as root:
        write_results(opened, 1, root)
        real = json.loads((root / layout.UNBLINDED_RESULTS).read_text())
    sky = blinded_positions.open_positions(opened)
    fits = context.engine(opened).point_scanner(opened.spec.all_points).at(sky[None])[0]
    for name in ("ts", "t0", "width"):
        assert [row[name] for row in real["points"]] == fits[name].tolist()
    engine = context.engine(opened)
    near = np.flatnonzero(np.abs(engine._analysis.sky.dec - np.radians(5.0)) < np.radians(0.4))[:12]
    moved = sky.copy()
    moved[0, near], moved[1, near] = 77.36 / 360, 55800.0 + np.linspace(0, 6, near.size)
    found = engine.point_scanner(opened.spec.all_points).at(moved[None])[0][0]
    assert found["ts"] > 25
    assert abs(found["t0"] - 55803) < 2
