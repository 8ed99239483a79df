"""Small systems against numpy's LAPACK, and the same bits whatever kernels a BLAS chooses."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.needs import needs
from worker.stats.cholesky import factor, solve

# Numbers that pass through each fit of the statistics that solves a system, and through a BLAS as the control.
FITS = """
import hashlib
import numpy as np
from worker.base import rng
from worker.stats import bias, curve, kolmogorov, thresholds
from worker.stats.distributions import TSD

n_sig = np.arange(0.0, 40.0, 2.0)
draws = rng.uniforms(rng.key("fits"), rng.OTHER, 1, 4000)
rows = curve.cdf(n_sig, 3.0, -1.0, 2.5) + 0.03 * draws[: 50 * n_sig.size].reshape(50, n_sig.size)
start = curve.Curves(*(np.full(50, x) for x in (2.0, 0.0, 2.0, np.inf)))
fitted = np.stack(curve.fit_curves(n_sig, rows, np.full(n_sig.size, 0.02), start))
line = bias.response(bias.bias_table({n: n + 5 * draws[i * 90 : (i + 1) * 90] for i, n in enumerate(n_sig[5:15])}))
tsd = TSD.from_trials(np.maximum(-2 * np.log(draws) - 0.7, 0.0))
moved = thresholds.resampled_threshold(tsd, 4.5, 30, rng.key("moved"))
blas = draws[:2500].reshape(50, 50) @ draws[500:3000].reshape(50, 50)
ks = np.array([kolmogorov.uniform_p(draws[i : i + 80] ** 1.2) for i in range(0, 1600, 80)])
named = (("curve", fitted), ("bias", np.array(line)), ("thresholds", moved), ("ks", ks), ("blas", blas))
for name, found in named:
    assert np.isfinite(found).all(), name
    print(name, hashlib.sha256(found.tobytes()).hexdigest())
"""


def test_against_lapack():
    rng = np.random.default_rng(7)
    root = rng.normal(size=(40, 3, 3))
    matrix = root @ root.transpose(0, 2, 1) + 0.1 * np.eye(3)
    right = rng.normal(size=(40, 3))
    np.testing.assert_allclose(factor(matrix), np.linalg.cholesky(matrix), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(solve(matrix, right), np.linalg.solve(matrix, right[..., None])[..., 0], rtol=1e-9)
    inverse = solve(matrix[0][None], np.eye(3))
    np.testing.assert_allclose(inverse, np.linalg.inv(matrix[0]), rtol=1e-9)


def test_what_is_not_positive_definite_is_not_a_number():
    assert np.isnan(solve(np.array([[1.0, 2.0], [2.0, 1.0]]), np.ones(2))).all()


@pytest.mark.slow
@needs("x86-64")
def test_fits_do_not_depend_on_the_kernels_of_a_blas():
    found = {core: sums(core) for core in ("Prescott", "Haswell")}
    different = {name for name in found["Haswell"] if found["Haswell"][name] != found["Prescott"][name]}
    assert different == {"blas"}, "only the control, which does call one"


def sums(core: str) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FITS],
        cwd=ROOT, env=os.environ | {"OPENBLAS_CORETYPE": core}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(line.split() for line in done.stdout.splitlines())
