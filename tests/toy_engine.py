"""A toy engine: the excess of a counting experiment over its Gaussian error. And, with skies, events in a window.

As a program it is a Python that has a toy in the place of the built-in engine, which cannot be imported there:
`python tests/toy_engine.py ToySkies -m dagmaker run ...`. So are the processes that it starts.
"""

import os
import runpy
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]


class Toy:
    """A normal deviate of width 3 beside a Poisson number of signal counts; TS is its square if it is positive."""

    identity = {"engine": "toy 1"}  # noqa: RUF012
    columns = np.dtype([("ts", "<f8"), ("ns", "<f8")])
    supports = frozenset({"flux"})
    deterministic, tolerance, block = "per-trial", 0.0, 40

    def __init__(self, spec, dataset, kept=None):
        self.seasons = () if dataset is None else dataset.seasons

    def notes(self):
        return [(f"{season.name} has {season.events.dec.size} counts",) for season in self.seasons]

    def prepare(self):
        print("the toy is ready")
        return {"toy": np.arange(3)}

    def trials(self, at, key, first, n, signal=None):
        out = np.empty(n, self.columns)
        for i in range(n):
            rng = np.random.default_rng([*key, first + i])
            injected = 0 if signal is None else rng.poisson(signal.n_sig)
            out["ns"][i] = max(injected + 3.0 * rng.standard_normal(), 0.0)
        out["ts"] = (out["ns"] / 3.0) ** 2
        return out

    def flux(self, at, gamma):
        return 1e-12 * (2.0 + np.sin(at.model.dec[0]))

    def method(self):
        from worker.engines.protocol import Method

        return Method("TS is the square of an excess.", "Background trials are normal deviates", "a count", "Toys.")


class ToySkies(Toy):
    """The toy over a sky: TS of a place is the excess of events, of any declination, in a window around it."""

    supports = frozenset({"flux", "skies", "strata"})
    block, sources = 1, None

    def signal_counts(self, key, first, n, n_sig):
        return np.array([np.random.default_rng([*key, first + i]).poisson(n_sig) for i in range(n)])

    def scrambled(self, key, sky):
        return np.random.default_rng([*key, sky]).random(sum(s.events.dec.size for s in self.seasons))

    def observed(self, positions):
        return np.concatenate(positions) / (2.0 * np.pi) % 1.0

    def ring_scanner(self, rings, keep):
        self.rings = rings
        return self

    def source_scanner(self, sources):
        self.sources = sources
        return self

    def ring(self, r, turn):
        n = int(self.rings.n_pix[r])
        return self._windows((np.arange(n) + self.rings.shift[r]) * (1.0 / n), turn)

    def largest(self, r, turn):
        ring = self.ring(r, turn)
        pixel = int(np.argmax(ring[:, 0]))
        return pixel, ring[pixel]

    def above(self, r, turn, floor):
        return self.ring(r, turn)

    def skies(self, key, first, count):
        return np.stack([self._windows(self.sources.turn, self.scrambled(key, first + i)) for i in range(count)])

    def at(self, turns, out):
        out[:] = [self._windows(self.sources.turn, turn) for turn in turns]

    def _windows(self, places, turn):
        near = np.abs((turn[None, :] - places[:, None] + 0.5) % 1.0 - 0.5) < 0.01
        ns = np.maximum(near.sum(axis=1) - 0.02 * turn.size, 0.0)
        return np.stack([ns**2 / (0.02 * turn.size), ns, np.full(ns.size, 2.0)], axis=1)


def launcher(folder: Path, kind: str) -> Path:
    """A Python that has the toy `kind`."""
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nTOY_PYTHON="$0" exec "{sys.executable}" "{__file__}" {kind} "$@"\n')
    python.chmod(0o755)
    return python


def main(kind: str, flag: str, module: str, *words: str) -> None:
    assert flag == "-m"
    sys.path[0] = str(ROOT)
    from worker.engines import table

    table.ENGINES["builtin"] = lambda: {"Toy": Toy, "ToySkies": ToySkies}[kind]
    sys.modules["worker.engines.builtin"] = None  # how the language spells "there is no such module"
    sys.executable = os.environ["TOY_PYTHON"]
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
