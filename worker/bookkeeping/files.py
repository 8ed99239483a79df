"""Every file below a folder, merged folder by folder, as a nested dict."""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base.arrays import BadFormatError, parse_npy, parse_npz
from worker.base.errors import InputError
from worker.base.reading import file_bytes
from worker.bookkeeping.lookup import Key

_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
_PART = re.compile(r"first_\d+")  # folders of one point whose files are many (`worker.rundir.layout.part_dir`)
_STREAM = re.compile(r"(?P<kind>\w+?)__N_(?P<n>\d+)_seed_(?P<seed>\d+)(_first_(?P<first>\d+))?\.np[yz]")
_PICKLE = (
    "it holds pickled Python objects, which can run any code when they are loaded; pass allow_pickle=True "
    "if you made this file yourself"
)


class _Stream(NamedTuple):
    """The trials of a stream that a file has, from its name."""

    kind: str
    seed: int
    first: int
    n: int
    path: Path


def concatenate(items: Sequence[Any]) -> Any:
    """Concatenate the contents of the files of one folder: arrays, or mappings of arrays name by name.

    Columns of structured arrays may be in different orders, as csky's and ours are; the first array decides.

    Parameters
    ----------
    items : sequence
        Content of each file.

    Returns
    -------
    ndarray or dict of ndarray

    Raises
    ------
    InputError
        Different columns.

    Examples
    --------
    >>> concatenate([np.arange(2), np.arange(3)]).tolist()
    [0, 1, 0, 1, 2]
    """
    first = items[0]
    if isinstance(first, Mapping):
        _same({tuple(sorted(item)) for item in items})
        return {name: np.concatenate([item[name] for item in items]) for name in first}
    if first.dtype.names:
        _same({tuple(sorted(item.dtype.names or ())) for item in items})
        return np.concatenate([item[list(first.dtype.names)].astype(first.dtype) for item in items])
    return np.concatenate(items)


def _same(columns: set[tuple[str, ...]]) -> None:
    if len(columns) > 1:
        shown = " and ".join(f"({', '.join(names)})" for names in sorted(columns)[:2])
        raise InputError(f"the files of one folder have different columns: {shown}; they are not trials of one kind")


def get_all(
    dir: str | Path,  # noqa: A002 (the name that csky's users know)
    pattern: str = "trials*npy",
    merge: Callable[[Sequence[Any]], Any] = concatenate,
    post_convert: Callable[[Any], Any] | None = None,
    *,
    allow_pickle: bool = False,
    allow_overlap: bool = False,
) -> Any:
    """Every file below a folder, merged folder by folder.

    Parameters
    ----------
    dir : path
        Root of the tree, such as RUN/trials/NAME/sig or RUN/trials/NAME/bg/dec.
    pattern : str
        Of file names, as in a shell.
    merge : callable
        Applied to the list of contents of a folder's files; ``numpy.concatenate`` works too.
    post_convert : callable, optional
        Applied to the merged content: `worker.stats.TSD.from_trials` for background trials.
    allow_pickle : bool
        Load pickled objects, such as a dict that was given to ``numpy.save``. Only for files that you trust.
    allow_overlap : bool
        Merge files of one stream that share trials (by their names: same seed, overlapping trials).

    Returns
    -------
    nested dict
        Keyed by folder names; numbers are converted, so that ``+005`` is 5 and ``010.0`` is 10.0. Folders without
        such files are left out; folders named first_0250000, with further files of a point, are merged into their
        parent. If `dir` itself has the files: their merged content.

    Raises
    ------
    InputError
        No such file, a damaged one, two that share trials, two folders of one value, or a folder with both files and
        folders of files.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as root:
    ...     for name in ("dec/+005", "dec/-015"):
    ...         folder = Path(root) / "bg" / name
    ...         folder.mkdir(parents=True)
    ...         np.save(folder / "trials__N_000002_seed_0000.npy", np.array([0.0, 1.5]))
    ...     bg = get_all(Path(root) / "bg")
    >>> bg["dec"][5].tolist(), sorted(bg["dec"])
    ([0.0, 1.5], [-15, 5])
    """
    root = Path(dir)
    if not root.is_dir():
        raise InputError(f"{root}: there is no such folder; give the root of a tree of trials, or a folder in it")
    tree = _folder(root, pattern, allow_overlap, lambda paths: _load(paths, merge, post_convert, allow_pickle))
    if tree is None:
        raise InputError(f"{root}: there is no file {pattern} in or below this folder; check both")
    return tree


def _folder(root: Path, pattern: str, allow_overlap: bool, load: Callable[[list[Path]], Any]) -> Any:
    """Return the content of a folder; None if it has no files."""
    files = [path for path in root.glob(pattern) if path.is_file()]
    folders = {}
    for path in sorted(path for path in root.iterdir() if path.is_dir()):
        if _PART.fullmatch(path.name):
            files += [file for file in path.glob(pattern) if file.is_file()]
            continue
        below = _folder(path, pattern, allow_overlap, load)
        if below is None:
            continue
        key = _key(path.name)
        if key in folders:
            raise InputError(f"{path}: another folder beside this one has the same value, {key}; rename or merge them")
        folders[key] = below
    if files and folders:
        raise InputError(f"{root}: files {pattern} lie here and in folders below; choose one kind")
    return load(_ordered(files, allow_overlap)) if files else folders or None


def _key(name: str) -> Key:
    if not _NUMBER.fullmatch(name):
        return name
    value = float(name) + 0.0
    return value if "." in name else int(value)


def _ordered(files: list[Path], allow_overlap: bool) -> list[Path]:
    """Sort files by stream and first trial; files with other names follow by name."""
    streams, others = [], []
    for path in files:
        match = _STREAM.fullmatch(path.name)
        if match:
            first = int(match["first"] or 0)
            streams.append(_Stream(match["kind"], int(match["seed"]), first, int(match["n"]), path))
        else:
            others.append(path)
    streams.sort()
    for earlier, later in pairwise(streams):
        if earlier[:2] == later[:2] and earlier.first + earlier.n > later.first and not allow_overlap:
            raise InputError(
                f"{later.path}: shares trials with {earlier.path.name} (seed {earlier.seed}): they would count twice; "
                "remove one, choose with the pattern, or pass allow_overlap=True"
            )
    return [stream.path for stream in streams] + sorted(others)


def _load(
    paths: list[Path],
    merge: Callable[[Sequence[Any]], Any],
    post_convert: Callable[[Any], Any] | None,
    allow_pickle: bool,
) -> Any:
    items = [_read(path, allow_pickle) for path in paths]
    try:
        merged = merge(items)
    except InputError as error:
        raise InputError(f"{paths[0].parent}: {error}") from None
    return merged if post_convert is None else post_convert(merged)


def _read(path: Path, allow_pickle: bool) -> Any:
    """Return the array of a ``.npy`` file, the dict of arrays of a ``.npz`` file, or a pickled object."""
    try:
        raw = file_bytes(path)
        if path.suffix == ".npz":
            return parse_npz(raw)
        return parse_npy(raw)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except BadFormatError as error:
        if "Python objects" not in str(error):
            raise InputError(f"{path}: {error}; make it again, or leave it out with the pattern") from None
        if not allow_pickle:
            raise InputError(f"{path}: {_PICKLE}") from None
    loaded: NDArray[Any] = np.load(path, allow_pickle=True)
    return loaded.item() if loaded.ndim == 0 else loaded
