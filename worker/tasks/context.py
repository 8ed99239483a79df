"""Inputs of every task: prepared data, engine, and digests of the output."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from worker.base import shell
from worker.base.errors import InputError, SpecError
from worker.base.task_rows import SIG_TRIALS
from worker.data.dataset import Dataset
from worker.data.prepared import unpack
from worker.engines.protocol import Described, Engine
from worker.engines.table import engine_of, require
from worker.rundir import layout, store
from worker.rundir.ledger import Run
from worker.spec import effects, levels, units
from worker.spec.point import Point
from worker.spec.sections import Spec
from worker.spec.specfile import digest
from worker.spec.trial_sections import Signal
from worker.tasks import engine_tables, plugin_files

if TYPE_CHECKING:
    from worker.hypotheses.protocol import Ensemble  # loads scipy, which trials do not need


def data_digest(run: Run) -> str:
    """Digest of the prepared data's content.

    Raises
    ------
    InputError
        The data are not prepared.
    """
    try:
        return store.load_record(run.path, layout.DATA).digest
    except InputError as error:
        first = shell.worker("prepare", f"--run={run.path}")
        raise InputError(f"{error} (`{first}` comes before all other tasks)") from None


def trial_digest(run: Run, kind: str, **more: Any) -> str:
    """Digest of data, seed, engine and `more`: all that a file of trials depends on besides its address."""
    base = {"kind": kind, "data": data_digest(run), "seed": run.spec.seed, **more}
    return digest({**engine_facts(run).identity, **base})


def gamma_of(signal: Signal, gamma: float | None) -> float:
    """The spectral index of a task; `gamma` is its argument, which may be None if the spec has one spectrum.

    Raises
    ------
    SpecError
        `gamma` is not in the spec, or is None and the spec has several.
    """
    shown = ", ".join(f"{known:g}" for known in signal.gammas)
    if gamma is None and len(signal.gammas) > 1:
        raise SpecError(
            f"--gamma is missing: signal.gamma has several ({shown}); write e.g. --gamma={signal.gammas[0]:g}"
        )
    if gamma is not None and gamma not in signal.gammas:
        raise SpecError(f"--gamma={gamma:g}: signal.gamma has {shown}; choose one of these, or add it there")
    return signal.gammas[0] if gamma is None else gamma


def level_of(signal: Signal, gamma: float | None) -> float | None:
    """The spectral index in directory names: None if the spec has one spectrum."""
    chosen = gamma_of(signal, gamma)
    return chosen if len(signal.gammas) > 1 else None


def signal_address(signal: Signal, gamma: float | None = None) -> Mapping[str, Any]:
    """The part of the spec that determines injected events."""
    return effects.address("signal", signal) | {"gamma": gamma_of(signal, gamma)}


def signal_digest(run: Run, gamma: float | None = None) -> str:
    """Digest of a file of signal trials."""
    return trial_digest(run, SIG_TRIALS, signal=signal_address(run.spec.signal, gamma))


_device_is_off = ContextVar("device_is_off", default=False)


@contextmanager
def no_device() -> Iterator[None]:
    """Use no CUDA device, whatever the spec says: results of a device are checked without one."""
    token = _device_is_off.set(True)
    try:
        yield
    finally:
        _device_is_off.reset(token)


def engine(run: Run, device: bool = False) -> Engine:
    """The engine with the prepared data, kept between the tasks of one process; on a device only if `device`.

    Raises
    ------
    InputError, SpecError
        The data are not prepared, or the engine cannot use them.
    """
    spec = run.spec if device and not _device_is_off.get() else without_device(run.spec)
    made = _engine(run.path, data_digest(run), spec)
    if spec.engine.kind == "plugin":
        plugin_files.require_same(run, made)
    return made


def engine_facts(run: Run) -> Described:
    """What is known of the engine without making trials: of a plug-in, what `worker prepare` has written down.

    Raises
    ------
    InputError
        A plug-in was not prepared.
    """
    if run.spec.engine.kind == "builtin":
        return engine_of(run.spec)
    from worker.engines.plugin.engine import Described as Plugin

    return Plugin(run.spec, plugin_files.facts(run))


def columns(run: Run) -> np.dtype[np.void]:
    """Columns of a file of trials."""
    return engine_facts(run).columns


def ensemble(run: Run) -> "Ensemble":
    """The scan of a run, with the columns of its engine; SpecError if it scans no sky."""
    from worker.hypotheses.table import ensemble_of  # needs scipy, which trials do not

    return ensemble_of(run.spec, columns(run))


def skies(run: Run, device: bool = False) -> Engine:
    """As `engine`, for tasks that scan skies; SpecError if the engine cannot scan."""
    return require(engine(run, device), run.spec.scan.needs)


@lru_cache(maxsize=1)
def _engine(path: Path, content: str, spec: Spec) -> Engine:
    if spec.engine.kind == "plugin":
        return engine_of(spec, _dataset(path, content), plugin_files.folder(path))
    kept = engine_tables.kept(path, content, engine_of(without_device(spec)).identity)
    return engine_of(spec, _dataset(path, content), kept=kept)


def dataset_of(run: Run) -> Dataset:
    """The prepared data; kept between the tasks of one process."""
    return _dataset(run.path, data_digest(run))


@lru_cache(maxsize=1)
def _dataset(path: Path, content: str) -> Dataset:
    return unpack(store.load_arrays(path, layout.DATA, content))


def without_device(spec: Spec) -> Spec:
    """The spec with ``gpu: false``."""
    if not spec.resources.gpu:
        return spec
    return spec.model_copy(update={"resources": spec.resources.model_copy(update={"gpu": False})})


def with_engine_notes(dataset: Dataset, spec: Spec) -> Dataset:
    """The same data, with the engine's remarks on background densities added to the notes of each season.

    Raises
    ------
    InputError, SpecError
        The engine cannot use them.
    """
    if not dataset.seasons:  # those of a plug-in
        return dataset
    return _with_notes(dataset, engine_of(without_device(spec), dataset).notes())


def with_notes_or_refusal(dataset: Dataset, spec: Spec) -> Dataset:
    """As `with_engine_notes`, but an error becomes a note: for data that no run has prepared."""
    return _or_refusal(dataset, lambda: engine_of(without_device(spec), dataset))


def described(run: Run) -> Dataset:
    """Prepared data of a run with the notes of its engine, or with the error of an engine that cannot use them.

    Raises
    ------
    InputError
        The data are not prepared.
    """
    return _or_refusal(dataset_of(run), lambda: engine(run))


def _or_refusal(dataset: Dataset, of: Callable[[], Engine]) -> Dataset:
    if not dataset.seasons:  # those of a plug-in
        return dataset
    try:
        return _with_notes(dataset, of().notes())
    except (InputError, SpecError) as error:
        return _with_notes(dataset, [(f"`worker prepare` refuses these data: {error}",)] * len(dataset.seasons))


def with_densities(dataset: Dataset, spec: Spec) -> Engine | None:
    """The engine, if it has densities and accepts the data."""
    if not dataset.seasons:  # those of a plug-in
        return None
    try:
        engine = engine_of(without_device(spec), dataset)
    except (InputError, SpecError):
        return None
    return engine if "densities" in engine.supports else None


def _with_notes(dataset: Dataset, more: Sequence[tuple[str, ...]]) -> Dataset:
    seasons = (
        replace(season, notes=tuple(dict.fromkeys(season.notes + notes)))
        for season, notes in zip(dataset.seasons, more, strict=True)
    )
    return replace(dataset, seasons=tuple(seasons))


def point(spec: Spec, dec_deg: float | None, name: str | None = None) -> Point:
    """Point of a task's argument ``--point``, or ``--dec``: on the background grid or not.

    Raises
    ------
    SpecError
        The spec has no such point, or not the kind of points of this argument, or a declination off the grid would
        have no directory name of its own.
    """
    if spec.hypothesis.lists_points:
        return _listed(spec, dec_deg, name)
    if name is not None:
        raise SpecError(f"--point={name}: the points of this analysis are declinations; write --dec=DEC in its place")
    if dec_deg is None:
        raise SpecError(f"--dec is missing; write e.g. --dec={spec.background.decs[0]:g}")
    places = levels.decimals(spec.background.decs)
    known = dec_deg in spec.background.decs or spec.small_angles
    note = None if known else units.dec_note(dec_deg)
    if abs(round(dec_deg, places) - dec_deg) > 1e-9:
        raise SpecError(
            f"--dec={dec_deg:g}: the directories of this analysis have {places} decimals, so this declination has no "
            f"name of its own; choose one of background.dec_deg or add it there{f' ({note})' if note else ''}"
        )
    if note:
        print(f"--dec={dec_deg:g}: {note}")
    return spec.at(dec_deg)


def _listed(spec: Spec, dec_deg: float | None, name: str | None) -> Point:
    """Point of a spec with a list of points."""
    example = spec.all_points[0].folder.name
    if dec_deg is not None:
        raise SpecError(f"--dec={dec_deg:g}: this analysis has a list of points; write e.g. --point={example}")
    if name is None:
        raise SpecError(f"--point is missing; write e.g. --point={example}")
    return spec.point_of({"point": name})
