"""`python -m benchmarks.skies RELEASE [CHECKOUT]`: CPU time of a sky, here and with another checkout's code, in turns.

RELEASE holds the seasons IC40, IC79 and IC86_I. Each turn is a process of its own: best of some repetitions.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

TURNS = 3


def measured(release: Path, psf: str) -> dict[str, float]:
    """CPU seconds of a sky of each kind, by name, with the code that Python imports."""
    import numpy as np

    from worker import data
    from worker.base import healpix, rng
    from worker.engines.builtin import analysis, scan
    from worker.engines.builtin.engine import cuts
    from worker.engines.builtin.sources import SourceScanner
    from worker.engines.protocol import Sources
    from worker.spec.specfile import loads

    key, limit, found = rng.key("skies"), float(np.radians(85)), {}

    def prepared(seasons: str) -> analysis.Analysis:
        spec = loads(
            "version: 1\nname: bench\nseed: 1\nbackground: {dec_deg: [-85, 5, 85], n_trials: 10}\n"
            "signal: {n_sig: [2, 5, 10], n_trials: 10}\nscan: {nside: 4, n_skies: 2}\n"
            f"likelihood: {{psf: {psf}}}\n"
            f"data: {{format: icetracks, dir: '{release}', seasons: [{seasons}], label: real}}\n"
        )
        return analysis.build(data.read(spec), cuts(spec.likelihood))

    def best(name: str, work: Callable[[int], object], repeat: int) -> None:
        work(0)
        taken = []
        for k in range(1, repeat + 1):
            began = time.process_time()
            work(k)
            taken.append(time.process_time() - began)
        found[name] = min(taken)

    def largest(of: analysis.Analysis, nside: int) -> Callable[[int], object]:
        rings = healpix.rings_of(nside, -limit, limit)
        scanner = scan.Scanner(of, rings, True)

        def sky(k: int) -> object:
            turn = scan.right_ascensions(of, key, k)
            if hasattr(scanner, "largest"):
                return [scanner.largest(r, turn) for r in range(len(rings.dec))]
            return [np.argmax(scanner.ring(r, turn)[:, 0]) for r in range(len(rings.dec))]

        return sky

    def full(of: analysis.Analysis, nside: int) -> Callable[[int], object]:
        rings = healpix.rings_of(nside, -limit, limit)
        scanner = scan.Scanner(of, rings, True)
        return lambda k: [scanner.ring(r, scan.right_ascensions(of, key, k)) for r in range(len(rings.dec))]

    one = prepared("IC86_I")
    best("background sky, nside 32", largest(one, 32), 5)
    best("background sky, nside 64", largest(one, 64), 3)
    best("map of every pixel, nside 128", full(one, 128), 1)
    dice = np.random.default_rng(3)
    scanner = SourceScanner(one, Sources(np.arcsin(dice.uniform(-0.99, 0.99, 100)), dice.uniform(0, 1, 100)))
    best("40 skies of 100 sources", lambda k: scanner.skies(key, 40 * k, 40), 5)
    del one
    best("background sky, nside 64, three seasons", largest(prepared("IC40, IC79, IC86_I"), 64), 1)
    return found


def main(release: Path, checkouts: list[Path]) -> None:
    """Print a table with the median of the turns, and the ratio to the code before."""
    for psf in ("gaussian", "response"):
        turns: list[dict[str, list[float]]] = [{} for _ in checkouts]
        for _ in range(TURNS):
            for where, table in zip(checkouts, turns, strict=True):
                words = [sys.executable, __file__, str(release), "--measure", psf]
                said = subprocess.run(
                    words, env=os.environ | {"PYTHONPATH": str(where)}, cwd=where, check=True, capture_output=True
                )
                for name, seconds in json.loads(said.stdout.splitlines()[-1]).items():
                    table.setdefault(name, []).append(seconds)
        print(f"psf: {psf}")
        for name in turns[0]:
            times = [median(table[name]) for table in turns]
            print(
                f"| {name} | " + " | ".join(f"{s:.3g} s" for s in times) + f" | {times[0] / times[-1]:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    if "--measure" in sys.argv:
        print(json.dumps(measured(Path(sys.argv[1]), sys.argv[3])))
    else:
        main(Path(sys.argv[1]).resolve(), [Path(x).resolve() for x in (".", *sys.argv[2:])])
