"""Tasks of a run whose spec asks for a CUDA device: made in numba's simulator, checked where there is no device."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dagmaker.cli import main as dagmaker
from tests.conftest import ROOT
from worker.base.arrays import npy_bytes
from worker.cli.main import main
from worker.engines.builtin.engine import PROMISED

pytestmark = pytest.mark.slow

SPEC = """
version: 1
name: small
seed: 7
data: {format: synthetic, n_events: 1500, livetime_days: 100.0}
background: {tail: none, dec_deg: [-30, 5, 60], n_trials: 3, trials_per_file: 3}
signal: {n_sig: [2, 5, 9], n_trials: 3, trials_per_file: 3}
scan: {nside: 1, n_skies: 1, map_nside: 1, dec_min_deg: -10, dec_max_deg: 10}
resources: {gpu: true}
likelihood: {psf: gaussian}
"""
TASKS = (
    ("bg_trials", "--dec=5", "--n=3"),
    ("sig_trials", "--dec=5", "--n_sig=5", "--n=3"),
    ("scan_trials", "--n=1"),
    ("scan_map", "--nside=1"),
)


def worker(task: str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "worker", task, *words]
    return subprocess.run(argv, cwd=ROOT, env=os.environ | env, text=True, capture_output=True, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, list[str]]:
    """A run, and the files of trials that a simulated device has made in it."""
    root = tmp_path_factory.mktemp("device")
    (root / "spec.yaml").write_text(SPEC)
    run = root / "run"
    assert dagmaker(["build", str(root / "spec.yaml"), f"--run={run}"]) == 0
    assert main(["prepare", f"--run={run}"]) == 0
    for task, *words in TASKS:
        done = worker(task, f"--run={run}", *words, NUMBA_ENABLE_CUDASIM="1")
        assert done.returncode == 0, done.stderr[-2000:]
    return run, sorted(str(path.relative_to(run)) for path in run.glob("trials/**/*.npy"))


def test_a_review_needs_no_device(made, capsys):
    run, files = made
    assert len(files) == len(TASKS)
    for file in files:
        assert np.load(run / file)["ts"].max() > 0.0, f"{file}: nothing was fitted"
        assert main(["replay", f"--run={run}", f"--file={file}"]) == 0
        assert f"reproduced: {file}: TS within 0.001, made again by " in capsys.readouterr().out
    [signal] = [file for file in files if "/sig/" in file]
    assert main(["replay", f"--run={run}", f"--file={signal}", "--trial=1"]) == 0
    assert "trial 1, run alone, has TS within 0.001" in capsys.readouterr().out


def test_more_than_rounding_is_named(made, capsys):
    run, files = made
    file = next(name for name in files if "/bg/" in name)
    raw = (run / file).read_bytes()
    array = np.load(run / file)
    array["ts"][2] += 2 * PROMISED
    (run / file).write_bytes(npy_bytes(array))
    try:
        assert main(["replay", f"--run={run}", f"--file={file}"]) == 3
        assert "not reproduced: 1 of 3 entries differ, the first is 2: " in capsys.readouterr().err
    finally:
        (run / file).write_bytes(raw)


def test_a_band_without_pixels_needs_no_device(made, capsys):
    run, _ = made
    assert main(["scan_map", f"--run={run}", "--nside=1", "--band=1", "--bands=3"]) == 0
    assert "-> trials/" in capsys.readouterr().out


def test_a_task_without_the_device_says_so(made):
    run, _ = made
    done = worker("bg_trials", f"--run={run}", "--dec=60", "--n=3")
    assert done.returncode == 3
    assert "resources.gpu is true, but numba finds no CUDA device here: " in done.stderr
