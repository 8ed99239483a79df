"""Does an adaptive analysis of IC86_I reach its goal from a poor start, with fewer trials, and are its errors honest?

    python -m benchmarks.adaptive FOLDER [SEEDS]

FOLDER holds the track release (events/, uptime/, irfs/). The same five declinations and goal (3 % on the sensitivity)
are run with SEEDS seeds (20), each from 60 trials at n_sig 1, 2 and 3 in up to four rounds, and once with a fixed grid
of ten n_sig. Prints the tables of docs/planning.md; takes some minutes. All but the scan is run, in this process.
"""

import contextlib
import io
import json
import math
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dagmaker.htcondor import rounds
from dagmaker.htcondor.build import build
from dagmaker.plan import processes
from dagmaker.plan.plan import Node
from worker.base.task_rows import JUDGE
from worker.cli.tasks import TASKS
from worker.rundir import layout
from worker.spec.sections import Spec
from worker.spec.specfile import loads

SPEC = """
version: 1
name: adaptive
seed: {seed}
data: {{format: icetracks, dir: {folder}, seasons: [IC86_I], label: semi-real}}
background: {{tail: none, dec_deg: [-60, -20, 5, 30, 70], n_trials: {n_bg}}}
signal: {{n_sig: {n_sig}, n_trials: {n_trials}}}
sensitivity: {{discovery_nsigma: 3}}
scan: {{nside: 4, n_skies: 2, dec_min_deg: -60, dec_max_deg: 70}}
goal: {{sensitivity_error: 0.03}}
adaptive: {adaptive}
"""
POOR = {"n_sig": [1, 2, 3], "n_trials": 60, "adaptive": "{max_rounds: 4}"}
FIXED = {"n_sig": [2, 4, 6, 8, 10, 14, 18, 22, 26, 30], "n_trials": 2500, "adaptive": "false"}
EXACT = {
    "n_sig": [1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9, 10], "n_trials": 20000, "adaptive": "false", "n_bg": 400000
}  # fmt: skip
SEEDS = 20
_NOT_HERE = ("prepare", "scan_trials", "scan_map", "collect_scan", "post_trial", "upper_limits", "report")


class Found(NamedTuple):
    """The sensitivity of one declination.

    Attributes
    ----------
    n_trials, rounds : int
        Signal trials behind it, and the rounds that added some.
    """

    dec_deg: float
    n_sig: float
    error: float
    n_trials: int
    rounds: int


def spec_of(folder: Path, seed: int, kind: Mapping[str, Any]) -> Spec:
    """Spec of one run."""
    return loads(SPEC.format(**{"folder": folder, "seed": seed, "n_bg": 20000, **kind}))


def run(spec: Spec, path: Path, prepared: Path | None) -> list[Found]:
    """Run an analysis up to its sensitivity; `prepared` is a run directory with the same data."""
    made = build(spec, path).plan
    if prepared is None:
        _task(path, "prepare")
    else:
        shutil.copytree(prepared / layout.DATA.parent, path / layout.DATA.parent)
    for node in made.nodes:
        if node.task not in _NOT_HERE:
            _node(path, node)
        if node.task == JUDGE:
            for more in rounds.write_round(spec, path, int(node.name.rpartition("_")[2])):
                _node(path, more)
    return list(_found(path))


def _node(path: Path, node: Node) -> None:
    for process in processes.of(node):
        words = dict(word.removeprefix("--").split("=") for word in process.argv[1:])
        _task(path, node.task, **{key: float(v) if key in ("dec", "n_sig") else int(v) for key, v in words.items()})


def _task(path: Path, task: str, **args: Any) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        TASKS[task](run=str(path), **args)


def _found(path: Path) -> Iterator[Found]:
    added: dict[float, int] = {}
    for number in range(1, 11):
        file = path / layout.decision(number)
        for point in json.loads(file.read_bytes())["points"] if file.exists() else ():
            added[point["dec_deg"]] = added.get(point["dec_deg"], 0) + bool(point["add"])
    for row in json.loads((path / layout.SENSITIVITY).read_bytes())["sensitivity"]:
        dec, points = row["dec_deg"], row["points"]
        n = sum(point["n"] for point in points if point["n_sig"] > 0)
        yield Found(dec, row["n_sig"], row["n_sig_error"], n, added.get(dec, 0))


def compared(adaptive: list[Found], fixed: list[Found]) -> Iterator[str]:
    """One run from a poor start beside the fixed grid."""
    yield (
        f"{'dec':>5}{'adaptive n_sig':>18}{'error':>8}{'trials':>8}{'rounds':>8}"
        f"{'fixed n_sig':>18}{'error':>8}{'trials':>8}{'same error':>12}{'apart':>8}"
    )
    for a, f in zip(adaptive, fixed, strict=True):
        same = f.n_trials * ((f.error / f.n_sig) / (a.error / a.n_sig)) ** 2
        apart = (a.n_sig - f.n_sig) / math.hypot(a.error, f.error)
        yield (
            f"{a.dec_deg:>5g}{_pair(a):>18}{100 * a.error / a.n_sig:>6.1f} %{a.n_trials:>8,}{a.rounds:>8}"
            f"{_pair(f):>18}{100 * f.error / f.n_sig:>6.1f} %{f.n_trials:>8,}{same:>12,.0f}{apart:>+7.1f}σ"
        )


def _pair(found: Found) -> str:
    return f"{found.n_sig:.3f} ± {found.error:.3f}"


def honest(runs: list[list[Found]], exact: list[Found]) -> Iterator[str]:
    """Spread of the results of many seeds against the errors that they quote, and their mean against many trials."""
    yield (
        f"{'dec':>5}{'many trials':>17}{'mean n_sig':>17}{'spread':>9}{'quoted':>9}{'spread/quoted':>18}{'trials':>17}"
        f"{'rounds':>9}{'reached':>9}"
    )
    for *column, true in zip(*runs, exact, strict=True):
        n_sig, error = np.array([f.n_sig for f in column]), np.array([f.error for f in column])
        spread, quoted, n = float(n_sig.std(ddof=1)), float(np.sqrt(np.mean(error**2))), len(column)
        ratio, of_ratio = spread / quoted, spread / quoted / math.sqrt(2 * (n - 1))
        trials = [f.n_trials for f in column]
        reached = sum(f.error <= 0.03 * f.n_sig for f in column)
        mean = f"{n_sig.mean():.3f} ± {spread / math.sqrt(n):.3f}"
        yield (
            f"{true.dec_deg:>5g}{_pair(true):>17}{mean:>17}{spread:>9.3f}{quoted:>9.3f}{ratio:>11.2f} ± {of_ratio:.2f}"
            f"{f'{min(trials):,} to {max(trials):,}':>17}{np.mean([f.rounds for f in column]):>9.1f}"
            f"{f'{reached} of {n}':>9}"
        )


def main(folder: Path, seeds: int = SEEDS) -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory(prefix="dagmaker-") as name:
        root = Path(name)
        fixed = run(spec_of(folder, 1000, FIXED), root / "fixed", None)
        exact = run(spec_of(folder, 1001, EXACT), root / "exact", root / "fixed")
        runs = []
        for seed in range(seeds):
            runs.append(run(spec_of(folder, seed, POOR), root / "run", root / "fixed"))
            shutil.rmtree(root / "run")
    print("\n".join([*compared(runs[0], fixed), "", *honest(runs, exact)]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(word) for word in sys.argv[2:3]))
