"""The checks before unblinding on a real run directory: each passes or fails for its own reason, waivers by name."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from dagmaker.htcondor.build import build
from tests import report_run
from worker.blinding import tail_checks, unblinding_checks
from worker.report import figures, produce
from worker.report.hypotheses import sky
from worker.rundir import layout, store
from worker.rundir.ledger import open_run
from worker.rundir.record import measure
from worker.spec.checklist import FIGURES, NAMES
from worker.spec.point import declination
from worker.spec.specfile import loads

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def done(reported_run: Path) -> Path:
    """A finished run."""
    return reported_run


@pytest.fixture
def copy(done: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(done, tmp_path / "run"))


def of(run: Path) -> dict[str, unblinding_checks.Verdict]:
    return {verdict.name: verdict for verdict in unblinding_checks.verdicts(open_run(run))}


def save(run: Path, rel, array) -> None:
    with measure("test", {}) as meter:
        what = store.save_arrays if isinstance(array, dict) else store.save_array
        what(run, rel, array, meter.record(1))


def test_every_check_is_made_once_and_has_a_figure_of_the_report(done: Path) -> None:
    found = unblinding_checks.verdicts(open_run(done))
    assert tuple(verdict.name for verdict in found) == NAMES
    assert set(FIGURES) == set(NAMES)
    plots = (*figures.PLOTS, *figures.TAIL, *figures.PATCHES, *sky.PART.plots)
    assert set(FIGURES.values()) <= {plot.name for plot in plots}
    assert all(verdict.sentence.endswith(".") for verdict in found)
    failed = {verdict.name for verdict in found if not verdict.passed}
    assert failed - {"smooth_map"} == {"enough_background_trials", "enough_skies"}  # 400 trials, 8 skies; nside 4
    assert {verdict.name for verdict in unblinding_checks.blocking(found)} == failed


def test_a_waiver_lifts_the_block_and_not_the_verdict(copy: Path) -> None:
    waiver = "unblind: {waive: [enough_skies, p_uniform, smooth_map], quote_nsigma: 1.5}\n"
    build(loads(report_run.SPEC + waiver), copy)  # the same analysis: nothing else changes
    found = of(copy)
    assert not found["enough_skies"].passed
    assert found["enough_skies"].waived
    assert not found["enough_skies"].blocks
    assert not found["p_uniform"].waived, "what passed is not waived"
    assert found["enough_background_trials"].passed, "400 trials reach 1.5 sigma"
    assert unblinding_checks.blocking(found.values()) == ()
    produce.report(copy, None, None)
    page = (copy / layout.REPORT).read_text(encoding="utf-8")
    assert "Waived by name in the spec (<code>unblind.waive</code>): enough_skies" in page
    assert "failed, waived" in page
    assert "Nothing blocks unblinding." in page
    rows = {row["name"]: row for row in json.loads((copy / layout.SUMMARY).read_text())["checks"]}
    assert rows["enough_skies"]["waived"]
    assert not rows["enough_skies"]["blocks"]


def lose_a_file(run: Path) -> None:
    next(run.glob("trials/tiny/sig/dec/+005/nsig/008.0/*.npy")).unlink()


def fewer_trials_collected(run: Path) -> None:
    rel = layout.bg_collected(declination(5.0))
    arrays = store.load_arrays(run, rel)
    save(run, rel, arrays | {"n": arrays["n"] - 5})


def halves_differ(run: Path) -> None:
    rel = layout.bg_collected(declination(5.0))
    arrays = store.load_arrays(run, rel)
    save(run, rel, arrays | {"ts_odd": arrays["ts_odd"] * 30})


def ns_is_half(run: Path) -> None:
    for dec in (-40.0, 5.0, 60.0):
        arrays = store.load_arrays(run, layout.sig_collected(declination(dec)))
        for name in ("trials_0", "trials_1", "trials_2"):
            arrays[name] = arrays[name].copy()
            arrays[name]["ns"] *= 0.4
        save(run, layout.sig_collected(declination(dec)), arrays)


def small_p_in_the_north(run: Path) -> None:
    scan = store.load_json(run, layout.SCAN)
    scan["n_eff_bands"][-1]["n_eff"] *= 20
    store.save_json(run, layout.SCAN, scan)


def spots(run: Path, column: str, value: float) -> None:
    skies = np.repeat(store.load_array(run, layout.skies_file()), 20)
    skies[column] = value
    save(run, layout.skies_file(), skies)


@pytest.mark.parametrize(
    ("damage", "name", "words"),
    [
        (lose_a_file, "files_complete", "nsig/008.0/trials__N_000060_seed_0000.npy; `dagmaker repair`"),
        (fewer_trials_collected, "files_complete", "+005.npz (made from 390 of 400 trials)"),
        (halves_differ, "p_uniform", "it is dec 5 deg"),
        (ns_is_half, "n_sig_bias", "outside: 100.0 % of the scanned sky"),
        (small_p_in_the_north, "n_eff_bands", "between dec 45 and 60 deg"),
        (lambda run: spots(run, "ra", 1.0), "ra_uniform", "not uniform in ra"),
        (lambda run: (run / layout.skies_file()).unlink(), "enough_skies", "cannot be made: "),
        (lambda run: (run / layout.map_file(4)).write_bytes(b"x"), "smooth_map", "cannot be made: "),
    ],
)  # fmt: skip
def test_each_check_sees_its_own_fault(copy: Path, damage, name: str, words: str) -> None:
    damage(copy)
    verdict = of(copy)[name]
    assert not verdict.passed
    assert verdict.blocks
    assert words in verdict.sentence


def test_an_empty_run_passes_only_what_it_does_not_ask_for(tmp_path: Path) -> None:
    found = unblinding_checks.verdicts(open_run(report_run.built(tmp_path / "run")))
    asks_for_none = {*tail_checks.NAMES, "pixel_sum"}  # tilted trials, patches
    assert {verdict.name for verdict in found if verdict.passed} == asks_for_none
