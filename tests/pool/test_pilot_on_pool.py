"""`dagmaker pilot --pool`: the probes as a DAG, and a plan that is cut by them."""

import json
from pathlib import Path

import pytest

from tests.pool import analysis
from tests.pool.personal import Pool
from tests.pool.suites import on_one_release

pytestmark = [pytest.mark.slow]

# One declination and one spectrum: twelve probes, each of a few seconds, and those of the quick pass.
ONE_DEC = {
    **analysis.TINY,
    "background": {"dec_deg": [0], "n_trials": 300, "trials_per_file": 100},
    "signal": {"n_sig": "goal"},
    "scan": {
        "nside": 4,
        "map_nside": None,
        "dec_min_deg": -5,
        "dec_max_deg": 5,
        "n_skies": 4,
        "skies_per_file": 2,
        "bands": 1,
    },
}


@on_one_release
def test_probes_run_as_a_dag_and_are_measured(pool: Pool, tmp_path: Path) -> None:
    spec = analysis.write_spec(tmp_path / "spec.yaml", ONE_DEC)
    out = tmp_path / "pilot.json"
    words = ("pilot", str(spec), "--pool", f"--run={tmp_path / 'run'}", f"--output={out}", "--limit_s=600")
    done = analysis.dagmaker(*words, env=pool.env)
    assert done.returncode == 0, done.stdout + done.stderr + analysis.errors(tmp_path / "run")
    found = json.loads(out.read_text())
    assert {"bg_trials", "sig_trials", "scan_trials", "scan_map"} <= set(found)
    for kind in ("bg_trials", "sig_trials"):
        assert found[kind]["start_s"] > 0.05
        assert all(1e-8 < rate["unit_s"] < 1 for rate in found[kind]["rates"])
        assert 50 < found[kind]["memory_mb"] < 1000
    [reach] = found["reach"]
    assert all(1 < reach[name] < 64 for name in ("sensitivity", "discovery"))
    text = spec.read_text()
    assert "pilot: null" in text
    spec.write_text(text.replace("pilot: null", f"pilot: {out}").replace("target_hours: null", "target_hours: 1"))
    planned = analysis.dagmaker("plan", str(spec))
    assert f"(by the pilot on {found['cpu']})" in planned.stdout, planned.stdout + planned.stderr
