"""RUN/prepared/tables.npz: what the engine of this package made in `prepare`, so that no later process makes it again.

It only saves time: a process makes itself what the file lacks, and all of it if the file is damaged or of another
analysis. A review makes the file again and compares it.
"""

import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.base.arrays import parse_npy
from worker.base.errors import InputError
from worker.base.task_rows import PREPARE
from worker.engines.protocol import Engine
from worker.rundir import layout, store
from worker.rundir.ledger import Run
from worker.rundir.record import measure
from worker.spec.sections import Spec
from worker.spec.specfile import digest

Arrays = Mapping[str, NDArray[Any]]


class _Lazy(Arrays):
    """Arrays of an ``.npz`` file, each read and checked when it is asked for; a damaged one is missing."""

    def __init__(self, path: Path) -> None:
        self._path, self._archive = path, zipfile.ZipFile(path)
        self._names = [name.removesuffix(".npy") for name in self._archive.namelist()]

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._names:
            raise KeyError(name)
        try:
            return parse_npy(self._archive.read(f"{name}.npy"))
        except Exception as error:  # a damaged archive fails in a dozen ways
            _note(self._path, f"its array {name} is damaged ({type(error).__name__})")
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def digest_of(content: str, engine: Mapping[str, Any]) -> str:
    """Digest of all that decides the tables; `content` is that of the data, `engine` the identity of the engine."""
    return digest({**engine, "kind": "tables", "data": content})


def write(run: Run, content: str, engine: Engine) -> None:
    """Let the engine prepare, and write what it keeps."""
    with measure(PREPARE, _places(run.spec), digest_of(content, engine.identity)) as meter:
        arrays = engine.prepare()
        record = meter.record(len(arrays))
    store.save_arrays(run.path, layout.TABLES, arrays, record, compress=True)


def is_done(run: Run, content: str, engine: Mapping[str, Any]) -> bool:
    """Whether the file is complete, of this analysis, and made for all its places."""
    if store.state(run.path, layout.TABLES, None, None, digest_of(content, engine)) != "done":
        return False
    return dict(store.load_record(run.path, layout.TABLES).args) == _places(run.spec)


def kept(run: Path, content: str, engine: Mapping[str, Any]) -> Arrays:
    """Return the arrays of the file; none if there is no file that can be used."""
    path = run / layout.TABLES
    if not path.exists():
        return {}
    try:
        if store.load_record(run, layout.TABLES).digest != digest_of(content, engine):
            _note(path, "it is of another analysis")
            return {}
        return _Lazy(path)
    except (InputError, OSError, zipfile.BadZipFile) as error:
        _note(path, str(error))
        return {}


def same(first: Arrays, second: Arrays) -> bool:
    """Whether two sets of arrays have the same names and bits."""
    return first.keys() == second.keys() and all(
        one.dtype == second[name].dtype and one.shape == second[name].shape and np.array_equal(one, second[name])
        for name, one in first.items()
    )


def _places(spec: Spec) -> dict[str, Any]:
    """The part of the spec that says where sources are."""
    scan = spec.scan.model_dump(mode="json")
    return {"places": digest({"points": [str(point.folder) for point in spec.all_points], "scan": scan})}


def _note(path: Path, why: str) -> None:
    print(
        f"{path}: {why}: this process makes its tables itself; `worker prepare` makes the file anew",
        file=sys.stderr,
    )
