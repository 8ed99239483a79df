"""`python -m benchmarks.txs_flare FOLDER [TRIALS]`: the flare of TXS 0506+056 from the public events, with its p-value.

FOLDER holds list_of_samples.txt, events_*.txt and Aeff_*.txt (doi 10.21234/B4QG92). The events are
public and have been looked at since 2018: nothing is blind here. Trials draw times over each sample, and right
ascensions over the circle.
"""

import sys
import time
from pathlib import Path

import numpy as np

from worker.base import rng
from worker.data.source_region import Sample, read_samples
from worker.engines.builtin import region
from worker.engines.builtin.flare import Flare, Limits, fit_flare

SOURCE = (np.radians(77.3582), np.radians(5.6931))
RADIUS = np.radians(3.0)
WIDTHS = {"gaussian": (1.0, 300.0), "box": (2.0, 600.0)}


def trials(samples: tuple[Sample, ...], profile: str, n: int) -> tuple[Flare, np.ndarray, float]:
    """The measured flare, TS of n scrambled trials, and CPU seconds per trial."""
    ratios, rates = zip(*(region.energy_ratio(sample, SOURCE[1]) for sample in samples), strict=True)
    seasons = region.region_seasons(samples, list(rates))
    limits = Limits(*WIDTHS[profile], sum(sample.stop - sample.start for sample in samples), True)

    def fitted(positions: list[tuple[np.ndarray, np.ndarray]]) -> Flare:
        events = region.region_events(samples, list(ratios), positions, SOURCE, RADIUS)
        return fit_flare(events, seasons, limits, profile)

    measured = fitted([(sample.mjd, sample.ra) for sample in samples])
    n_events = sum(sample.mjd.size for sample in samples)
    address, ts = rng.key("txs"), np.empty(n)
    began = time.process_time()
    for trial in range(n):
        uniform = rng.uniforms(address, rng.OTHER, trial, 2 * n_events).reshape(2, -1)
        ts[trial] = fitted(region.scrambled(samples, SOURCE, RADIUS, uniform)).ts
    return measured, ts, (time.process_time() - began) / n


def main(folder: str, n: str = "1000") -> None:
    """Print the flare of IC86b, where it was found, for both profiles."""
    from scipy.stats import norm

    samples = tuple(sample for sample in read_samples(Path(folder)) if sample.name == "IC86b")
    for profile in WIDTHS:
        flare, ts, seconds = trials(samples, profile, int(n))
        k = int(np.count_nonzero(ts >= flare.ts))
        p = (k + 1) / (len(ts) + 1)
        length = 2 * flare.width if profile == "gaussian" else flare.width
        print(
            f"{profile}: T0 {flare.t0:.1f}, T_W {length:.1f} d, ns {flare.ns:.1f}, gamma {flare.gamma:.2f}, "
            f"TS {flare.ts:.2f}; p = ({k} + 1) / ({len(ts)} + 1) = {p:.2g} ({norm.isf(p):.1f} sigma) in this sample; "
            f"trials with TS > 0: {np.mean(ts > 0):.3f}, {1 / seconds:.0f} a CPU second"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
