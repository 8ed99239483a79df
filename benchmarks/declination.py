"""The response between its bins of declination: the flux of one event, now and with the bins as steps.

    python -m benchmarks.declination FOLDER SEASON... [--figure FILE]

FOLDER holds a track release. Prints the largest change of the flux of one event between neighbouring rings of nside
128, how much the mean over a bin differs from the published one, and how much TS changes across an edge of the bins.
"""

import itertools
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.base import healpix, rng
from worker.data.dataset import Season
from worker.data.icetracks import read_release
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import declination, response, trials
from worker.engines.builtin.response import SECONDS_PER_DAY, Spectrum

F64 = NDArray[np.float64]

GAMMAS = (2.0, 3.0)
N_TRIALS = 2000
CUTS = engine.Cuts(np.arange(1.0, 4.0 + 1e-9, 1 / 16), 5.0, math.radians(0.2), math.radians(5.0))


def steps(season: Season, dec: float, gamma: float) -> float:
    """Expected events per unit flux with the published bins as they are."""
    area = season.area
    column = int(np.clip(np.searchsorted(area.sin_dec, math.sin(dec) + 1e-9, side="right") - 1, 0, 49))
    j = int(
        np.clip(np.searchsorted(season.smearing.dec, dec + 1e-9, side="right") - 1, 0, len(season.smearing.dec) - 2)
    )
    out = np.zeros((len(season.smearing.log_e_nu) - 1, 1))
    response._weights(
        area.log_e_nu, np.ascontiguousarray(area.area_cm2[:, column]), season.smearing.log_e_nu, np.array([gamma]),
        np.inf, out,
    )  # fmt: skip
    filled = [len(response.bin_cells(season.smearing, i, j)) > 0 for i in range(len(out))]
    return float(out[filled].sum() * season.livetime_days * SECONDS_PER_DAY)


def smooth(season: Season, dec: float, gamma: float) -> float:
    return response.acceptance(season, dec, Spectrum(gamma))


def curves(seasons: tuple[Season, ...], decs: F64) -> dict[tuple[str, float, str], F64]:
    """E^2 dN/dE (TeV / cm^2 / s at 100 TeV) of one event at each declination, by season, index and way."""
    return {
        (season.name, gamma, label): np.array([1e7 / max(events(season, float(dec), gamma), 1e-300) for dec in decs])
        for season in seasons
        for gamma in GAMMAS
        for label, events in (("steps", steps), ("now", smooth))
    }


def jumps(seasons: tuple[Season, ...]) -> Iterator[str]:
    """Largest ratio of the fluxes of neighbouring rings."""
    rings = healpix.rings_of(128).dec
    decs = np.sort(rings[np.abs(np.sin(rings)) < 0.98])
    found = curves(seasons, decs)
    yield "| season | gamma | largest ratio, steps | at sin(dec) | largest ratio, now | at sin(dec) |"
    yield "|---|---|---|---|---|---|"
    for season in seasons:
        for gamma in GAMMAS:
            parts = []
            for label in ("steps", "now"):
                flux = found[season.name, gamma, label]
                ratio = np.exp(np.abs(np.diff(np.log(flux))))
                k = int(np.argmax(ratio))
                parts.append(f"{ratio[k]:.2f} | {math.sin(decs[k]):+.3f}")
            yield f"| {season.name} | {gamma:g} | {' | '.join(parts)} |"


def shapes(analysis: engine.Analysis) -> Iterator[str]:
    """How far s(log_e) of a bin's mean is from the published one: half the sum of the absolute differences."""
    yield "| season | s(log_e), gamma 2: mean over bins, largest | two neighbouring bins: mean, largest |"
    yield "|---|---|---|"
    for season in analysis.dataset.seasons:
        edges = declination.smearing_edges(season)
        rows = []
        for j in range(len(edges) - 1):
            x = np.linspace(edges[j], edges[j + 1], 41)
            middle = 0.5 * (x[1:] + x[:-1])
            now = np.mean([_density(analysis, season, float(place), None) for place in middle], axis=0)
            held = np.mean([_density(analysis, season, float(place), j) for place in middle], axis=0)
            rows.append((now, held))
        off = [0.5 * np.abs(now - held).sum() for now, held in rows]
        apart = [0.5 * np.abs(a[1] - b[1]).sum() for a, b in itertools.pairwise(rows)]
        yield f"| {season.name} | {np.mean(off):.3f}, {max(off):.3f} | {np.mean(apart):.3f}, {max(apart):.3f} |"


def _density(analysis: engine.Analysis, season: Season, x: float, only: int | None) -> F64:
    """s(log_e | gamma = 2) at sin(dec) = x; with the smearing of one bin alone if `only` names it."""
    rates = response.node_rates(season, x, [response.Spectrum(2.0)])
    if only is not None:
        rates = {only: np.sum(list(rates.values()), axis=0)}
    marginals = {j: response.energy_marginals(season.smearing, j, analysis.grid) for j in rates}
    events, expected = response.node_energies(rates, marginals)
    return np.asarray(events[0] / max(float(expected[0]), 1e-300))


def across(analysis: engine.Analysis) -> Iterator[str]:
    """Change of TS of the same trials if the signal is that of 0.01 deg to the other side of an edge."""
    yield "| edge, sin(dec) | trials with TS > 4 | rms change of TS | largest |"
    yield "|---|---|---|---|"
    for edge in (-0.44, -0.16, -0.12, 0.0, 0.28):
        dec = math.asin(edge)
        one = trials.point_at(analysis, dec - math.radians(0.01))
        other = one._replace(table=engine.table_at(analysis, dec + math.radians(0.01)))
        a, b = (trials.run(analysis, point, rng.key("edge"), 0, N_TRIALS)["ts"] for point in (one, other))
        hot = a > 4
        change = (b - a)[hot]
        yield f"| {edge:+.2f} | {hot.sum()} | {np.sqrt((change**2).mean()):.4f} | {np.abs(change).max():.4f} |"


def draw(seasons: tuple[Season, ...], path: Path) -> None:
    """Flux of one event against declination."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    x = np.linspace(-0.6, 0.4, 1001)
    found = curves(seasons, np.arcsin(x))
    figure, axes = plt.subplots(1, len(seasons), figsize=(4.2 * len(seasons), 4), layout="constrained", sharey=True)
    for axis, season in zip(np.atleast_1d(axes), seasons, strict=True):
        for gamma, color in zip(GAMMAS, ("C0", "C1"), strict=True):
            axis.semilogy(x, found[season.name, gamma, "steps"], color="0.6", linewidth=1)
            axis.semilogy(x, found[season.name, gamma, "now"], color=color, label=f"gamma {gamma:g}")
        axis.set_title(season.name)
        axis.set_xlabel("sin(dec)")
    first: Any = np.atleast_1d(axes)[0]
    first.set_ylabel("E² dN/dE of one event [TeV / cm² / s at 100 TeV]")
    first.plot([], [], color="0.6", label="bins as steps")
    first.legend(frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print the tables; write the figure."""
    words = sys.argv[1:]
    figure = Path(words.pop(words.index("--figure") + 1)) if "--figure" in words else None
    words = [word for word in words if word != "--figure"]
    dataset = read_release(Path(words[0]), words[1:], label="real", sigma_max_deg=5.0)
    analysis = engine.build(dataset, CUTS)
    for part in (jumps(dataset.seasons), shapes(analysis), across(analysis)):
        print("\n".join(part), end="\n\n", flush=True)
    if figure is not None:
        draw(dataset.seasons, figure)


if __name__ == "__main__":
    main()
