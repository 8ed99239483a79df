"""SkyLLH from PyPI beside us: the same events, declination and number of cores, in turns.

SkyLLH lives in an environment of its own, made on first use in the user's cache folder; it fits its own likelihood to
its own scrambled skies, as its authors set up the time-integrated analysis of the track releases.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from benchmarks.cases import KEY
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import trials
from worker.engines.builtin.response import Spectrum

CACHE = Path.home() / ".cache" / "dagmaker" / "skyllh"
SCRIPT = Path(__file__).with_name("skyllh_peer.py")
DEC_DEG = 5.0
ROUNDS = 5
OURS, THEIRS = 8000, 60  # trials per round: about half a second and a second


class Duel(NamedTuple):
    """Trials per CPU second of both, round by round, and what they found.

    Attributes
    ----------
    ours, theirs : tuple of float
        Rounds in the order in which they were run, ours before theirs.
    eta : (float, float)
        Fraction of trials with TS > 0, ours and theirs.
    """

    what: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    eta: tuple[float, float]
    versions: str

    @property
    def ratios(self) -> list[float]:
        """Ours to theirs, of each pair."""
        return [a / b for a, b in zip(self.ours, self.theirs, strict=True)]


def environment() -> Path:
    """Python of the environment with SkyLLH.

    Raises
    ------
    OSError, subprocess.CalledProcessError
        If it cannot be made: no network, no wheel.
    """
    python = CACHE / "bin" / "python"
    if not (CACHE / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(CACHE)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-qq", "skyllh"], check=True, capture_output=True)
        (CACHE / "ready").touch()
    return python


@contextmanager
def _peer(release: Path, season: str) -> Iterator[Any]:
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    argv = [str(environment()), str(SCRIPT), str(release), season, str(DEC_DEG)]
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ | one
    )
    assert process.stdin and process.stdout

    def ask(*words: float) -> dict[str, Any]:
        if words:
            print(*words, file=process.stdin, flush=True)
        line = process.stdout.readline()
        if not line:
            raise OSError(f"SkyLLH ended with {process.wait()}")
        return dict(json.loads(line))

    try:
        yield ask
    finally:
        process.stdin.close()
        process.wait()


def duels(analysis: engine.Analysis, release: Path, season: str = "IC86_I") -> list[Duel]:
    """Background trials, and signal trials with n_sig 10, in turns."""
    dec = float(np.radians(DEC_DEG))
    point = trials.point_at(analysis, dec)
    injector = trials.injector_at(analysis, dec, Spectrum(2.0), 10.0)
    out = []
    with _peer(release, season) as ask:
        ready = ask()
        if ready["n_events"] != int(analysis.n_data.sum()):
            raise OSError(f"SkyLLH reads {ready['n_events']} events, not {int(analysis.n_data.sum())}")
        versions = f"SkyLLH {ready['skyllh']}, numpy {ready['numpy']}"
        for what, n_sig, mine in (("background trials", 0, None), ("signal trials, n_sig 10", 10, injector)):
            trials.run(analysis, point, KEY, 0, 500, mine)
            ask(10, n_sig, 99)
            ours, theirs, etas = [], [], []
            for k in range(ROUNDS):
                begin = time.process_time()
                found = trials.run(analysis, point, KEY, k * OURS, OURS, mine)
                ours.append(OURS / (time.process_time() - begin))
                answer = ask(THEIRS, n_sig, k)
                theirs.append(THEIRS / answer["cpu_s"])
                etas.append((float((found["ts"] > 0).mean()), answer["eta"]))
            eta = tuple(median(column) for column in zip(*etas, strict=True))
            out.append(Duel(what, tuple(ours), tuple(theirs), (eta[0], eta[1]), versions))
    return out
