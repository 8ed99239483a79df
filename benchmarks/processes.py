"""Whole processes: start-up with and without compiled code, memory with one season and with ten, several at once."""

import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.cases import SPEC, dataset
from worker.data.dataset import Dataset
from worker.data.prepared import content_digest, pack
from worker.rundir import layout, store
from worker.rundir.record import measure

SEASONS = (1, 2, 5, 10)
PER_SEASON = 110_700  # ten seasons make 1.1 million events, as ten years of tracks do


class Startup(NamedTuple):
    """CPU seconds of whole processes."""

    help: float
    warm: float
    cold: float


class Memory(NamedTuple):
    """Peak resident MB of a process."""

    n_seasons: int
    n_events: int
    bg_trials: float
    sig_trials: float
    scan_trials: float


class Several(NamedTuple):
    """The same work by n processes at once: wall seconds, and CPU seconds of all."""

    n: int
    wall_s: float
    cpu_s: float


@contextmanager
def run_directory(data: Dataset) -> Iterator[Path]:
    """A built run of this data set."""
    with tempfile.TemporaryDirectory() as folder:
        spec, run = Path(folder) / "spec.yaml", Path(folder) / "run"
        spec.write_text(SPEC % "format: synthetic")
        _run(["dagmaker", "build", str(spec), f"--run={run}"])
        with measure("prepare", {}) as meter:
            record = meter.record(0)
        done = dataclasses.replace(record, digest=content_digest(data))
        store.save_arrays(run, layout.DATA, pack(data), done, compress=True)
        yield run


def _run(argv: list[str], env: dict[str, str] | None = None) -> float:
    """CPU seconds of `python -m argv`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", *argv], check=True, stdout=subprocess.DEVNULL, env=os.environ | (env or {}))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def start_up(data: Dataset) -> Startup:
    """`worker --help`; a process of one trial whose code is in numba's cache, and one that has no cache."""
    with run_directory(data) as run:
        task = ["worker", "bg_trials", f"--run={run}", "--dec=5", "--n=1"]
        _run([*task, "--seed=99"])
        return Startup(
            median(_run(["worker", "--help"]) for _ in range(5)),
            median(_run([*task, f"--seed={i}"]) for i in range(5)),
            _run([*task, "--seed=50"], {"NUMBA_CACHE_DIR": str(run / "cache")}),
        )


def several_seasons(n: int) -> Dataset:
    """Made-up seasons with events of their own and one response."""
    first = dataset(None, PER_SEASON, 1)
    others = [dataset(None, PER_SEASON, seed).seasons[0] for seed in range(2, n + 1)]
    rest = [
        dataclasses.replace(s, name=f"season{i}", area=first.seasons[0].area, smearing=first.seasons[0].smearing)
        for i, s in enumerate(others)
    ]
    return dataclasses.replace(first, seasons=(first.seasons[0], *rest))


def memory() -> list[Memory]:
    """Peak memory of the three tasks that thousands of processes run."""
    return [_memory(several_seasons(n)) for n in SEASONS]


def _memory(data: Dataset) -> Memory:
    with run_directory(data) as run:
        words = {
            "bg_trials": ["--dec=5", "--n=200"],
            "sig_trials": ["--dec=5", "--n_sig=10", "--n=200"],
            "scan_trials": ["--n=1"],
        }
        peaks = {}
        for task, args in words.items():
            _run(["worker", task, f"--run={run}", *args])
            [file] = [f for f in run.glob("trials/**/*.json") if json.loads(f.read_text()).get("task") == task]
            peaks[task] = float(json.loads(file.read_text())["max_rss_mb"])
        n_events = sum(season.events.dec.size for season in data.seasons)
        return Memory(len(data.seasons), n_events, **peaks)


def at_once(data: Dataset, n_trials: int = 60_000) -> list[Several]:
    """One process, then as many as there are cores, each with the same number of trials."""
    out = []
    with run_directory(data) as run:
        _run(["worker", "bg_trials", f"--run={run}", "--dec=5", "--n=1", "--seed=999"])
        for n in range(1, (os.cpu_count() or 1) + 1):
            begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            argv = [sys.executable, "-m", "worker", "bg_trials", f"--run={run}", "--dec=5", f"--n={n_trials}"]
            running = [subprocess.Popen([*argv, f"--seed={100 * n + i}"], stdout=subprocess.DEVNULL) for i in range(n)]
            if any(process.wait() for process in running):
                raise OSError("a trial task failed")
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            out.append(Several(n, time.perf_counter() - begin, cpu_s))
    return out
