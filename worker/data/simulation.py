"""Simulated events of one file, in bands of the sine of the true declination."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import InputError
from worker.data.check import ENOUGH, check_area, check_directions, check_log_e
from worker.data.dataset import F64, I64, EffectiveArea, Simulation
from worker.data.rows import NO_NAMES, read_rows
from worker.data.table import Table

COLUMNS = ("ra", "dec", "sigma", "logE", "trueRa", "trueDec", "trueE", "ow")
FEW = 100
"""A band with fewer events gets a note."""
_AREA_STEP = 0.2
_MOST_LOG_E = 16.0
_MOST_E = 1e15
_LARGEST_MEDIAN = 0.5
"""Largest plausible median distance (rad) of true and reconstructed directions."""


def read_simulation(
    paths: Sequence[Path],
    band_sin_dec: float,
    sigma_max_deg: float,
    theirs: Mapping[str, str] = NO_NAMES,
    season: str = "SEASON",
) -> tuple[Simulation, EffectiveArea, tuple[str, ...]]:
    """Read the simulated events of one file, or of several: their ``ow`` must sum to one flux.

    Parameters
    ----------
    band_sin_dec : float
        Width of the bands in sin(dec); reduced until it divides 2.
    sigma_max_deg : float
        An event with a larger angular error carries no signal.
    theirs, season
        See `worker.data.rows.read_rows`.

    Returns
    -------
    simulation : Simulation
        Without the events of weight 0.
    area : EffectiveArea
        Mean effective area in bins of 0.2 in log10(E) and of the bands.
    notes : tuple of str

    Raises
    ------
    InputError
        A damaged file, or columns in other units.
    """
    tables = [read_rows(path, COLUMNS, theirs, season) for path in paths]
    for each in tables:
        _check(each, sigma_max_deg)
    path = paths[0]
    table = tables[0]._replace(values=np.concatenate([each.values for each in tables]))
    n_bands = int(np.ceil(2 / band_sin_dec - 1e-9))
    edges = np.linspace(-1.0, 1.0, n_bands + 1)
    weighted = table.column("ow") > 0
    band = np.clip(np.searchsorted(edges, np.sin(table.column("trueDec")), side="right") - 1, 0, n_bands - 1)
    area = _area(table, edges, band)
    check_area(str(path), float(_sky_mean(area).max()), "is `ow` divided by the number of generated events?")
    order = np.argsort(band, kind="stable")
    order = order[weighted[order]]
    start = np.searchsorted(band[order], np.arange(n_bands + 1)).astype(np.int64)
    solid_angle = 2 * np.pi * (edges[1] - edges[0])
    simulation = Simulation(edges, start, _events(table, order, solid_angle))
    return simulation, area, _notes(path, len(weighted), int(weighted.sum()), np.diff(start))


def turned(ra: F64, dec: F64, true_ra: F64, true_dec: F64) -> tuple[F64, F64]:
    """Distance psi (rad) and position angle (turns, east of north) of directions seen from true ones, all (n,) rad."""
    delta = ra - true_ra
    half = np.sin((dec - true_dec) / 2) ** 2 + np.cos(dec) * np.cos(true_dec) * np.sin(delta / 2) ** 2
    psi = 2 * np.arcsin(np.sqrt(np.clip(half, 0, 1)))
    east = np.cos(dec) * np.sin(delta)
    north = np.sin(dec) * np.cos(true_dec) - np.cos(dec) * np.sin(true_dec) * np.cos(delta)
    return psi, np.arctan2(east, north) / (2 * np.pi) % 1.0


def _events(table: Table, order: I64, solid_angle: float) -> NDArray[np.float32]:
    """Columns of `Simulation.events`, in the given order."""

    def column(name: str) -> F64:
        return np.asarray(table.column(name)[order])

    psi, turn = turned(column("ra"), column("dec"), column("trueRa"), column("trueDec"))
    sigma = column("sigma")
    out = np.empty((len(order), 6), np.float32)
    out[:, 0] = np.log10(column("trueE"))
    out[:, 1] = column("ow") / solid_angle
    out[:, 2] = column("logE")
    out[:, 3] = psi
    out[:, 4] = np.where(sigma > 0, sigma, np.pi)  # an unusable one is beyond every sigma_max_deg
    out[:, 5] = turn
    return out


def _check(table: Table, sigma_max_deg: float) -> None:
    check_directions(table, "ra", "dec")
    check_directions(table, "trueRa", "trueDec")
    sigma, energy, ow = (table.column(name) for name in ("sigma", "trueE", "ow"))
    if np.median(sigma) > 0.3:
        raise InputError(
            f"{table.path}: the median of sigma is {np.median(sigma):.3g}: these are degrees where radians belong. "
            "Convert them: numpy.deg2rad"
        )
    if not ((sigma > 0) & (sigma <= np.deg2rad(sigma_max_deg))).any():
        raise InputError(
            f"{table.path}: no simulated event has a usable sigma, above 0 and up to likelihood.sigma_max_deg = "
            f"{sigma_max_deg:g} deg: no signal could be injected. Is it the right column, in radians?"
        )
    check_log_e(table, "logE")
    if energy.max() < _MOST_LOG_E:
        raise InputError(
            f"{table.path}: trueE reaches only {energy.max():g}: these are log10(E / GeV) where GeV belong. "
            "Save 10**trueE"
        )
    table.refuse(energy <= 0, "a true energy that is not above 0", "trueE is in GeV")
    table.refuse(energy > _MOST_E, "an impossible true energy", "trueE is in GeV")
    if np.median(table.column("logE") - np.log10(energy)) > 1:
        raise InputError(
            f"{table.path}: half of all events are reconstructed with more than ten times their true energy: is trueE "
            "in TeV? Convert it to GeV"
        )
    psi, _ = turned(*(table.column(name) for name in ("ra", "dec", "trueRa", "trueDec")))
    if len(psi) > ENOUGH and np.median(psi) > _LARGEST_MEDIAN:
        raise InputError(
            f"{table.path}: half of all events are reconstructed more than {np.degrees(np.median(psi)):.0f} deg from "
            "trueRa, trueDec: these are other columns (azimuth?), or rows in another order. Give the true directions "
            "of the same events"
        )
    if psi.max() < 1e-6:
        raise InputError(
            f"{table.path}: every reconstructed direction is the true one: no detector is so good. Are trueRa and "
            "trueDec copies of ra and dec, or the reverse? Give both"
        )
    table.refuse(ow < 0, "a negative ow", "Weights of simulated events are 0 or above")
    if not ow.any():
        raise InputError(f"{table.path}: every ow is 0: no event carries weight. Get the file again")


def _area(table: Table, edges: F64, band: I64) -> EffectiveArea:
    """Sum of ow over (bin of energy x solid angle)."""
    log_e = np.log10(table.column("trueE"))
    first, last = np.floor(log_e.min() / _AREA_STEP), np.ceil(log_e.max() / _AREA_STEP + 1e-9)
    log_edges = np.arange(first, last + 1) * _AREA_STEP
    n_e, n_d = len(log_edges) - 1, len(edges) - 1
    e = np.clip(np.searchsorted(log_edges, log_e, side="right") - 1, 0, n_e - 1)
    sums = np.bincount(e * n_d + band, table.column("ow"), n_e * n_d).reshape(n_e, n_d)
    per_bin = np.diff(10**log_edges)[:, None] * 2 * np.pi * np.diff(edges)
    return EffectiveArea(log_edges, edges, sums / per_bin)


def _sky_mean(area: EffectiveArea) -> F64:
    """Effective area at each energy, the mean over the sky."""
    return np.asarray(area.area_cm2.mean(axis=1))  # bands of equal solid angle


def _notes(path: Path, n: int, n_weighted: int, counts: I64) -> tuple[str, ...]:
    notes = []
    if n_weighted < n:
        notes.append(f"{n - n_weighted} of {n} events of {path.name} have ow 0: left out")
    if (counts < FEW).any():
        notes.append(
            f"{np.count_nonzero(counts < FEW)} of {len(counts)} bands of {path.name} have fewer than {FEW} simulated "
            f"events (the fewest: {counts.min()}): a larger data.mc_band_sin_dec holds more"
        )
    return tuple(notes)
