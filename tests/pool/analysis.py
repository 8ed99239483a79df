"""Small versions of the example analysis, and what of a run directory must be the same bytes whoever ran it."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.waiting import HANG_S

ROOT = Path(__file__).resolve().parents[2]

# Few events and wide steps: the work of a process is small beside its start.
TINY: dict[str, dict[str, Any]] = {
    "data": {"n_events": 8000},
    "background": {"dec_deg": [-30, 20], "n_trials": 300, "trials_per_file": 100},
    "signal": {"n_sig": [5, 15, 40], "n_trials": 100, "trials_per_file": 100},
    "sensitivity": {"discovery_nsigma": 2.0, "n_bootstrap": 20},
    "scan": {
        "nside": 8,
        "map_nside": None,
        "dec_min_deg": -30,
        "dec_max_deg": 20,
        "n_skies": 4,
        "skies_per_file": 2,
        "bands": 2,
    },
}

# The example's own shape: more than 50 nodes, and some processes in each.
SHRUNKEN: dict[str, dict[str, Any]] = {
    "data": {"n_events": 8000},
    "background": {"dec_deg": {"start": -80, "stop": 80, "step": 16}, "n_trials": 600, "trials_per_file": 200},
    "signal": {"n_sig": [4, 8, 14, 20, 28, 45], "n_trials": 90, "trials_per_file": 45},
    "sensitivity": {"discovery_nsigma": 2.0, "n_bootstrap": 20},
    "scan": {
        "nside": 8,
        "map_nside": 16,
        "dec_min_deg": -80,
        "dec_max_deg": 80,
        "n_skies": 20,
        "skies_per_file": 4,
        "bands": 4,
    },
}

# Keys of JSON files under which costs and machines are told.
MEASURED = frozenset({"timing", "wall_s", "cpu_s", "max_rss_mb", "host", "cpu"})


def write_spec(file: Path, changes: Mapping[str, Mapping[str, Any]]) -> Path:
    """The example's spec with some values of its sections changed."""
    spec = yaml.safe_load((ROOT / "analysis.yaml").read_text(encoding="utf-8"))
    for section, values in changes.items():
        spec[section] |= values
    spec["site"] = "personal"  # which holds nothing that failed: a node fails at once
    file.write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
    return file


def dagmaker(
    *argv: str, env: Mapping[str, str] | None = None, timeout: float = HANG_S
) -> "subprocess.CompletedProcess[str]":
    """Run the command line of this checkout, from its root."""
    return subprocess.run(
        [sys.executable, "-m", "dagmaker", *argv],
        cwd=ROOT, env=dict(env or os.environ), text=True, capture_output=True, stdin=subprocess.DEVNULL,
        check=False, timeout=timeout,
    )  # fmt: skip


def build(spec: Path, run: Path) -> Path:
    """``dagmaker build``; the run directory."""
    _expect_done(dagmaker("build", str(spec), f"--run={run}"))
    return run


def run_here(spec: Path, run: Path, jobs: int = 2) -> Path:
    """``dagmaker run``: the same work without a pool; the run directory."""
    _expect_done(dagmaker("run", str(spec), f"--run={run}", f"--jobs={jobs}"))
    return run


def final_bytes(run: Path) -> dict[str, str]:
    """SHA-256 of everything that decides a number, by its path in the run directory.

    Trials, collected trials and results; of JSON the values, less what is measured and not computed. Not the records
    of results, which name the sha256 of files that differ with the site.
    """
    found = {}
    for pattern in ("trials/**/*.npy", "collected/**/*.np[yz]", "results/**/*.npy", "results/**/*.json"):
        for file in sorted(run.glob(pattern)):
            if file.parent.name == "timing" or (file.name.startswith("skies_") and file.suffix == ".json"):
                continue
            raw = _computed(file) if file.suffix == ".json" else file.read_bytes()
            found[str(file.relative_to(run))] = hashlib.sha256(raw).hexdigest()
    return found


def leftovers(run: Path) -> list[str]:
    """Files under temporary names: what an interrupted writer leaves behind."""
    return sorted(str(path.relative_to(run)) for path in run.rglob("*.part-*"))


def errors(run: Path, n: int = 5) -> str:
    """The last lines that failing processes and DAGMan wrote, for the message of a failed test."""
    files = [file for file in run.glob("logs/**/*.err") if file.stat().st_size]
    texts = [f"--- {file.relative_to(run)}\n{_tail(file, 12)}" for file in files[:n]]
    return "\n".join([*texts, *(f"--- {file.name}\n{_tail(file, 40)}" for file in run.glob("*.dagman.out"))])


def _tail(file: Path, n: int) -> str:
    return "\n".join(file.read_text(errors="replace").splitlines()[-n:])


def _computed(file: Path) -> bytes:
    return json.dumps(_without_measured(json.loads(file.read_text(encoding="utf-8"))), sort_keys=True).encode()


def _without_measured(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_measured(item) for key, item in value.items() if key not in MEASURED}
    return [_without_measured(item) for item in value] if isinstance(value, list) else value


def _expect_done(done: "subprocess.CompletedProcess[str]") -> None:
    assert done.returncode == 0, f"`{' '.join(done.args)}` ended with {done.returncode}:\n{done.stdout}{done.stderr}"
