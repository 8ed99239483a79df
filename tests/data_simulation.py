"""NumPy data sets as csky users have them, written from a `Dataset` with smearing cells: for tests of the reader.

Simulated neutrinos are drawn from the effective area and the cells of the season, so that a source gives the same
events whether its response is read as cells or as this simulation. Drawn with numpy's own generator: these are files
that somebody else made.
"""

from pathlib import Path
from typing import Any

import numpy as np

from worker.data.dataset import EffectiveArea, Season, Smearing

MC_COLUMNS = ("run", "event", "time", "ra", "dec", "sigma", "logE", "trueRa", "trueDec", "trueE", "ow")
EXP_COLUMNS = MC_COLUMNS[:7]
MJD = 55700.0
N_RUNS = 40


def structured(columns: dict[str, Any]) -> np.ndarray:
    """Columns as one structured array, run and event as integers."""
    out = np.empty(len(next(iter(columns.values()))), [(n, "<i8" if n in ("run", "event") else "<f8") for n in columns])
    for name, values in columns.items():
        out[name] = values
    return out


def write_season(folder: Path, season: Season, n_mc: int, seed: int = 1, mc_name: str | None = None) -> Path:
    """Write the three files of a season; returns the folder."""
    rng = np.random.default_rng(seed)
    (folder / "GRL").mkdir(parents=True, exist_ok=True)
    runs = good_runs(season.livetime_days)
    np.save(folder / "GRL" / f"{season.name}_exp.npy", runs)
    np.save(folder / f"{season.name}_exp.npy", measured(season, runs, rng))
    if n_mc:
        np.save(folder / f"{mc_name or season.name}_MC.npy", simulated(season, n_mc, rng))
    return folder


def good_runs(livetime_days: float) -> np.ndarray:
    """Equal runs with gaps of a tenth of their length; 1 % of each is dead time."""
    length = livetime_days / N_RUNS / 0.99
    start = MJD + 1.1 * length * np.arange(N_RUNS)
    livetime = np.full(N_RUNS, 0.99 * length)
    return structured({"run": 118000 + np.arange(N_RUNS), "start": start, "stop": start + length, "livetime": livetime})


def measured(season: Season, runs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The events of a season with times in its runs; an unusable sigma is 0 here too."""
    dec, sigma, log_e = (column.astype(float) for column in season.events)
    n = len(dec)
    which = rng.integers(0, len(runs), n)
    order = rng.permutation(n)
    columns = {
        "run": runs["run"][which],
        "event": rng.integers(0, 10**7, n),
        "time": runs["start"][which] + (runs["stop"] - runs["start"])[which] * rng.random(n),
        "ra": rng.uniform(0, 2 * np.pi, n),
        "dec": dec[order],
        "sigma": sigma[order],
        "logE": log_e[order],
    }
    return structured(columns)


def simulated(season: Season, n: int, rng: np.random.Generator) -> np.ndarray:
    """n neutrinos that the season's response accepts; fewer are written, those that it cannot see are not."""
    smearing = season.smearing
    assert isinstance(smearing, Smearing)
    log_e_nu, true_dec, ow = _generated(rng, season.area, n)
    k, drawn = _reconstructed(rng, smearing, log_e_nu, true_dec)
    log_e_nu, true_dec, ow = log_e_nu[k], true_dec[k], ow[k]
    true_ra = rng.uniform(0, 2 * np.pi, len(k))
    ra, dec = _displaced(true_ra, true_dec, drawn[:, 1], rng.uniform(0, 2 * np.pi, len(k)))
    columns = {
        "run": np.full(len(k), 1),
        "event": np.arange(len(k)),
        "time": np.full(len(k), MJD),
        "ra": ra,
        "dec": dec,
        "sigma": drawn[:, 2],
        "logE": drawn[:, 0],
        "trueRa": true_ra,
        "trueDec": true_dec,
        "trueE": 10**log_e_nu,
        "ow": ow,
    }
    return structured(columns)


def _generated(rng: np.random.Generator, area: EffectiveArea, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log10(E), declinations and ow of n neutrinos, as many at every declination, between E^-2 and E^-3.

    ow = A_eff x solid angle x width in E / (expected number of neutrinos there), so that sums over ow x flux are
    expected events whatever the neutrinos were drawn from.
    """
    width = np.diff(area.log_e_nu)[:, None]
    middle = (area.log_e_nu[1:] + area.log_e_nu[:-1])[:, None] / 2
    wanted = area.area_cm2 * 10 ** (-1.5 * middle) * width
    p = wanted / wanted.sum(axis=0) * np.diff(area.sin_dec) / 2
    at = np.searchsorted(np.cumsum(p), rng.random(n) * p.sum())
    i, j = np.unravel_index(np.minimum(at, p.size - 1), p.shape)
    log_e_nu = area.log_e_nu[i] + width[i, 0] * rng.random(n)
    sin_dec = area.sin_dec[j] + np.diff(area.sin_dec)[j] * rng.random(n)
    solid_angle = 2 * np.pi * np.diff(area.sin_dec)[j]
    energies = 10**log_e_nu * np.log(10) * width[i, 0]  # 1 / density of E in its bin
    return log_e_nu, np.arcsin(sin_dec), area.area_cm2[i, j] * solid_angle * energies / (n * p[i, j])


def _reconstructed(
    rng: np.random.Generator, smearing: Smearing, log_e_nu: np.ndarray, dec: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of neutrinos in bins with cells, and their log_e, psi, sigma (n, 3)."""
    i = np.clip(np.searchsorted(smearing.log_e_nu, log_e_nu, side="right") - 1, 0, len(smearing.log_e_nu) - 2)
    j = np.clip(np.searchsorted(smearing.dec, dec, side="right") - 1, 0, len(smearing.dec) - 2)
    number = i * (len(smearing.dec) - 1) + j
    indices, parts = [], []
    for k in np.unique(number):
        cells = smearing.cells[smearing.start[k] : smearing.start[k + 1]].astype(float)
        if len(cells):
            here = np.flatnonzero(number == k)
            chosen = cells[np.searchsorted(np.cumsum(cells[:, 6]) / cells[:, 6].sum(), rng.random(len(here)))]
            lo, hi = chosen[:, [0, 2, 4]], chosen[:, [1, 3, 5]]
            indices.append(here)
            parts.append(lo + rng.random((len(here), 3)) * (hi - lo))
    return np.concatenate(indices), np.concatenate(parts)


def _displaced(ra: np.ndarray, dec: np.ndarray, psi: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Directions at a distance psi and position angle from (ra, dec), by unit vectors; rad."""
    north = np.array([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)])
    east = np.array([-np.sin(ra), np.cos(ra), np.zeros_like(ra)])
    there = np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    x, y, z = there * np.cos(psi) + (north * np.cos(angle) + east * np.sin(angle)) * np.sin(psi)
    return np.arctan2(y, x) % (2 * np.pi), np.arcsin(np.clip(z, -1, 1))
