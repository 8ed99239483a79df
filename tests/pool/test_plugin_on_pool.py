"""A plug-in and its files travel with jobs of several points: the bytes of a run without a pool."""

from pathlib import Path

import pytest
import yaml

from tests.pool import analysis, client, events, sites
from tests.pool.personal import Pool
from tests.pool.suites import on_one_release

pytestmark = [pytest.mark.slow]

ENGINE = """\
import numpy as np


class Engine:
    protocol = 1
    columns = (("ts", "<f8"), ("ns", "<f8"))
    deterministic = "per-trial"
    reads = ("dec_deg",)

    def __init__(self, options, folder):
        self.files = {name: folder / name for name in ("tables/width.txt", "twice.txt")}

    def identity(self):
        return {"toy": 1}

    def prepare(self, folder):
        (folder / "twice.txt").write_text(str(2 * float(self.files["tables/width.txt"].read_text())))

    def trials(self, point, keys):
        width = float(self.files["twice.txt"].read_text()) / 2 + abs(point["dec_deg"]) / 90
        rows = np.zeros(len(keys), list(self.columns))
        for row, key in zip(rows, keys, strict=True):
            rng = np.random.default_rng(key)
            row["ns"] = max(rng.poisson(point["n_sig"]) + width * rng.standard_normal(), 0.0)
        rows["ts"] = (rows["ns"] / width) ** 2
        return rows
"""
SPEC = {
    "version": 1,
    "name": "travels",
    "seed": 7,
    "engine": {"kind": "plugin", "path": "toy.py", "class": "Engine", "inputs": ["tables/width.txt"]},
    "hypothesis": {"kind": "points"},
    "points": [{"dec_deg": dec} for dec in range(-50, 51)],
    "background": {"n_trials": 30},
    "signal": {"dec_deg": [5], "n_sig": [3, 6, 12], "n_trials": 30},
    "sensitivity": {"discovery_nsigma": 1.0, "n_bootstrap": 20},
    "site": "own",
}


@on_one_release
def test_a_plugin_and_its_files_travel_with_jobs_of_several_points(pool: Pool, tmp_path: Path) -> None:
    """Neither the run directory nor the folder of the plug-in's files is there in a slot."""
    folder = tmp_path / "hidden"
    spec, run = folder / "spec.yaml", folder / "run"
    (folder / "tables").mkdir(parents=True)
    (folder / "toy.py").write_text(ENGINE)
    (folder / "tables" / "width.txt").write_text("2.5")
    spec.write_text(yaml.safe_dump(SPEC))
    profile = sites.elsewhere(tmp_path, folder)
    variables, _ = sites.own(tmp_path, "ospool", profile)
    env = pool.env | variables | {"USER": "somebody"}
    built = analysis.dagmaker("build", str(spec), f"--run={run}", env=env)
    assert built.returncode == 0, built.stderr
    sites.require_hidden(profile, folder)
    jobs = (run / "batches/bg_all.txt").read_text().splitlines()
    assert [line.count("--point=") for line in jobs] == [20, 20, 20, 20, 20, 1]
    assert client.wait(pool, client.submit_dag(pool, run)) == 0, analysis.errors(run)
    assert set(events.starts(run).values()) == {1}
    here = analysis.dagmaker("run", str(spec), f"--run={folder / 'here'}", "--jobs=2", env=env)
    assert here.returncode == 0, here.stderr
    found = analysis.final_bytes(run)
    assert found == analysis.final_bytes(folder / "here")
    assert sum(name.endswith(".npy") and name.startswith("trials/") for name in found) == 101 + 3
    assert [path.name for path in (run / "sandbox").rglob("*") if path.is_file()] == ["plan.json"]
