"""Rectangular grids of (neutrino energy, declination) bins, found from the rows of a response file."""

from typing import NamedTuple

import numpy as np

from worker.base.errors import InputError
from worker.data.dataset import F64, I64
from worker.data.table import Table

_MOST_BINS = 1_000_000


class Grid(NamedTuple):
    """Bin edges of two axes, and the bin of each row of a table.

    Attributes
    ----------
    first, second : ndarray (n1 + 1,), (n2 + 1,)
        Edges, increasing.
    bin : ndarray (n_rows,), int64
        ``i * n2 + j`` of each row.
    """

    first: F64
    second: F64
    bin: I64

    @property
    def shape(self) -> tuple[int, int]:
        """Bins along the two axes."""
        return len(self.first) - 1, len(self.second) - 1


def grid_of(table: Table) -> Grid:
    """Grid of the bins whose edges are the first four columns (lo, hi of the first axis, lo, hi of the second).

    Raises
    ------
    InputError
        Gaps or overlaps between the bins of an axis.
    """
    first, i = _edges(table, 0)
    second, j = _edges(table, 2)
    n = (len(first) - 1) * (len(second) - 1)
    if n > _MOST_BINS:
        raise InputError(
            f"{table.path}: {n} bins of {table.columns[0]} and {table.columns[2]}: no response has more than "
            f"{_MOST_BINS}. Are the columns in the order of the header? Get the file again"
        )
    return Grid(first, second, i * (len(second) - 1) + j)


def values_on(table: Table, grid: Grid, values: F64) -> F64:
    """Arrange one value per row (n_rows,) as (n1, n2): every bin has exactly one row.

    Raises
    ------
    InputError
        A bin without a row, or with more than one.
    """
    n1, n2 = grid.shape
    rows = np.bincount(grid.bin, minlength=n1 * n2)
    if (rows == 1).all():
        out = np.empty(n1 * n2)
        out[grid.bin] = values
        return out.reshape(n1, n2)
    i, j = divmod(int(np.argmax(rows != 1)), n2)
    raise InputError(
        f"{table.path}: {np.count_nonzero(rows != 1)} of {n1 * n2} bins do not have exactly one row; the first, with "
        f"{rows[i * n2 + j]} rows, begins at {table.columns[0]} {grid.first[i]:g}, {table.columns[2]} "
        f"{grid.second[j]:g}. The file is incomplete, or parts of it are repeated: get it again"
    )


def _edges(table: Table, column: int) -> tuple[F64, I64]:
    lo, hi = table.values[:, column], table.values[:, column + 1]
    name = table.columns[column]
    table.refuse(hi <= lo, f"a bin of {name} whose upper edge is not above its lower one", "Get the file again")
    starts, at = np.unique(lo, return_inverse=True)
    edges = np.append(starts, hi.max())
    table.refuse(
        hi != edges[at + 1], f"a bin of {name} that leaves a gap to, or overlaps, the next one", "Get the file again"
    )
    return edges, at.astype(np.int64)
