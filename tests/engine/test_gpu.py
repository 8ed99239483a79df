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


def difference(theirs, ours):
    """Largest difference in TS, in ns and in gamma, and how many TS are above 0."""
    return [*(float(abs(theirs[:, k] - ours[:, k]).max()) for k in range(3)), int((ours[:, 0] > 0).sum())]


def compare(small, far=False):
    """Both kernels against the CPU."""
    from worker.engine.gpu import SIMULATED, Scanner, memory, run, skies
    from worker.engine.gpu import trials as kernel

    if small:
        kernel.BLOCKS, skies.BLOCKS, skies.THREADS = 2, 2, 32  # blocks that take several trials, and one too many lanes
    if far:
        memory.MOST_SHARED = 0
    analysis = engine.build(data.read(loads(SPEC % (2_500 if small else 40_000))), CUTS)
    point = trials.point_at(analysis, DEC)
    out = {"simulated": SIMULATED}
    n = 3 if small else 20_000
    for name, n_sig in (("background", 0.0), ("signal", 5.0)):
        injector = trials.injector_at(analysis, DEC, Spectrum(2.0), n_sig) if n_sig else None
        theirs, ours = (make(analysis, point, KEY, 3, n, injector) for make in (run, trials.run))
        out[name] = difference(*(np.ascontiguousarray(x).view("f8").reshape(n, 3) for x in (theirs, ours)))
    whole = scan.rings_of(1 if small else 32)
    rings = scan.band(whole, 0, 3) if small else whole
    turn = scan.right_ascensions(analysis, KEY, 0)
    theirs, ours = (
        np.concatenate([s.ring(r, turn) for r in range(len(rings.dec))])
        for s in (Scanner(analysis, rings), scan.Scanner(analysis, rings))
    )
    out["scan"] = difference(theirs, ours)
    return out


@pytest.mark.slow
@pytest.mark.parametrize("far", [False, True])
def test_simulated_device_agrees_with_the_cpu(far):
    code = f"import json; from tests.engine.test_gpu import compare; print(json.dumps(compare(True, {far})))"
    env = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found.pop("simulated")
    for name, (ts, ns, gamma, positive) in found.items():
        assert ts < 1e-8, name
        assert ns < 1e-5, name
        assert gamma < 1e-5, name
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
