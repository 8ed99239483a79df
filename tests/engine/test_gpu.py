"""The CUDA code: in numba's simulator everywhere, on a device where there is one."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.engine.conftest import CUTS, SPEC, with_another
from tests.needs import needs
from worker import data
from worker.base import healpix, rng
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import scan, trials
from worker.engines.builtin.response import Spectrum
from worker.spec.specfile import loads

KEY = rng.key("gpu")
DEC = float(np.radians(5.0))


def difference(theirs, ours):
    """Largest difference in TS, in ns and in gamma, and how many TS are above 0."""
    return [*(float(abs(theirs[:, k] - ours[:, k]).max()) for k in range(3)), int((ours[:, 0] > 0).sum())]


def compare(small, far=False, psf="gaussian"):
    """Both kernels against the CPU."""
    from worker.engines.cuda import SIMULATED, Scanner, memory, run, skies
    from worker.engines.cuda import trials as kernel

    if small:
        kernel.BLOCKS, skies.BLOCKS, skies.THREADS = 2, 2, 32  # blocks that take several trials, and one too many lanes
    if far:
        memory.FAR_ABOVE = 0
    analysis = engine.build(data.read(loads(SPEC % (2_500 if small else 40_000))), CUTS._replace(psf=psf))
    point = trials.point_at(analysis, DEC)
    out = {"simulated": SIMULATED}
    n = 3 if small else 20_000
    for name, n_sig in (("background", 0.0), ("signal", 5.0)):
        injector = trials.injector_at(analysis, DEC, Spectrum(2.0), n_sig) if n_sig else None
        theirs, ours = (make(analysis, point, KEY, 3, n, injector) for make in (run, trials.run))
        out[name] = difference(*(np.ascontiguousarray(x).view("f8").reshape(n, 3) for x in (theirs, ours)))
    whole = healpix.rings_of(1 if small else 32)
    rings = healpix.band(whole, 0, 3) if small else whole
    turn = scan.right_ascensions(analysis, KEY, 0)
    theirs, ours = (
        np.concatenate([s.ring(r, turn) for r in range(len(rings.dec))])
        for s in (Scanner(analysis, rings), scan.Scanner(analysis, rings))
    )
    out["scan"] = difference(theirs, ours)
    return out


def in_process(call, **env):
    """What a function of this module returns in a process of its own."""
    code = f"import json; from tests.engine import test_gpu; print(json.dumps(test_gpu.{call}))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(("far", "psf"), [(False, "gaussian"), (True, "response")])
def test_simulated_device_agrees_with_the_cpu(far, psf):
    found = in_process(f"compare(True, {far}, {psf!r})", NUMBA_ENABLE_CUDASIM="1")
    assert found.pop("simulated")
    for name, (ts, ns, gamma, positive) in found.items():
        assert ts < 1e-5, name
        assert ns < 1e-3, name
        assert gamma < 1e-3, name
        assert positive > 0, f"{name}: nothing was fitted"


def largest(theirs, ours):
    """Largest difference, and largest where one of them is 0."""
    differences = abs(theirs - ours)
    return float(differences.max()), float((differences * ((theirs > 0) != (ours > 0))).max())


def compare_one_lane():
    """The device's code with one lane against the CPU: largest difference of TS, and largest where one has 0."""
    from tests.engine.no_device import one_lane

    run, Scanner = one_lane()
    season = data.read(loads(SPEC % 138_322))
    analysis, pair = engine.build(season, CUTS), engine.build(with_another(season), CUTS)
    out = {}
    for dec, n_sig, n in ((5, 0, 2000), (-45, 10, 1000), (-88, 0, 500), (60, 100, 500)):
        point = trials.point_at(analysis, float(np.radians(dec)))
        injector = trials.injector_at(analysis, point.dec, Spectrum(2.0), n_sig) if n_sig else None
        theirs, ours = (make(analysis, point, KEY, 3, n, injector)["ts"] for make in (run, trials.run))
        out[f"dec {dec}, n_sig {n_sig}"] = largest(theirs, ours)
    for n_sig in (0, 8):
        point = trials.point_at(pair, DEC)
        injector = trials.injector_at(pair, DEC, Spectrum(2.0), n_sig) if n_sig else None
        theirs, ours = (make(pair, point, KEY, 3, 1000, injector)["ts"] for make in (run, trials.run))
        out[f"two seasons, n_sig {n_sig}"] = largest(theirs, ours)
    rings = healpix.rings_of(8)
    turn = scan.right_ascensions(analysis, KEY, 0)
    theirs, ours = (
        np.concatenate([s.ring(r, turn)[:, 0] for r in range(len(rings.dec))])
        for s in (Scanner(analysis, rings), scan.Scanner(analysis, rings))
    )
    out["sky"] = largest(theirs, ours)
    return out


@pytest.mark.slow
def test_the_device_s_arithmetic_agrees_with_the_cpu_s_at_full_size():
    """Single precision in the search costs 1e-5 in TS, not the 1e-3 that is promised."""
    found = in_process("compare_one_lane()")
    assert len(found) == 7
    for name, (ts, zero) in found.items():
        assert ts < 2e-5, name
        assert zero < 1e-9, name


def compile_for_a_device():
    """Names of the kernels that compile to LLVM's code for a device of compute capability 9.0."""
    from numba.cuda.compiler import compile_cuda

    from tests.engine.no_device import launches, pretend

    analysis = engine.build(data.read(loads(SPEC % 5_000)), CUTS)
    point = trials.point_at(analysis, DEC)
    injector = trials.injector_at(analysis, DEC, Spectrum(2.0), 5.0)
    turn = scan.right_ascensions(analysis, KEY, 0)
    found = launches(analysis, point, KEY, injector, healpix.rings_of(2), turn)
    pretend()
    for kernel, types in found:
        compile_cuda(kernel, None, types, cc=(9, 0))
    return sorted(f"{kernel.__module__}.{kernel.__name__}" for kernel, _ in found)


@pytest.mark.slow
def test_kernels_compile_for_a_device_that_is_not_here():
    """The simulator runs them as Python; a device wants types."""
    names = ["cells.place_events", "skies._far_kernel", "skies._kernel", "trials._far_kernel", "trials._kernel"]
    assert in_process("compile_for_a_device()") == [f"worker.engines.cuda.{name}" for name in names]


@pytest.mark.slow
@needs("cuda")
def test_device_agrees_with_the_cpu():
    from numba import cuda

    if not cuda.is_available():
        pytest.skip("no CUDA device here")
    found = compare(False)
    for name in ("background", "signal", "scan"):
        assert found[name][0] < 1e-3, name


def test_more_rows_than_a_device_holds_are_refused():
    from worker.base.errors import InputError
    from worker.engines.cuda.memory import Room

    many = SimpleNamespace(n_rows=40 * 160, n_seasons=40, cuts=CUTS)
    with pytest.raises(InputError, match="40 seasons of 160 energy bins are too many for a GPU"):
        Room.of(many, 100, 1)


def test_a_machine_without_a_device_is_told_what_to_do(monkeypatch):
    from worker.base.errors import InputError
    from worker.engines import cuda

    if cuda.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(InputError, match=r"finds no CUDA device here: .*dagmaker\[gpu\].*or set gpu: false"):
        cuda.require()
