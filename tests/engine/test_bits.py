"""The same file on every machine: other processors, numpy with and without its vector loops, another C library."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import njit

from tests.conftest import unavailable
from tests.engine import bits, golden
from tests.needs import needs
from tests.pool.errors import PoolUnavailableError
from tests.pool.install import default_prefix, ensure
from tests.processors import PROCESSORS, environment, numpy_without
from worker.base import rng
from worker.engines.builtin import engine, trials

SUITES = ("trixie", "forky")
ROUNDING = 1e-6
"""Relative; the fits behind sensitivities and p-values call scipy, and end within their own tolerance."""


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """What this machine computes at its best."""
    return bits.compute(tmp_path_factory.mktemp("bits") / "host", {})


def assert_same(one, other):
    assert len(one["sums"]) > 20
    assert one["sums"] == other["sums"], "tables, trials, scans, and what is collected from them"
    assert one["golden"] == other["golden"]
    assert one["results"].keys() == other["results"].keys()
    for name, value in one["results"].items():
        assert other["results"][name] == pytest.approx(value, rel=ROUNDING, abs=1e-12), name


@pytest.mark.slow
@needs("x86-64")
@pytest.mark.parametrize("name", PROCESSORS)
def test_every_processor_makes_the_same_files(name, host, baseline, tmp_path):
    if name == "baseline":
        other = json.loads((baseline / "bits.json").read_text())
    else:
        other = bits.compute(tmp_path / "bits", environment(name) | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")})
    assert other["platform"]["compiled_for"] == PROCESSORS[name]["NUMBA_CPU_NAME"]
    assert not set(numpy_without(name).split()) & set(other["platform"]["numpy"])
    assert_same(host, other)
    assert {
        "engines.builtin.point.run_trials",
        "engines.builtin.scan.fit_ring",
        "engines.builtin.tilted.run_tilted",
        "engines.builtin.sources._skies",
        "engines.builtin.simulated._fold",
        "engines.builtin.psf_cells.sort",
        "engines.builtin.psf_mixture.fit",
        "engines.builtin.sigma_density.add_near",
        "base.fmath.exp",
    } < set(other["functions"])
    assert other["fused"] == []
    assert other["libm"] == []


def other_c_library(folder: Path) -> list[str]:
    """How to start Python on the C library of another Debian release: through that release's loader."""
    for suite in SUITES:
        try:
            ensure(suite)
        except PoolUnavailableError as error:
            unavailable(f"no C library of Debian {suite}: {error}")
        source = default_prefix(suite) / "lib"
        [loader] = source.glob("ld-linux-x86-64.so.*")
        version = subprocess.run([loader, "--version"], capture_output=True, text=True, check=True).stdout
        if f"version {str(os.confstr('CS_GNU_LIBC_VERSION')).split()[1]}." not in version:
            break
    for name in ("libc.so.6", "libm.so.6", "libmvec.so.1", "libpthread.so.0", "libdl.so.2", "librt.so.1"):
        if (source / name).exists():
            (folder / name).symlink_to(source / name)
    return [str(loader), "--library-path", str(folder), sys.executable]


@pytest.mark.slow
@needs("x86-64")
def test_another_c_library_makes_the_same_files(host, tmp_path):
    (tmp_path / "lib").mkdir()
    other = bits.compute(tmp_path / "bits", {}, other_c_library(tmp_path / "lib"))
    assert other["platform"]["libc"] != host["platform"]["libc"]
    assert_same(host, other)


CHANGED = (
    "other bits than tests/engine/golden.json holds for engine {engine}, of: {names}. Files of trials that people have "
    "would be mixed with others: raise ENGINE in worker/engines/builtin/engine.py, then `python -m "
    "tests.engine.golden`, and say in CHANGELOG.md that this breaks run directories"
)


@pytest.fixture(scope="module")
def of_this_engine():
    return golden.made()


def test_the_bits_are_those_of_this_engine(of_this_engine):
    assert golden.held()["engine"] == engine.ENGINE, "ENGINE was raised: run `python -m tests.engine.golden`"
    changed = golden.differences(of_this_engine)
    assert not changed, CHANGED.format(engine=engine.ENGINE, names=", ".join(changed))


def test_golden_bits_are_not_made_anew_without_another_engine(of_this_engine, tmp_path, monkeypatch, capsys):
    other = {**of_this_engine, "ring": "0" * 64}
    file = tmp_path / "golden.json"
    file.write_text(json.dumps({"engine": engine.ENGINE, "sha256": other}))
    monkeypatch.setattr(golden, "FILE", file)
    monkeypatch.setattr(golden, "made", lambda: of_this_engine)
    before = file.read_text()
    assert golden.main() == 2
    assert capsys.readouterr().err == "other bits of ring: raise ENGINE in worker/engines/builtin/engine.py first\n"
    assert file.read_text() == before
    file.write_text(before.replace(f'"engine": {engine.ENGINE}', f'"engine": {engine.ENGINE - 1}'))
    assert golden.main() == 0
    assert golden.held() == {"engine": engine.ENGINE, "sha256": of_this_engine}


def test_negative_control_of_the_bytes(analysis):
    """One unit in the last place of the effective area changes the file."""
    season = analysis.dataset.seasons[0]
    point = trials.point_at(analysis, np.radians(5.0))
    key = rng.key("bits")
    before = trials.run(analysis, point, key, 0, 100).tobytes()
    assert trials.run(analysis, point, key, 0, 100).tobytes() == before
    area = season.area.area_cm2 * (1 + 2.0**-52)
    changed = dataclasses.replace(season, area=season.area._replace(area_cm2=area))
    dataset = dataclasses.replace(analysis.dataset, seasons=(changed,))
    other = dataclasses.replace(analysis, dataset=dataset)
    assert trials.run(other, trials.point_at(other, np.radians(5.0)), key, 0, 100).tobytes() != before


def test_negative_control_of_the_machine_code():
    """What looks for fused operations and libm finds them."""

    @njit(fastmath={"contract"})
    def fused(x, y):
        return x * y + np.exp(x) * np.log10(y)

    assert fused(1.0, 2.0) > 0
    text = {"fused": bits.assembly(fused)}
    assert bits.found(bits.LIBM, text) == ["fused: exp", "fused: log10"]
    if "fma" in Path("/proc/cpuinfo").read_text():
        assert bits.found(bits.FUSED, text)
