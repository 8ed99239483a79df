"""check_engine: load the engine of a spec, say what it lacks, and try whether it is as deterministic as it says."""

import json
import multiprocessing
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.base import rng
from worker.base.atomic import Written, write_all
from worker.base.errors import DagmakerError, SpecError
from worker.base.finding import Finding
from worker.engines.plugin import loading
from worker.engines.plugin.engine import Plugin, plugin_section
from worker.engines.protocol import Signal
from worker.spec.point import Point
from worker.spec.sections import Spec
from worker.spec.specfile import load
from worker.tasks import plugin_files

N_KEYS = 12
_CUT = 5
Rows = NDArray[np.void]


class Trial(NamedTuple):
    """What is tried: a point, with or without signal."""

    at: Point
    signal: Signal | None


class _Try(NamedTuple):
    """A way to make the same trials again, and which engines must give the same bits."""

    what: str
    claimed_by: frozenset[str]
    rows: Callable[[Sequence[Trial]], Iterable[Rows]]


def check_engine(spec_path: Path) -> dict[str, Any]:
    """Print a finding per line as JSON; returns them.

    Raises
    ------
    SpecError
        The plug-in lacks what the spec asks for, or is less deterministic than it says.
    """
    spec = load(spec_path)
    findings: list[Finding] = []
    for finding in _findings(spec, spec_path):
        findings.append(finding)
        print(json.dumps(finding._asdict()), flush=True)
    faults = [finding for finding in findings if finding.verdict == "fault"]
    if faults:
        raise SpecError("\n".join(f"{finding.what}: {finding.found}" for finding in faults))
    return {"findings": [finding._asdict() for finding in findings]}


def _findings(spec: Spec, spec_path: Path) -> Iterator[Finding]:
    if spec.engine.kind == "builtin":
        yield Finding("same", "the engine", "built-in: its bits are pinned by tests, and there is nothing to load")
        return
    section = plugin_section(spec)
    with tempfile.TemporaryDirectory(prefix="dagmaker-engine-") as name:
        folder = Path(name)
        for file, raw in loading.read_inputs(section):
            write_all(folder, [Written(PurePosixPath(file), raw)])
        engine = Plugin(spec, None, folder)
        yield Finding("same", f"the plug-in {section.label}: loads, and keeps to protocol 1", _described(engine))
        if faults := list(plugin_files.lacks(spec, engine.facts)):
            yield Finding("fault", f"the plug-in {section.label}: what the spec asks for", "; ".join(faults))
            return
        engine.prepare()
        plugin_files.try_out(spec, engine)
        what = f"the plug-in {section.label}: one trial of each kind"
        yield Finding("same", what, f"rows of {', '.join(engine.columns.names or ())}, numbers, and TS of 0 or more")
        yield from _determinism(spec, spec_path, engine, folder)


def _described(engine: Plugin) -> str:
    facts = engine.facts
    missing = "" if "flux" in facts.offers else "; no flux: results are in its own strength"
    offers = f"; offers {', '.join(facts.offers)}" if facts.offers else ""
    return f"deterministic = {facts.deterministic!r}, reads {', '.join(facts.reads) or 'nothing'}{offers}{missing}"


def _determinism(spec: Spec, spec_path: Path, engine: Plugin, folder: Path) -> Iterator[Finding]:
    """Make the same trials in six ways, at the first and last point, background and signal."""
    signal = Signal(spec.signal.n_sig[-1], spec.signal.gammas[0])
    tried = [
        Trial(at, kind) for at in dict.fromkeys((spec.all_points[0], spec.all_points[-1])) for kind in (None, signal)
    ]
    keys = rng.trial_keys((spec.seed & 0xFFFFFFFF, 0xC4EC), 0, N_KEYS)
    first = [engine.rows(trial.at, trial.signal, keys) for trial in tried]
    same: dict[str, bool] = {}
    for one in _tries(engine, keys, spec_path, folder):
        again = zip(tried, first, one.rows(tried), strict=True)
        faults = [str(trial.at) for trial, rows, other in again if not _equal(rows, other)]
        same[one.what] = not faults
        what = f"the plug-in {engine.facts.deterministic!r}: {one.what}"
        if not faults:
            yield Finding("same", what, f"the same bits ({len(tried)} times {N_KEYS} trials)")
        elif engine.deterministic in one.claimed_by:
            text = f"other bits at {faults[0]}; write deterministic = {_honest(same)!r}, or draw from the keys alone"
            yield Finding("fault", what, text)
        else:
            yield Finding("note", what, f"other bits at {faults[0]}, as it says")


def _honest(same: dict[str, bool]) -> str:
    """Return what a plug-in must say that fails a try so far."""
    return "no" if not all(found for what, found in same.items() if what in (_AGAIN, _PROCESS)) else "per-file"


_AGAIN, _PROCESS = "the same keys again", "the same keys in another process"


def _tries(engine: Plugin, keys: NDArray[np.uint64], spec_path: Path, folder: Path) -> Iterator[_Try]:
    def each(make: Callable[[Callable[[NDArray[np.uint64]], Rows]], Rows]) -> Callable[[Sequence[Trial]], list[Rows]]:
        def rows_of(tried: Sequence[Trial]) -> list[Rows]:
            return [make(partial(engine.rows, trial.at, trial.signal)) for trial in tried]

        return rows_of

    both, only = frozenset({"per-trial", "per-file"}), frozenset({"per-trial"})
    yield _Try(_AGAIN, both, each(lambda rows: rows(keys)))
    yield _Try(_PROCESS, both, partial(_elsewhere, spec_path, folder, keys))
    cut = each(lambda rows: np.concatenate([rows(keys[:_CUT]), rows(keys[_CUT:])]))
    yield _Try(f"cut after {_CUT} keys", only, cut)
    alone = each(lambda rows: np.concatenate([rows(keys[i : i + 1]) for i in range(N_KEYS)]))
    yield _Try("each key alone", only, alone)
    yield _Try("the keys in reversed order", only, each(lambda rows: rows(keys[::-1])[::-1]))


def _equal(one: Rows, other: Rows) -> bool:
    return one.shape == other.shape and one.tobytes() == np.ascontiguousarray(other).tobytes()


def _elsewhere(spec_path: Path, folder: Path, keys: NDArray[np.uint64], tried: Sequence[Trial]) -> Iterator[Rows]:
    """Make trials in a new process."""
    asked = [(trial.at.folder, trial.signal) for trial in tried]
    try:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            made, columns = pool.submit(_rows, spec_path, folder, asked, keys).result()
    except BrokenProcessPool:
        raise DagmakerError("the plug-in ended its process: run `worker prepare` to see where") from None
    dtype = np.dtype([(str(name), str(kind)) for name, kind in columns])
    yield from (np.frombuffer(raw, dtype) for raw in made)


def _rows(
    spec_path: Path, folder: Path, asked: Sequence[tuple[PurePosixPath, Signal | None]], keys: NDArray[np.uint64]
) -> tuple[list[bytes], Sequence[Any]]:
    """Bytes of the trials, and their columns: what can be sent to the parent process."""
    spec = load(spec_path)
    points, engine = {point.folder: point for point in spec.all_points}, Plugin(spec, None, folder)
    rows = [engine.rows(points[place], signal, keys) for place, signal in asked]
    return [one.tobytes() for one in rows], rows[0].dtype.descr
