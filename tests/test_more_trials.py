"""More background trials for a finished run: p-values follow, from the stored maps, without a new scan."""

import json
from pathlib import Path

import healpy
import numpy as np
import pytest

from dagmaker.htcondor.build import build
from tests.report_run import run_to_summary
from worker.hypotheses import hottest_spots
from worker.rundir import layout
from worker.rundir.ledger import open_run
from worker.spec.specfile import loads
from worker.stats.pvalues import mlog10p
from worker.tasks import collect

SPEC = """
version: 1
name: grows
seed: 5
data: {format: synthetic, n_events: 5000}
background: {tail: none, dec_deg: [-40, 5, 60], n_trials: %(n)d, trials_per_file: 100}
signal: {n_sig: [3, 8, 20], n_trials: 20}
sensitivity: {n_bootstrap: 20}
scan: {nside: 4, n_skies: 20, bands: 2, dec_min_deg: -40, dec_max_deg: 60, survival: empirical, interpolation: %(way)s}
"""


def state(run: Path) -> dict[str, tuple[int, bytes]]:
    """When each file of trials and scans was written, and its bytes."""
    return {
        str(path.relative_to(run)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in (run / "trials").rglob("*.npy")
        if "trials__N_000020_seed_0000" not in path.name or "/scan/" not in str(path)  # hottest spots: made from p
    }


@pytest.mark.slow
def test_p_values_follow_more_trials_without_a_new_scan(tmp_path: Path) -> None:
    run, spec = tmp_path / "run", tmp_path / "spec.yaml"
    spec.write_text(SPEC % {"n": 200, "way": "linear"})
    run_to_summary(spec, run)
    before, first = state(run), json.loads((run / layout.SUMMARY).read_text())
    assert first["background"][0]["n"] == 200
    maps = np.load(run / layout.map_file(4))
    skies = np.load(run / layout.skies_file())

    spec.write_text(SPEC % {"n": 450, "way": "linear"})
    run_to_summary(spec, run)
    after, second = state(run), json.loads((run / layout.SUMMARY).read_text())
    assert {name: after[name] for name in before} == before, "no trial and no scan was made again"
    new = set(after) - set(before)
    assert len(new) == 3 * 3
    assert all("/bg/" in name for name in new)
    assert [row["n"] for row in second["background"]] == [450] * 3
    again = np.load(run / layout.map_file(4))
    np.testing.assert_array_equal(again[1:], maps[1:])
    assert np.nanmax(np.abs(again[0] - maps[0])) > 0.01
    _is_what_the_new_background_says(run, again)
    assert np.any(np.load(run / layout.skies_file())["mlog10p"] != skies["mlog10p"])
    assert second["post_trial"]["n"] == first["post_trial"]["n"] == 20
    assert second["post_trial"]["ks_p"] != first["post_trial"]["ks_p"]
    assert set(second["post_trial_regions"]) == {"all", "north", "south"}
    for found in second["post_trial_regions"].values():
        assert found["p"] == (found["k"] + 1) / (found["n"] + 1)
        assert found["lo"] <= found["p"]
        assert {"n_eff", "n_eff_error", "ks_p", "p_eff", "hi"} <= set(found)

    build(loads(SPEC % {"n": 450, "way": "log"}), run)
    collect.collect_scan(run, False)
    assert state(run) == after, "another interpolation needs no trial and no scan either"
    logarithmic = np.load(run / layout.map_file(4))
    np.testing.assert_array_equal(logarithmic[1:], maps[1:])
    assert np.nanmin(logarithmic[0] - again[0]) > -1e-12, "ln p between two points is below ln of the mean p"
    assert np.nanmax(logarithmic[0] - again[0]) > 0.001


def _is_what_the_new_background_says(run: Path, maps: np.ndarray) -> None:
    theta, _ = healpy.pix2ang(4, np.arange(192))
    seen = np.isfinite(maps[1])
    expected = mlog10p(
        hottest_spots.load_tsds(open_run(run)), 0.5 * np.pi - theta[seen], maps[1, seen], "linear", "empirical"
    )
    np.testing.assert_allclose(maps[0, seen], expected, rtol=1e-9, atol=1e-12)
