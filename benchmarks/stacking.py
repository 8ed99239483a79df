"""`python -m benchmarks.stacking [RELEASE]`: trials of catalogues, by the number of sources; time and memory.

RELEASE is a folder in the published track-release format; all seasons with events there are used. Without it there are
three made-up seasons of 110,000 events. Each size runs in a process of its own, whose peak memory is printed.
"""

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from worker import data
from worker.base import rng
from worker.data.dataset import Dataset
from worker.engines.builtin import analysis as engine
from worker.engines.builtin.engine import cuts
from worker.engines.builtin.response import Spectrum
from worker.engines.builtin.stack_trials import StackTrials
from worker.spec.point import SourceModel
from worker.spec.specfile import loads

SIZES = (1, 20, 300, 3000)
SPEC = """
version: 1
name: bench
seed: {seed}
data: {{{data}}}
background: {{tail: none, dec_deg: [5], n_trials: 10}}
signal: {{n_sig: [2, 5, 10], n_trials: 10}}
scan: {{kind: none}}
"""
KEY = rng.key("bench")
SPECTRUM = Spectrum(2.0)


def dataset(release: Path | None) -> Dataset:
    """The seasons of a release, or made-up ones."""
    if release is None:
        made = [data.read(loads(SPEC.format(seed=s, data="format: synthetic, n_events: 110000"))) for s in (1, 2, 3)]
        return Dataset(made[0].label, tuple(one.seasons[0] for one in made))
    names = sorted(path.name.removesuffix("_exp.csv") for path in (release / "events").glob("*_exp.csv"))
    what = f"format: icetracks, dir: {release}, seasons: [{', '.join(names)}], label: real"
    return data.read(loads(SPEC.format(seed=1, data=what)))


def catalogue(n: int, seed: int = 1) -> SourceModel:
    """Sources all over the sky with random weights, none near a pole."""
    generator = np.random.default_rng(seed)
    decs = np.arcsin(generator.uniform(-0.98, 0.98, n))
    return SourceModel(
        tuple(decs.tolist()), (0.0,) * n, tuple(generator.uniform(0, 2 * np.pi, n).tolist()),
        tuple((generator.pareto(1.5, n) + 1.0).tolist()),
    )  # fmt: skip


def measure(release: Path | None, n: int) -> str:
    """A line of the table for a catalogue of n sources."""
    analysis = engine.build(dataset(release), cuts(loads(SPEC.format(seed=1, data="format: synthetic")).likelihood))
    before = time.process_time()
    trials = StackTrials(analysis, catalogue(n))
    trials.run(KEY, 0, 1)
    made = time.process_time() - before
    rates = []
    for signal in (None, (SPECTRUM, 30.0, True)):
        trials.run(KEY, 0, 1, signal)
        count, before = 0, time.process_time()
        while count < 50 or time.process_time() - before < 2.0:
            trials.run(KEY, count, 25, signal)
            count += 25
            if time.process_time() - before > 20.0:
                break
        rates.append(count / (time.process_time() - before))
    events = sum(season.events.dec.size for season in analysis.dataset.seasons)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"| {n:,} | {events:,} | {trials.stack.touched.size:,} | {rates[0]:.3g} | {rates[1]:.3g} | {made:.1f} s "
        f"| {memory:,.0f} MB |"
    )


def main() -> None:
    """Print the table, one process for each size."""
    if sys.argv[1:2] == ["--one"]:
        print(measure(Path(sys.argv[3]) if sys.argv[3:] else None, int(sys.argv[2])))
        return
    print("| sources | events | near a source | trials per CPU second | with 30 signal events | set-up | peak memory |")
    print("|---|---|---|---|---|---|---|")
    for n in SIZES:
        command = [sys.executable, "-m", "benchmarks.stacking", "--one", str(n), *sys.argv[1:2]]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
