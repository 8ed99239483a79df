"""Whole runs of plug-ins: the example of docs/plugins.md, the one without neutrinos, and SkyLLH."""

import json
import re
import shutil

import numpy as np
import pytest
import yaml
from scipy import optimize, stats

from dagmaker.cli import main as dagmaker
from dagmaker.htcondor.build import build
from dagmaker.plan import processes
from dagmaker.plan.plan import make
from tests.conftest import ROOT
from worker.cli.main import main
from worker.review import aggregates, files, run_conditions, trial_files
from worker.rundir.ledger import open_run
from worker.spec import specfile
from worker.tasks import scratch_run


def blocks(language: str) -> list[str]:
    """Blocks of code in docs/plugins.md."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8"), re.S)


def test_the_example_of_the_page_is_short_and_can_be_used(tmp_path):
    source, spec = blocks("python")[0], blocks("yaml")[0]
    assert len([line for line in source.splitlines() if line.strip()]) < 40
    assert set(re.findall(r"^(?:import|from) (\w+)", source, re.M)) == {"numpy"}
    (tmp_path / "toy.py").write_text(source)
    (tmp_path / "toy.yaml").write_text(spec)
    assert specfile.load(tmp_path / "toy.yaml").engine.options == {"slope": 0.5}


@pytest.mark.slow
def test_the_example_of_the_page_runs_and_is_reproduced(tmp_path, capsys):
    """From nothing to the report, as a reader of the page does it; then the review, but for the pictures."""
    (tmp_path / "toy.py").write_text(blocks("python")[0])
    (tmp_path / "toy.yaml").write_text(blocks("yaml")[0])
    run = tmp_path / "run"
    assert dagmaker(["check", str(tmp_path / "toy.yaml"), "--engine", "--json"]) == 0
    assert {one["verdict"] for one in json.loads(capsys.readouterr().out)["engine"]} == {"same"}
    assert dagmaker(["run", str(tmp_path / "toy.yaml"), f"--run={run}"]) == 0
    capsys.readouterr()
    opened = open_run(run)
    with scratch_run.create(opened, trials=True) as root:
        found = [
            *run_conditions.plugin(opened), run_conditions.prepared(opened), *files.findings(opened, 1, set()),
            *trial_files.findings(opened, 1, 1, set()), *aggregates.findings(opened, root, set()),
            *aggregates.summary_findings(opened, root),
        ]  # fmt: skip
    assert len(found) > 12 and {one.verdict for one in found} == {"same"}
    assert "blindness of this engine is its own" in (run / "report/report.md").read_text()
    rows = json.loads((run / "results/summary.json").read_text())["sensitivity"]
    assert [row["dec_deg"] for row in rows] == [5, 30] and all(row["flux"] == row["n_sig"] * 1e-12 for row in rows)


def exact_sensitivity(background: float, alpha: float) -> float:
    """Signal counts at which 90 % of the trials have an excess, by sums over Poisson probabilities.

    Fewer than half of the background trials have one, so the median TS is 0.
    """
    n_off = np.arange(400)
    probability, most = stats.poisson.pmf(n_off, background / alpha), np.floor(alpha * n_off + 1e-12)

    def passing(n_sig: float) -> float:
        return float((probability * stats.poisson.sf(most, background + n_sig)).sum())

    assert passing(0) < 0.5
    return float(optimize.brentq(lambda n_sig: passing(n_sig) - 0.9, 0.1, 60))


def test_the_example_without_neutrinos_has_the_exact_sensitivities(tmp_path, capsys):
    for name in ("on_off.py", "on_off.yaml"):
        shutil.copy(ROOT / "examples" / name, tmp_path)
    document = yaml.safe_load((tmp_path / "on_off.yaml").read_text())
    document["background"]["n_trials"], document["signal"]["n_trials"] = 4000, 500
    document["sensitivity"] = {"discovery_nsigma": 2, "n_bootstrap": 20}
    (tmp_path / "on_off.yaml").write_text(yaml.safe_dump(document))
    built = build(specfile.load(tmp_path / "on_off.yaml"), tmp_path / "run")
    for node in make(built.spec, "").nodes:
        for process in processes.of(node) if node.task != "report" else ():
            assert main([*process.argv, f"--run={built.run}"]) == 0
    capsys.readouterr()
    rows = json.loads((built.run / "results/sensitivity.json").read_text())["sensitivity"]
    assert [row["target"] for row in rows] == ["bright_sky", "dark_sky", "short_look"]
    for row in rows:
        exact = exact_sensitivity(row["background"], row["alpha"])
        assert row["flux"] is None and row["threshold"] < 0.01  # the median TS, which is 0
        assert row["n_sig"] == pytest.approx(exact, abs=3 * row["n_sig_error"])
        assert row["n_sig_error"] < 0.1 * exact  # another sensitivity would be seen
