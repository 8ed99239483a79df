"""Effective area and smearing matrix of the published track releases, on any grid."""

from pathlib import Path

import numpy as np

from worker.base import fmath
from worker.base.errors import InputError
from worker.data.check import ENOUGH, LEAST_LOG_E, MOST_LOG_E, check_area
from worker.data.dataset import F64, I64, EffectiveArea, Smearing
from worker.data.grid import grid_of, values_on
from worker.data.table import Progress, Table, read_table

_E_NU = ("log10(E_nu/GeV)_min", "log10(E_nu/GeV)_max")
_DEC_NU = ("Dec_nu_min[deg]", "Dec_nu_max[deg]")
_AREA = (*_E_NU, *_DEC_NU, "A_Eff[cm^2]")
_CELL = (
    *("log10(E/GeV)_min", "log10(E/GeV)_max"),
    *("PSF_min[deg]", "PSF_max[deg]"),
    *("AngErr_min[deg]", "AngErr_max[deg]"),
    "Fractional_Counts",
)
_SMEARING = (*_E_NU, *_DEC_NU, *_CELL)
_SUM_TOLERANCE = 0.1
_LEAST_MEDIAN_DEG = 0.05


def read_area(path: Path) -> EffectiveArea:
    """Read the effective area in cm^2 on the grid of the file.

    Raises
    ------
    InputError
        Damaged file, negative area, a grid with holes or one that does not span all declinations.
    """
    table = read_table(path, _AREA)
    _check_energies(table)
    area = table.column("A_Eff[cm^2]")
    table.refuse(area < 0, "a negative effective area", "Get the file again")
    check_area(str(path), float(area.max()))
    grid = grid_of(table)
    by_bin = values_on(table, grid, area)
    # not np.sin: its last bit differs between processors
    sin_dec = np.array([fmath.sin(float(dec)) for dec in _declinations(path, grid.second)])
    return EffectiveArea(grid.first, sin_dec, by_bin)


def _declinations(path: Path, edges_deg: F64) -> F64:
    if edges_deg[0] != -90 or edges_deg[-1] != 90:
        raise InputError(
            f"{path}: declination bins span {edges_deg[0]:g} to {edges_deg[-1]:g}, not -90 to 90 deg. "
            "Are they in degrees? Is the file whole?"
        )
    return np.asarray(np.deg2rad(edges_deg))


def read_smearing(path: Path, progress: Progress | None = None) -> tuple[Smearing, tuple[str, ...]]:
    """Read the cells with non-zero weight, in radians; the weights of each (E_nu, dec) bin sum to 1.

    Rows with Fractional_Counts 0 are checked and dropped. A bin without rows is empty: releases leave out zeros.

    Returns
    -------
    smearing : Smearing
    notes : tuple of str
        About empty bins, and weights that were rescaled by more than rounding.

    Raises
    ------
    InputError
        Damaged file, a cell with impossible edges, weights that are far from summing to 1.
    """
    table = read_table(path, _SMEARING, n_key=4, progress=progress)
    _check_energies(table)
    grid = grid_of(table)
    keep = table.column("Fractional_Counts") != 0
    table = table._replace(values=table.values[keep], lines=table.lines[keep])
    if not keep.any():
        raise InputError(f"{path}: every Fractional_Counts is 0: this is no smearing matrix. Get the file again")
    _check_cells(table)
    number = grid.bin[keep]
    sums: F64 = np.bincount(number, table.column("Fractional_Counts"), grid.shape[0] * grid.shape[1]).astype(float)
    notes = _check_sums(table, grid.shape[1], number, sums)
    start, cells = _cells(table, number, sums)
    return Smearing(grid.first, _declinations(path, grid.second), start, cells), notes


def _cells(table: Table, number: I64, sums: F64) -> tuple[I64, np.ndarray]:
    """Slices of the bins, and the cells (n, 7) ordered by bin and otherwise as in the file."""
    cells = table.values[:, 4:].copy()
    cells[:, 2:6] = np.deg2rad(cells[:, 2:6])
    cells[:, 6] /= sums[number]
    order = np.argsort(number, kind="stable")
    start = np.searchsorted(number[order], np.arange(len(sums) + 1)).astype(np.int64)
    return start, cells[order].astype(np.float32)


def _check_energies(table: Table) -> None:
    bad = np.abs(table.values[:, :2]).max(axis=1) > MOST_LOG_E
    table.refuse(bad, f"an impossible {_E_NU[0]}", "It is the log10 of an energy in GeV. Get the file again")
    table.refuse(table.values[:, 0] < 0, f"{_E_NU[0]} below 0, which is 1 GeV", "Is it the log10 of TeV? Add 3")


def _check_cells(table: Table) -> None:
    cure = "Get the file again"
    for lo, hi in zip(_CELL[0:6:2], _CELL[1:6:2], strict=True):
        table.refuse(table.column(hi) < table.column(lo), f"{hi} below {lo}", cure)
    bad = np.abs(table.values[:, 4:6]).max(axis=1) > MOST_LOG_E
    table.refuse(bad, "an impossible log10(E/GeV)", cure)
    for name, top in (("PSF", 180.0), ("AngErr", 180.0)):
        bad = (table.column(f"{name}_min[deg]") < 0) | (table.column(f"{name}_max[deg]") > top)
        table.refuse(bad, f"{name} outside 0 to {top:g} deg", cure)
    table.refuse(table.column("Fractional_Counts") < 0, "negative Fractional_Counts", cure)
    if len(table.values) > ENOUGH:
        _check_units(table)


def _check_units(table: Table) -> None:
    """Units of many cells: angles in degrees, energies as log10 of GeV."""
    for name in ("PSF", "AngErr"):
        middle = float(np.median(table.column(f"{name}_max[deg]")))
        if middle < _LEAST_MEDIAN_DEG:
            raise InputError(
                f"{table.path}: the median of {name}_max[deg] is {middle:.3g}: no such detector measures so well in "
                "degrees, so these are radians. Convert them to degrees"
            )
    middle = float(np.median(table.column(_CELL[1])))
    if middle < LEAST_LOG_E:
        raise InputError(
            f"{table.path}: the median of {_CELL[1]} is {middle:.3g}: is it the log10 of TeV? Add 3, for GeV"
        )


def _check_sums(table: Table, n_dec: int, number: I64, sums: F64) -> tuple[str, ...]:
    filled = sums > 0
    off = np.abs(sums - 1) * filled
    worst = int(np.argmax(off))
    if off[worst] > _SUM_TOLERANCE:
        line = table.lines[np.argmax(number == worst)]
        raise InputError(
            f"{table.path}:{line}: the Fractional_Counts of the bin that starts here (energy bin {worst // n_dec}, "
            f"declination bin {worst % n_dec}) sum to {sums[worst]:.6g}, not 1: rows are missing, repeated or "
            "damaged. Get the file again"
        )
    notes = []
    if not filled.all():
        notes.append(f"{np.count_nonzero(~filled)} of {len(sums)} (E_nu, dec) bins of {table.path.name} are empty")
    if off[worst] > 1e-6:
        n = np.count_nonzero(off > 1e-6)
        notes.append(f"weights of {n} bins of {table.path.name} summed to 1 only within {off[worst]:.2g}: rescaled")
    return tuple(notes)
