"""`python -m tests.engine.bits RUN`: a small analysis from data to p-values, and what its results are made of.

Run as a process of its own, with an environment that chooses a processor and a C library; see `test_bits`.
Prints one JSON object: sha256 of every file and of what golden.json holds, the numbers of the final results, and what
the compiled code contains.
"""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import numpy as np

from tests.engine import golden
from worker.cli.main import main
from worker.engines import builtin
from worker.rundir.ledger import expected, open_run
from worker.spec.specfile import loads

SPEC = """
version: 1
name: bits
seed: 5
data: {format: synthetic, n_events: 15000}
background:
  {dec_deg: [-70, 5, 86], n_trials: 300, tail: tilted, n_tail_trials: 256,
   tilts: [{n: 4, gamma: 1.3, share: 0.25}, {n: 12, gamma: 3, share: 0.5}]}
signal: {n_sig: [4, 10, 25], n_trials: 60, cutoff_tev: 300}
sensitivity: {discovery_nsigma: 3, n_bootstrap: 20}
scan: {nside: 4, map_nside: 8, n_skies: 4, dec_min_deg: -70, dec_max_deg: 86}
"""
ROOT = Path(__file__).resolve().parents[2]
COMPILED = (
    *("base.rng", "base.fmath"),
    *(f"engines.builtin.{module.name}" for module in iter_modules(builtin.__path__)),
)
FUSED = re.compile(r"\bvf(?:n?m(?:add|sub)|maddsub|msubadd)\w+")
LIBM = re.compile(
    r"\t(?:call|jmp|mov|lea)\w*\s[^\n]*?"
    r"(?<![\w.%])((?:exp2?|expm1|log1p|log2|log10|log|sin|cos|sincos|tan|asin|acos|atan2?|pow|fma)f?)(?![\w.])"
)
FORMATTING = "raise_with_shape"  # numba counts digits with log10 in the text of an error
TIMINGS = ("timing", "wall_s", "cpu_s", "max_rss_mb", "host", "cpu", "versions", "sha256", "digest")


def tasks(run: Path) -> Iterator[list[str]]:
    """The whole analysis but for its report, as words of the command line."""
    yield ["prepare"]
    opened = open_run(run)
    for dec in opened.spec.background.decs:
        yield ["tail_pilot", f"--dec={dec:g}"]
    for task in ("bg_trials", "tail_trials", "sig_trials", "scan_trials", "scan_map"):
        for e in expected(opened, task):
            point = [f"--{key}={value:g}" for key, value in e.point.items() if task != "scan_trials"]
            yield [task, *point, *([f"--n={e.n}", f"--seed={e.seed}", f"--first={e.first}"] if e.n else [])]
    for dec in opened.spec.background.decs:
        yield ["collect_bg", f"--dec={dec:g}"]
        yield ["collect_sig", f"--dec={dec:g}"]
    yield from (["distributions"], ["sensitivity"], ["collect_scan"], ["post_trial"])


def sums(run: Path) -> dict[str, str]:
    """Sha256 of everything below RUN/prepared, trials and collected that holds numbers and not costs."""
    found = [*run.glob("prepared/*.npz"), *run.glob("trials/**/*.npy"), *run.glob("collected/**/*.npz")]
    return {str(f.relative_to(run)): hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(found)}


def numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a JSON value, by its path."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key not in TIMINGS:
                yield from numbers(part, f"{path}.{key}")
    elif isinstance(value, list):
        for i, part in enumerate(value):
            yield from numbers(part, f"{path}.{i}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, float(value)


def results(run: Path) -> dict[str, float]:
    """Numbers of the statistical results: distributions, sensitivities, p-values."""
    out: dict[str, float] = {}
    for file in sorted(run.glob("results/*.json")):
        out |= {f"{file.name}{path}": x for path, x in numbers(json.loads(file.read_text()))}
    for file in sorted(run.glob("results/*.npy")):
        array = np.load(file)
        flat = np.concatenate([array[n].ravel() for n in array.dtype.names or ()]) if array.dtype.names else array
        out |= {f"{file.name}.{i}": float(x) for i, x in enumerate(flat.ravel()) if np.isfinite(x)}
    return out


def assembly(function: Any) -> str:
    """Machine code of a compiled function and of what it calls, as text, but for the texts of errors."""
    parts = [part for text in function.inspect_asm().values() for part in re.split(r"\n(?=_Z\w+:\n)", text)]
    return "\n".join(part for part in parts if FORMATTING not in part.partition("\n")[0])


def engine() -> dict[str, str]:
    """Machine code of every function that was compiled, not read from a cache."""
    out = {}
    for name in COMPILED:
        for key, value in vars(import_module(f"worker.{name}")).items():
            mine = hasattr(value, "inspect_asm") and value.py_func.__module__ == f"worker.{name}"
            if mine and sum(value.stats.cache_misses.values()):
                out[f"{name}.{key}"] = assembly(value)
    return out


def found(pattern: re.Pattern[str], code: dict[str, str]) -> list[str]:
    """Where a pattern occurs in machine code: function and the text."""
    return sorted({f"{name}: {match}" for name, text in code.items() for match in pattern.findall(text)})


def platform() -> dict[str, Any]:
    """What this process computes with: the processor that numba compiles for, numpy's choice, the C library."""
    from llvmlite import binding
    from numba import config
    from numpy._core._multiarray_umath import (  # type: ignore[import-not-found]
        __cpu_dispatch__,
        __cpu_features__,
    )

    return {
        "compiled_for": config.CPU_NAME or binding.get_host_cpu_name(),  # type: ignore[attr-defined]
        "numpy": [feature for feature in __cpu_dispatch__ if __cpu_features__[feature]],
        "libc": os.confstr("CS_GNU_LIBC_VERSION"),
    }


def compute(folder: Path, env: dict[str, str], python: Sequence[str] = (sys.executable,)) -> dict[str, Any]:
    """The whole small analysis in a process of its own."""
    from dagmaker.htcondor.build import build

    folder.mkdir()
    build(loads(SPEC), folder / "run")
    argv = [*python, "-m", "tests.engine.bits", str(folder / "run")]
    done = subprocess.run(argv, cwd=ROOT, env=os.environ | env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    out: dict[str, Any] = json.loads(done.stdout)
    return out


def run_all(run: Path) -> None:
    """Run every task in this process."""
    for words in tasks(run):
        with redirect_stdout(io.StringIO()):
            code = main([words[0], f"--run={run}", *words[1:]])
        if code:
            raise SystemExit(f"{words} ended with {code}")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    run_all(folder)
    golden_bits = golden.made()  # lists of sources, simulated events and both signal densities besides
    code = engine()
    print(
        json.dumps(
            {
                "platform": platform(),
                "sums": sums(folder),
                "golden": golden_bits,
                "results": results(folder),
                "functions": sorted(code),
                "fused": found(FUSED, code),
                "libm": found(LIBM, code),
            }
        )
    )
