"""A stream of trials in pieces."""

Cut = tuple[int, int]
"""(first, n): trials [first, first + n) of the stream."""


def cuts(n: int, per_file: int) -> tuple[Cut, ...]:
    """Cut [0, n) into pieces of `per_file`; the remainder is a shorter last piece, never dropped."""
    return tuple((first, min(per_file, n - first)) for first in range(0, n, per_file))


def even(n: int, pieces: int) -> tuple[Cut, ...]:
    """[0, n) in `pieces` pieces that differ by at most one, the larger ones first; nothing is dropped."""
    pieces = max(1, min(pieces, n))
    size, more = divmod(n, pieces)
    return tuple((i * size + min(i, more), size + (i < more)) for i in range(pieces))
