"""Look-up in a nested dict: by exact keys, or by the nearest within a given tolerance."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from worker.base.errors import InputError

Key = str | int | float


def get(tree: Mapping[Any, Any], *keys: Key) -> Any:
    """Descend a tree by exact keys; 10 and 10.0 are the same.

    Parameters
    ----------
    tree : mapping
        As `get_all` gives it.
    *keys : str, int or float
        One for each level; may end above the last level.

    Returns
    -------
    value or subtree

    Raises
    ------
    InputError
        There is no such key; the message names the level, its keys and the nearest one.

    Examples
    --------
    >>> sig = {"dec": {5: {"nsig": {10.0: "trials of 10", 14.0: "trials of 14"}}}}
    >>> get(sig, "dec", 5, "nsig", 10)
    'trials of 10'
    >>> get(sig, "dec", 5, "nsig", 11)
    Traceback (most recent call last):
    worker.base.errors.InputError: dec 5 nsig: there is no 11; there are 10.0, 14.0; the nearest is 10.0
    """
    return _descend(tree, keys, None)


def get_best(tree: Mapping[Any, Any], *keys: Key, tolerance: float) -> Any:
    """As `get`, but takes the nearest number within `tolerance` at each level.

    Parameters
    ----------
    tree : mapping
        As `get_all` gives it.
    *keys : str, int or float
        One for each level.
    tolerance : float
        Largest difference, in the unit of the keys. There is no default: without a limit the nearest neighbour
        could be another grid point.

    Returns
    -------
    value or subtree

    Raises
    ------
    InputError
        None is so near, or two are equally near.

    Examples
    --------
    >>> get_best({4.999999: "five"}, 5, tolerance=1e-3)
    'five'
    """
    if not tolerance >= 0:
        raise InputError(f"tolerance = {tolerance}: give the largest difference that is the same point, such as 1e-6")
    return _descend(tree, keys, tolerance)


def _descend(tree: Any, keys: Sequence[Key], tolerance: float | None) -> Any:
    for i, key in enumerate(keys):
        where = " ".join(map(str, keys[:i])) or "the top"
        if not isinstance(tree, Mapping):
            raise InputError(f"{key!r}: the tree ends at {where}; ask for fewer keys")
        tree = tree[_match(tree, key, tolerance, where)]
    return tree


def _match(tree: Mapping[Any, Any], key: Key, tolerance: float | None, where: str) -> Any:
    if key in tree:
        return key
    numbers = sorted(_numbers(tree))
    if isinstance(key, str) or not numbers:
        raise InputError(f"{where}: there is no {key!r}; there are {_shown(list(tree))}")
    distance = sorted((abs(number - key), number) for number in numbers)
    if tolerance is None or distance[0][0] > tolerance:
        limit = "" if tolerance is None else f" within {tolerance:g}"
        raise InputError(
            f"{where}: there is no {key!r}{limit}; there are {_shown(numbers)}; the nearest is {distance[0][1]!r}"
        )
    if len(distance) > 1 and distance[1][0] == distance[0][0]:
        raise InputError(f"{where}: {distance[0][1]!r} and {distance[1][1]!r} are equally near to {key!r}; name one")
    return distance[0][1]


def _numbers(tree: Mapping[Any, Any]) -> Iterator[int | float]:
    return (key for key in tree if isinstance(key, (int, float)))


def _shown(keys: Sequence[Any]) -> str:
    return ", ".join(repr(key) for key in keys[:12]) + (f" and {len(keys) - 12} more" if len(keys) > 12 else "")
