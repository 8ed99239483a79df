"""Analyses of catalogues: the spec and its faults, and a whole run to the opening of the real sky."""

import json
from pathlib import Path

import numpy as np
import pytest

from dagmaker.cli import main as dagmaker
from dagmaker.plan.plan import make
from dagmaker.plan.starters import STARTERS
from tests.report_run import run_to_summary
from worker.base.errors import SpecError
from worker.blinding import unblinding_checks
from worker.blinding.unblind import write_results
from worker.cli.main import main
from worker.engines.builtin.stacked import Stack
from worker.engines.protocol import Signal
from worker.hypotheses import hottest_spots
from worker.report.results import Results
from worker.report.unblinded import section
from worker.rundir import address, layout
from worker.rundir.ledger import expected, open_run
from worker.spec import catalogue
from worker.spec.specfile import load, loads, loads_resolved, resolved_text
from worker.stats.checks import p_uniform
from worker.stats.distributions import TSD
from worker.tasks import blinded_positions, context, scratch_run

SPEC = """
version: 1
name: stacks
seed: 7
data: {format: synthetic, n_events: 4000}
hypothesis:
  kind: stacking
  diffuse_flux: 1.5e-11
  catalogues:
    bright:
      weights: flux
      sources: |
        name,ra_deg,dec_deg,flux,extension_deg
        A,77.3,5.5,2,
        B,300,-25,1,0.5
        C,77.9,5.9,3,
    pair: {sources: "name,ra_deg,dec_deg\\nA,77.3,5.5\\nD,120,40\\n"}
background: {n_trials: 400, trials_per_file: 200}
signal: {n_sig: [1, 3, 8, 20, 50], n_trials: 80}
sensitivity: {n_bootstrap: 20, discovery_nsigma: 2}
scan: {kind: points, n_skies: 400, skies_per_file: 200}
unblind: {quote_nsigma: 1.0, waive: [p_uniform, n_sig_bias, enough_background_trials]}
"""


def test_the_plan_has_a_node_for_each_catalogue():
    spec = loads(SPEC)
    assert loads_resolved(resolved_text(spec)) == spec
    assert (spec.background.tail, spec.scan.survival) == ("none", "hybrid")
    bright, pair = spec.all_points
    assert bright.labels == {"catalogue": "bright"}
    assert (bright.folder.parts[0], bright.model.weight) == ("catalogue", (2.0, 1.0, 3.0))
    assert bright.model.extension == (0.0, np.radians(0.5), 0.0)
    assert spec.point_of({"point": "pair"}) == pair == spec.point_of({"point": pair.folder.name})
    nodes = {node.name: node for node in make(spec, "0" * 64).nodes}
    assert {"scan", "map_points"} <= nodes.keys()
    folders = [node.dir for node in nodes.values() if node.task == "bg_trials"]
    assert folders == [f"trials/stacks/bg/catalogue/{at.folder.name}" for at in (bright, pair)]


@pytest.mark.parametrize(
    ("old", "new"), [("A,77.3,5.5,2", "A,77.3,5.5,2.5"), ("-25,1,0.5", "-25,1,"), ("77.9", "77.8")]
)
def test_another_catalogue_of_the_same_name_is_another_point(old, new):
    """Its keys, its files and the folder of skies are others; those of the other catalogue stay."""
    spec, other = loads(SPEC), loads(SPEC.replace(old, new))
    assert [a == b for a, b in zip(spec.all_points, other.all_points, strict=True)] == [False, True]
    first, second = (address.bg_trials(one, one.all_points[0], 0) for one in (spec, other))
    assert first != second
    assert spec.all_points[0].folder != other.all_points[0].folder
    assert spec.scan.level() != other.scan.level()


def test_a_file_is_frozen_with_the_columns_that_count(tmp_path):
    rows = "# note\nflux, dec_rad, ra_hours, name, type\n3, 0.5, 12, A, x\n1, -0.5, 14.5, B, y\n"
    (tmp_path / "a.csv").write_text(rows)
    text = SPEC.replace("    pair: {", "    pair: {file: a.csv, weights: flux}\n    other: {")
    (tmp_path / "spec.yaml").write_text(text)
    one = load(tmp_path / "spec.yaml").hypothesis.catalogues["pair"]
    assert one.sources.splitlines()[0] == "name,ra_deg,dec_deg,flux,extension_deg"
    assert one.entries[1][1:] == pytest.approx((217.5, np.degrees(-0.5), 1.0, 0.0))
    (tmp_path / "a.csv").unlink()
    with pytest.raises(SpecError, match=r"hypothesis\.catalogues\.pair\.file: .*does not exist"):
        load(tmp_path / "spec.yaml")


@pytest.mark.parametrize(
    ("old", "new", "place", "found"),
    [
        ("weights: flux", "weights: fluxes", "hypothesis.catalogues.bright.sources", "flux"),
        ("weights: flux", "weights: dec_deg", "hypothesis.catalogues.bright.sources", "no weight"),
        ("C,77.9,5.9,3,", "C,77.9,5.9,0,", "hypothesis.catalogues.bright.sources", "flux: found '0'"),
        ("C,77.9,5.9,3,", "C,77.9,5.9,inf,", "hypothesis.catalogues.bright.sources", "'inf'"),
        ("-25,1,0.5", "-25,1,11", "hypothesis.catalogues.bright.sources", "extension_deg: found '11'"),
        ("C,77.9", "A,77.9", "hypothesis.catalogues.bright.sources", "write each source once"),
        ("    bright:", "    bright.1:", "hypothesis.catalogues", "bright.1"),
        ("kind: points,", "kind: healpix, nside: 4,", "scan.kind", "healpix"),
        ("{n_trials: 400,", "{tail: tilted, n_trials: 400,", "background.tail", "tilted"),
        ("{n_trials: 400,", "{dec_deg: [5], n_trials: 400,", "background.dec_deg", "grid"),
        ("signal: {", "signal: {extension_deg: 1, ", "signal.extension_deg", "column extension_deg"),
        ("signal: {", "likelihood: {extension_deg: 1}\nsignal: {", "likelihood.extension_deg", "column extension_deg"),
        ("signal: {", "signal: {dec_deg: [5], ", "signal.dec_deg", "grid"),
        ("seed: 7", "seed: 7\nresources: {gpu: true}", "resources.gpu", "true"),
        ("seed: 7", "seed: 7\npoints: [{dec_deg: 5}]", "points", "1 points"),
        ("seed: 7", "seed: 7\nengine: {kind: plugin, name: toy}", "hypothesis.kind", "plug-in"),
        ("diffuse_flux: 1.5e-11", "diffuse_flux: -1", "hypothesis.diffuse_flux", "-1"),
        ("weights: flux", "weight: flux", "hypothesis.catalogues.bright.weight", "weights"),
    ],
)
def test_a_spec_that_does_not_fit_is_refused_with_its_place(old, new, place, found):
    with pytest.raises(SpecError) as error:
        loads(SPEC.replace(old, new))
    assert f"{place}: " in str(error.value)
    assert found in str(error.value)


def test_angles_in_hours_and_too_many_sources_are_refused():
    rows = "".join(f"\\nS{i},{i / 10},{i}" for i in range(1, 60))
    text = SPEC.replace('A,77.3,5.5\\nD,120,40\\n"', f'{rows[2:]}"')
    with pytest.raises(SpecError, match=r"hypothesis\.catalogues\.pair\.sources: .*hours"):
        loads(text)
    loads(text.replace("seed: 7", "seed: 7\nsmall_angles: true"))
    line = "name,ra_deg,dec_deg,extension_deg\n"
    many = line + "".join(f"S{i},{(i * 0.7) % 360},{-80 + i * 0.05},\n" for i in range(catalogue.MAX_SOURCES + 1))
    assert "3,000" in catalogue.parse(many)[1][0].text
    assert len(catalogue.parse(many[: many.rindex("S")])[0]) == catalogue.MAX_SOURCES
    nine = line + "".join(f"S{i},{i * 10},{i},{i / 10}\n" for i in range(9))
    assert "9 different extensions" in catalogue.parse(nine)[1][0].text


def test_the_starter_is_a_spec(tmp_path, capsys):
    assert dagmaker(["init", "stacking", f"--output={tmp_path / 'a.yaml'}"]) == 0
    assert dagmaker(["check", str(tmp_path / "a.yaml")]) == 0
    assert "2 catalogues" in capsys.readouterr().out
    assert "stacking" in STARTERS


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = tmp_path_factory.mktemp("stacks") / "spec.yaml"
    spec.write_text(SPEC)
    assert dagmaker(["run", str(spec), f"--run={spec.parent / 'run'}", "--jobs=1"]) == 0
    return spec.parent / "run"


def _skies(run: Path) -> np.ndarray:
    opened = open_run(run)
    return np.concatenate([np.load(run / file.path) for file in expected(opened, "scan_trials")])


@pytest.mark.slow  # a whole run
def test_catalogues_are_fitted_in_the_same_skies_and_corrected_for(run):
    opened, skies = open_run(run), _skies(run)
    summary = json.loads((run / layout.SUMMARY).read_text())
    assert skies.shape == (400, 2)
    assert [row["name"] for row in summary["scan"]["points"]] == ["bright", "pair"]
    assert summary["scan"]["kind"] == "stacking"
    engine, points = context.engine(opened), opened.spec.all_points
    turn = engine.scrambled(address.scan_trials(opened.spec, 0), 17)
    fits = [Stack(engine._analysis, at.model).at(turn[None, :])[0] for at in points]
    assert skies[17].tolist() == [tuple(fit) for fit in fits]
    tsds = hottest_spots.load_tsds(opened)
    heat = np.stack([-np.log10(tsds[at.folder.name].sf(skies["ts"][:, i])) for i, at in enumerate(points)], axis=1)
    k = np.count_nonzero(heat.max(axis=1) >= summary["scan"]["hottest"]["mlog10p"] - 1e-12)
    assert (summary["post_trial"]["k"], summary["post_trial"]["p"]) == (k, (k + 1) / 401)
    assert np.corrcoef(skies["ts"][:, 0], skies["ts"][:, 1])[0, 1] > 0.1, "the source A is in both"


@pytest.mark.slow
def test_the_sensitivity_covers_and_the_flux_is_the_summed_one(run):
    """Of trials with the mean of the sensitivity, 90 % lie above the threshold; half of it is caught."""
    opened = open_run(run)
    summary = json.loads((run / layout.SUMMARY).read_text())
    engine, n = context.engine(opened), 400
    for at, row in zip(opened.spec.all_points, summary["sensitivity"], strict=True):
        assert row["flux"] == pytest.approx(row["n_sig"] * engine.flux(at, 2.0))
        covered = []
        for factor in (1.0, 0.5):
            key = address.sig_trials(opened.spec, at, row["n_sig"] * factor, 99, 2.0)
            trials = engine.trials(at, key, 0, n, Signal(row["n_sig"] * factor, 2.0))
            covered.append(np.mean(trials["ts"] > row["threshold"]))
        error = np.hypot(0.015, 0.09 * row["n_sig_error"] / row["n_sig"] * 2.3)
        assert abs(covered[0] - 0.9) < 3 * error
        assert covered[1] < 0.9 - 3 * error


@pytest.mark.slow
def test_p_values_are_calibrated_and_two_events_are_not_background(run):
    opened = open_run(run)
    engine, tsds = context.engine(opened), hottest_spots.load_tsds(opened)
    for at in opened.spec.all_points:
        tsd = TSD.from_trials(engine.trials(at, (5, 1), 0, 1500)["ts"], "scale1")
        others = engine.trials(at, (5, 2), 0, 1500)["ts"]
        signal = engine.trials(at, (5, 3), 0, 1500, Signal(0.5, 2.0))["ts"]
        ks = [p_uniform(tsd.sf(ts, "empirical"), tsd.eta, tsd.n, name="own") for ts in (others, signal)]
        assert [one.passed for one in ks] == [True, False]
        assert abs(tsd.eta - tsds[at.folder.name].eta) < 4 * np.sqrt(0.25 / 400)


@pytest.mark.slow
def test_the_checks_pass_and_a_review_reproduces_it(run):
    verdicts = {one.name: one for one in unblinding_checks.verdicts(open_run(run))}
    assert verdicts["n_eff_bands"].passed
    assert dagmaker(["review", str(run)]) == 0
    assert dagmaker(["verify-plan", str(run)]) == 0
    shares = (run / "report/figures/shares.csv").read_text().splitlines()
    assert len(shares) - sum(line.startswith("#") for line in shares) == 1 + 3 + 2
    page = (run / "report/index.html").read_text()
    assert "catalogues" in page
    assert "of the diffuse flux" in page


@pytest.mark.slow
def test_the_real_sky_has_every_catalogue_and_its_sources(run):
    opened = open_run(run)
    assert main(["unblind", f"--run={run}"]) == 4
    with scratch_run.create(opened) as root:
        write_results(opened, 1, root)
        real = json.loads((root / layout.UNBLINDED_RESULTS).read_text())
    turn = blinded_positions.open_positions(opened)
    stacks = [Stack(context.engine(opened)._analysis, at.model) for at in opened.spec.all_points]
    assert [row["ts"] for row in real["points"]] == [float(stack.at(turn[None, :])["ts"][0]) for stack in stacks]
    assert {*real["catalogues"]} == {"bright", "pair"}
    assert sum(row["share"] for row in real["catalogues"]["bright"]) == pytest.approx(1.0)
    for name, row in zip(("bright", "pair"), real["points"], strict=True):
        assert sum(one["events"] for one in real["catalogues"][name]) == pytest.approx(row["ns"], rel=0.1, abs=0.02)
        assert all(one["ts_without"] >= 0 for one in real["catalogues"][name])
    assert [row["name"] for row in real["upper_limits"]["limits"]] == ["bright", "pair"]
    page = Results(opened, {"unblinded": real})
    assert "catalogues" in section(page)["how"]


@pytest.mark.slow
def test_a_run_that_was_cut_otherwise_has_the_same_trials(run, tmp_path):
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        SPEC.replace("trials_per_file: 200", "trials_per_file: 130").replace(
            "skies_per_file: 200", "skies_per_file: 70"
        )
    )
    run_to_summary(spec, tmp_path / "run")
    for task in ("bg_trials", "scan_trials"):
        one, other = (
            [np.load(root / file.path) for file in expected(open_run(root), task)] for root in (run, tmp_path / "run")
        )
        assert len(one) != len(other)
        assert np.concatenate(one).tobytes() == np.concatenate(other).tobytes()
