"""A pilot of real processes, the run that it cuts, and what the run says of both."""

import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from dagmaker.cli import main
from dagmaker.htcondor import rounds
from dagmaker.pilot import pilot, probes
from dagmaker.status import efficiency
from tests.answers import answered, holds_what_is_documented
from tests.dagmaker_spec import text
from worker.base.errors import InputError
from worker.spec import goals, specfile

pytestmark = [pytest.mark.slow]

SMALL = {"decs": [0, 10], "n_sig": [4, 10, 20], "n_bg": 200_000, "n_trials": 300, "map_nside": 4, "n_skies": 3}
GOAL = SMALL | {"n_sig": "goal"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spec, its pilot.json, and the run of the spec that uses it."""
    folder = tmp_path_factory.mktemp("pilot")
    (folder / "spec.yaml").write_text(text(**GOAL, resources="{pilot: pilot.json}"))  # which is not there yet
    short, long = probes.SHORT_S, probes.LONG_S
    probes.SHORT_S, probes.LONG_S = 0.05, 0.4
    try:
        said = io.StringIO()
        with redirect_stdout(said):
            assert main(["pilot", str(folder / "spec.yaml"), f"--output={folder / 'pilot.json'}", "--json"]) == 0
        holds_what_is_documented("pilot", answered(said.getvalue()))
    finally:
        probes.SHORT_S, probes.LONG_S = short, long
    resources = "{pilot: pilot.json, target_hours: 0.0003}"
    (folder / "sized.yaml").write_text(text(**GOAL, resources=resources))
    assert main(["run", str(folder / "sized.yaml"), f"--run={folder / 'run'}", "--jobs=2"]) == 0
    return folder


def test_every_kind_is_measured(folder: Path) -> None:
    found = specfile.load(folder / "sized.yaml").resources.pilot
    assert found is not None and found.bg_trials and found.sig_trials and found.scan_trials and found.scan_map
    for kind in (found.bg_trials, found.sig_trials):
        assert kind.start_s > 0.05  # an interpreter and its imports
        assert 100 < kind.memory_mb < 1000
        for rate in kind.rates:
            assert 1e-8 < rate.unit_s < 1
            assert rate.unit_s_error < rate.unit_s
    assert len(found.sig_trials.rates) == 2 * 3


def test_the_grid_of_n_sig_lies_where_the_quick_pass_found_it(folder: Path) -> None:
    """A rough pass, and what the run measures on the grid that follows: everything is bracketed."""
    spec = specfile.load(folder / "sized.yaml")
    assert spec.resources.pilot is not None and spec.resources.pilot.reach is not None
    assert spec.signal.n_sig == tuple(goals.n_sig_grid([row.model_dump() for row in spec.resources.pilot.reach]))
    summary = json.loads((folder / "run/results/summary.json").read_text())
    discovery = [row for row in summary["discovery"] if row["nsigma"] == 5]
    rows = zip(spec.resources.pilot.reach, summary["sensitivity"], discovery, strict=True)
    for reach, sensitivity, potential in rows:
        assert reach.sensitivity == pytest.approx(sensitivity["n_sig"], rel=0.3)
        assert reach.discovery == pytest.approx(potential["n_sig"], rel=0.2)


def test_the_run_is_cut_and_costs_what_the_pilot_says(folder: Path) -> None:
    found = efficiency.look(folder / "run")
    kinds = {kind.task: kind for kind in found.kinds}
    assert kinds["bg_trials"].measured > 1
    ratio = kinds["bg_trials"].cpu_s / kinds["bg_trials"].predicted_s
    assert 0.2 < ratio < 5, "a busy machine needs up to twice the CPU time; a wrong unit is a factor 60"
    assert kinds["bg_trials"].memory_mb < kinds["bg_trials"].asked_mb < 2 * kinds["bg_trials"].memory_mb
    assert set(kinds) == set(rounds.read_plan(folder / "run").tasks()), "the report, too"
    for task, kind in kinds.items():
        assert not kind.pool
        assert kind.predicted_s / 5 - 0.5 < kind.cpu_s < 5 * kind.predicted_s + 0.5, task
    assert found.quotable is not None
    assert (found.quotable.n_trials, found.quotable.n_skies) == (200_000, 3)
    said = "\n".join(efficiency.lines(found))
    assert "3.89 sigma is the largest significance with 10 background trials above it" in said


def test_a_probe_that_takes_too_long_is_stopped_and_told(tmp_path: Path) -> None:
    spec = specfile.loads(text(**SMALL))
    with pytest.raises(InputError, match="no probe ended in time"):
        pilot.pilot(spec, tmp_path / "run", 0.05, lambda line: None)


def test_wasted_memory_is_told_with_the_edit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = folder / "run"
    frozen = run / "analysis.yaml"
    before = frozen.read_text()
    frozen.write_text(before.replace("target_hours: 0.0003", "target_hours: null").replace("_mb: 1000", "_mb: 9000"))
    try:
        assert main(["efficiency", str(run)]) == 0
    finally:
        frozen.write_text(before)
    assert "# now 9000, used at most" in capsys.readouterr().out


def test_pilot_json_is_one_file_of_plain_numbers(folder: Path) -> None:
    raw = json.loads((folder / "pilot.json").read_text())
    kinds = {"bg_trials", "sig_trials", "scan_trials", "scan_map"}
    assert set(raw) == {"pilot_version", "cpu", "prepared_mb", "reach"} | kinds
