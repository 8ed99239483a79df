"""Rectangular grids of (neutrino energy, declination) bins, found from the rows of a response file."""

from typing import NamedTuple

import numpy as np

from worker.data.dataset import F64, I64
from worker.data.table import Table
from worker.errors import InputError


class Grid(NamedTuple):
    """Bin edges of two axes and where each row of a table belongs.

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
        Gaps or overlaps between bins, or combinations that have no row.
    """
    first, i = _edges(table, 0)
    second, j = _edges(table, 2)
    n2 = len(second) - 1
    number = i * n2 + j
    missing = np.setdiff1d(np.arange((len(first) - 1) * n2), number)
    if missing.size:
        a, b = divmod(int(missing[0]), n2)
        raise InputError(
            f"{table.path}: {missing.size} bins of the grid have no row, the first is {table.columns[0]} {first[a]:g}, "
            f"{table.columns[2]} {second[b]:g}. The file is incomplete: get it again"
        )
    return Grid(first, second, number)


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
