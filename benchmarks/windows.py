"""Speed of trials and skies in windows of known time: python -m benchmarks.windows

One made-up season of 138,322 events, a source at +5 deg: trials per CPU second for each length of a window, and skies.
"""

import time

from worker import data
from worker.engines.table import engine_of
from worker.spec.specfile import loads

SPEC = """
version: 1
name: windows
seed: 7
data: {format: synthetic}
hypothesis:
  kind: window
  length_days: [1000 s, 1, 100]
  sources:
    - {name: A, ra_deg: 77.3, dec_deg: 5, start_mjd: 55700.2}
    - {name: B, ra_deg: 300, dec_deg: -25, centre_mjd: 55800, sigma_days: [5]}
background: {n_trials: 10}
signal: {n_sig: [1, 3, 8], n_trials: 10}
scan: {kind: points, n_skies: 2}
"""
TRIALS, SKIES, REPEAT = 20_000, 200, 3
KEY = (1, 2)


def main() -> None:
    """Print the rates, the best of several measurements."""
    spec = loads(SPEC)
    engine = engine_of(spec, data.read(spec))
    for at in spec.all_points:
        engine.trials(at, KEY, 0, 100)
        rate = TRIALS / min(_seconds(lambda at=at: engine.trials(at, KEY, 0, TRIALS)) for _ in range(REPEAT))
        print(f"{at.folder.name:>12}: {rate:10,.0f} trials per CPU second")
    scanner = engine.point_scanner(spec.all_points)
    scanner.skies(KEY, 0, 2)
    rate = SKIES / min(_seconds(lambda: scanner.skies(KEY, 0, SKIES)) for _ in range(REPEAT))
    print(f"{'all windows':>12}: {rate:10,.0f} skies per CPU second")


def _seconds(work) -> float:  # type: ignore[no-untyped-def]
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
