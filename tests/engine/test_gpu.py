"""The CUDA code: in numba's simulator everywhere, on a device where there is one."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.engine.conftest import CUTS, SPEC
from worker import data, rng
from worker.engine import analysis as engine
from worker.engine import scan, trials
from worker.engine.response import Spectrum
from worker.specfile import loads

KEY = rng.key("gpu")
DEC = float(np.radians(5.0))


def difference(theirs, ours, ts):
    """Largest difference in TS, whether all bits agree, and how many TS are above 0."""
    return [float(abs(theirs[ts] - ours[ts]).max()), theirs.tobytes() == ours.tobytes(), int((ours[ts] > 0).sum())]


def compare(small):
    """Both kernels against the CPU."""
    from worker.engine import gpu

    if small:
        gpu.THREADS, gpu.AT_ONCE = 2, 3  # several blocks, several trials per thread, and one too many threads
    analysis = engine.build(data.read(loads(SPEC % 10_000)), CUTS)
    point = trials.point_at(analysis, DEC)
    out = {"simulated": gpu.SIMULATED}
    n = 7 if small else 20_000
    for name, n_sig in (("background", 0.0), ("signal", 5.0)):
        injector = trials.injector_at(analysis, DEC, Spectrum(2.0), n_sig) if n_sig else None
        theirs, ours = (run(analysis, point, KEY, 3, n, injector) for run in (gpu.run, trials.run))
        out[name] = difference(theirs, ours, "ts")
    rings = scan.rings_of(2 if small else 32)
    turn = scan.right_ascensions(analysis, KEY, 0)
    cpu, device = scan.Scanner(analysis, rings), scan.Scanner(analysis, rings, fit=gpu.fit_ring)
    chosen = (0, 3) if small else range(len(rings.dec))
    theirs, ours = (np.concatenate([s.ring(r, turn) for r in chosen]) for s in (device, cpu))
    out["scan"] = [
        float(abs(theirs - ours)[:, 0].max()),
        theirs.tobytes() == ours.tobytes(),
        int((ours[:, 0] > 0).sum()),
    ]
    return out


@pytest.mark.slow
def test_simulated_device_equals_the_cpu_bit_for_bit():
    code = "import json; from tests.engine.test_gpu import compare; print(json.dumps(compare(True)))"
    env = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found.pop("simulated")
    for name, (difference, same, positive) in found.items():
        assert difference == 0, name
        assert same, name
        assert positive > 0, f"{name}: nothing was fitted"


@pytest.mark.slow
def test_device_agrees_with_the_cpu():
    from numba import cuda

    if not cuda.is_available():
        pytest.skip("no CUDA device here")
    found = compare(False)
    for name in ("background", "signal", "scan"):
        assert found[name][0] < 1e-3, name


def test_a_machine_without_a_device_is_told_what_to_do(monkeypatch):
    from worker.engine import gpu
    from worker.errors import InputError

    if gpu.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(InputError, match=r"finds no CUDA device here: .*dagmaker\[gpu\].*or set gpu: false"):
        gpu.require()
