"""A stream of trials cut into pieces, one per file; runs of equal pieces are stored as three numbers."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import overload

Cut = tuple[int, int]
"""(first, n): trials [first, first + n) of the stream."""

Run = tuple[int, int, int]
"""(first, n, count): `count` pieces of `n` trials each, one after the other from trial `first` on."""


class Cuts(Sequence[Cut]):
    """Pieces (first, n) of a stream, in its order; stored as runs of equal pieces, as plan.json has them."""

    __slots__ = ("_ends", "runs")

    def __init__(self, runs: Sequence[Run] = ()) -> None:
        self.runs = tuple((first, n, count) for first, n, count in runs)
        self._ends = tuple(accumulate(count for _, _, count in self.runs))

    @property
    def n_trials(self) -> int:
        """Trials of all pieces together."""
        return sum(n * count for _, n, count in self.runs)

    @property
    def largest(self) -> int:
        """Trials of the largest piece; 0 if there is none."""
        return max((n for _, n, _ in self.runs), default=0)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[Cut]:
        for first, n, count in self.runs:
            for i in range(count):
                yield first + i * n, n

    @overload
    def __getitem__(self, index: int) -> Cut: ...
    @overload
    def __getitem__(self, index: slice) -> "Cuts": ...
    def __getitem__(self, index: int | slice) -> "Cut | Cuts":
        if isinstance(index, slice):
            start, stop, _ = index.indices(len(self))
            return Cuts(tuple(self._between(start, stop)))
        position = range(len(self))[index]
        run = bisect_right(self._ends, position)
        first, n, count = self.runs[run]
        return first + (position - self._ends[run] + count) * n, n

    def _between(self, start: int, stop: int) -> Iterator[Run]:
        """Runs of the pieces [start, stop)."""
        for (first, n, count), end in zip(self.runs, self._ends, strict=True):
            low, high = max(start - (end - count), 0), min(stop - (end - count), count)
            if low < high:
                yield first + low * n, n, high - low

    def __contains__(self, piece: object) -> bool:
        return any(
            isinstance(piece, tuple) and piece[1] == n and piece[0] in range(first, first + n * count, n)
            for first, n, count in self.runs
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cuts) and self.runs == other.runs

    def __hash__(self) -> int:
        return hash(self.runs)

    def __repr__(self) -> str:
        return f"Cuts({self.runs})"


NO_CUTS = Cuts()


def cuts(n: int, per_file: int, first: int = 0) -> Cuts:
    """Cut [first, first + n) into pieces of `per_file`; the remainder is a shorter last piece, never dropped."""
    whole, rest = divmod(n, per_file)
    runs = ((first, per_file, whole), (first + whole * per_file, rest, 1))
    return Cuts([run for run in runs if run[1] * run[2]])


def even(n: int, pieces: int, first: int = 0) -> Cuts:
    """Cut [first, first + n) into `pieces` pieces whose sizes differ by at most one, the larger ones first."""
    pieces = max(1, min(pieces, n))
    size, more = divmod(n, pieces)
    runs = ((first, size + 1, more), (first + more * (size + 1), size, pieces - more))
    return Cuts([run for run in runs if run[1] * run[2]])
