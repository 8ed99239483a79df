"""What the tutorial says that csky's bookkeeping does with a tree, written from its public description alone.

Files that match a pattern are loaded with ``numpy.load``, combined per directory, converted, and put into nested
dicts keyed by directory names, numbers where they are numbers; look-up takes the nearest number. It shares no code
with `worker.bookkeeping`, and knows nothing of ours.
"""

import fnmatch
from pathlib import Path
from typing import Any

import numpy as np


class Columns:
    """Columns of equal length, from a structured array."""

    def __init__(self, array: np.ndarray) -> None:
        self.columns = {name: array[name] for name in array.dtype.names}

    def __repr__(self) -> str:
        n = len(next(iter(self.columns.values())))
        return f"Arrays({n} items | columns: {', '.join(sorted(self.columns))})"


def label(name: str) -> Any:
    for kind in (int, float):
        try:
            return kind(name)
        except ValueError:
            pass
    return name


def get_all(base: str, pattern: str, merge: Any = None, post_convert: Any = None) -> tuple[dict[Any, Any], int]:
    """The nested dict, and how many files were loaded."""
    out: dict[Any, Any] = {}
    count = 0
    for folder in sorted(path for path in Path(base).rglob("*") if path.is_dir()):
        mine = sorted(fnmatch.filter([path.name for path in folder.iterdir()], pattern))
        if not mine:
            continue
        items = [np.load(folder / name) for name in mine]
        count += len(items)
        value = merge(items) if merge else items[0]
        value = post_convert(value) if post_convert else value
        *levels, last = folder.relative_to(base).parts
        at = out
        for level in levels:
            at = at.setdefault(label(level), {})
        at[label(last)] = value
    return out, count


def get_best(tree: dict[Any, Any], *keys: Any) -> Any:
    """Descend; where a number is not there, the nearest one."""
    for key in keys:
        tree = tree[key] if key in tree else tree[min(tree, key=lambda k: abs(k - key))]
    return tree
