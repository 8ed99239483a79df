"""What every task begins with: the opened run, the prepared data, and the digests of what it makes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.base.errors import InputError, SpecError
from worker.base.task_rows import SIG_TRIALS
from worker.data.dataset import Dataset
from worker.data.prepared import unpack
from worker.engines.builtin import analysis as engine
from worker.engines.builtin import support
from worker.engines.builtin.response import LN10, Spectrum
from worker.engines.builtin.scan import rings_of
from worker.engines.builtin.trials import Point, point_at
from worker.rundir import layout, store
from worker.rundir.ledger import Run
from worker.spec import effects, levels, units
from worker.spec.fields import Model
from worker.spec.scan import HealpixScan
from worker.spec.sections import Likelihood, Signal, Spec
from worker.spec.specfile import digest

F64 = NDArray[np.float64]

ENGINE = 3
"""Raised by every change that changes a bit of a trial: old files are then foreign.

Densities, signal tables and random addresses count too: they are made anew by every process (tests/engine/golden.py).
"""
GPU_ENGINE = 2
"""Likewise for trials made on a device, whose last bits are others."""


def data_digest(run: Run) -> str:
    """Digest of the prepared data's content.

    Raises
    ------
    InputError
        If the data are not prepared.
    """
    try:
        return store.load_record(run.path, layout.DATA).digest
    except InputError as error:
        raise InputError(f"{error} (`worker prepare --run={run.path}` comes before all other tasks)") from None


def trial_digest(run: Run, kind: str, **more: Any) -> str:
    """What a file of trials depends on besides its address: data, likelihood, seed, engine, and `more`."""
    return digest(
        {
            "engine": ENGINE,
            "kind": kind,
            "data": data_digest(run),
            "likelihood": _addressed("likelihood", run.spec.likelihood),
            "seed": run.spec.seed,
            **({"device": f"cuda {GPU_ENGINE}"} if run.spec.resources.gpu else {}),
            **more,
        }
    )


def _addressed(section: str, values: Model) -> dict[str, Any]:
    """What trials depend on, of a section; an extension of 0 is what it was before there was one."""
    found = values.model_dump(mode="json", include=effects.keys("identity")[section])
    return {key: value for key, value in found.items() if key != "extension_deg" or value}


def gamma_of(signal: Signal, gamma: float | None) -> float:
    """The spectral index that a task means.

    Parameters
    ----------
    gamma : float or None
        As the task was given it; None where the spec has but one.

    Raises
    ------
    SpecError
        If it is not one of the spec's, or is missing where there are several.
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
    """The index in directory names: None where the spec has but one."""
    chosen = gamma_of(signal, gamma)
    return chosen if len(signal.gammas) > 1 else None


def signal_address(signal: Signal, gamma: float | None = None) -> Mapping[str, Any]:
    """The part of the spec that decides what an injected event looks like."""
    return _addressed("signal", signal) | {"gamma": gamma_of(signal, gamma)}


def signal_digest(run: Run, gamma: float | None = None) -> str:
    """Digest of a file of signal trials."""
    return trial_digest(run, SIG_TRIALS, signal=signal_address(run.spec.signal, gamma))


def spectrum(signal: Signal, gamma: float | None = None) -> Spectrum:
    """The injected spectrum."""
    index = gamma_of(signal, gamma)
    if signal.cutoff_tev is None:
        return Spectrum(index)
    return Spectrum(index, fmath.log(signal.cutoff_tev) / LN10 + 3.0)


def cuts(likelihood: Likelihood) -> engine.Cuts:
    """Bounds and cuts of the likelihood in the engine's units."""
    n = round((likelihood.gamma_max - likelihood.gamma_min) / likelihood.gamma_step)
    return engine.Cuts(
        likelihood.gamma_min + likelihood.gamma_step * np.arange(n + 1, dtype=np.float64),
        likelihood.cut_n_sigma,
        float(np.radians(likelihood.sigma_floor_deg)),
        float(np.radians(likelihood.sigma_max_deg)),
        float(np.radians(likelihood.extension_deg)),
    )


def analysis(run: Run) -> engine.Analysis:
    """The engine's view of the prepared data; kept between the tasks of one process."""
    return _analysis(run.path, data_digest(run), run.spec)


@lru_cache(maxsize=1)
def _analysis(path: Path, content: str, spec: Spec) -> engine.Analysis:
    return built(unpack(store.load_arrays(path, layout.DATA, content)), spec)


def built(dataset: Dataset, spec: Spec) -> engine.Analysis:
    """The engine's view of data.

    Raises
    ------
    InputError
        If a season has too few events.
    SpecError
        If there is no background where the spec has a source.
    """
    support.require_seasons(dataset)
    made = engine.build(dataset, cuts(spec.likelihood))
    support.require(made, source_decs(spec))
    return made


def noted(dataset: Dataset, spec: Spec) -> Dataset:
    """The same data, with what is to be known of their background densities among the notes of each season.

    Raises
    ------
    InputError, SpecError
        As `built`.
    """
    made = built(dataset, spec)
    return _with_notes(dataset, [support.notes(made, j) for j in range(made.n_seasons)])


def judged(dataset: Dataset, spec: Spec) -> Dataset:
    """As `noted`, but a refusal is a note too: for pages about data, and of runs that an earlier version prepared."""
    try:
        return noted(dataset, spec)
    except (InputError, SpecError) as error:
        return _with_notes(dataset, [(f"`worker prepare` refuses these data: {error}",)] * len(dataset.seasons))


def _with_notes(dataset: Dataset, more: Sequence[tuple[str, ...]]) -> Dataset:
    seasons = (
        replace(season, notes=tuple(dict.fromkeys(season.notes + notes)))
        for season, notes in zip(dataset.seasons, more, strict=True)
    )
    return replace(dataset, seasons=tuple(seasons))


def source_decs(spec: Spec) -> F64:
    """Declinations of all sources of an analysis (rad): background grid, rings of the maps, list of sources."""
    decs = [np.radians(spec.background.decs)]
    if isinstance(spec.scan, HealpixScan):
        limits = [float(np.radians(edge)) for edge in (spec.scan.dec_min_deg, spec.scan.dec_max_deg)]
        decs += [rings_of(nside, *limits).dec for nside in (spec.scan.nside, spec.scan.map_nside) if nside]
    else:
        decs.append(np.radians([entry.dec_deg for entry in spec.scan.entries]))
    return np.unique(np.concatenate(decs))


@lru_cache(maxsize=4)
def _point(path: Path, content: str, spec: Spec, dec_deg: float) -> Point:
    made, dec = _analysis(path, content, spec), float(np.radians(dec_deg))
    support.require(made, dec)
    return point_at(made, dec)


def point(run: Run, dec_deg: float) -> Point:
    """A declination ready for trials; kept between the tasks of one process."""
    return _point(run.path, data_digest(run), run.spec, dec_deg)


def dec_places(run: Run, dec_deg: float) -> int:
    """Decimals of the declination level in directory names.

    Raises
    ------
    SpecError
        If a declination off the grid would not have a name of its own at that many decimals.
    """
    places = levels.decimals(run.spec.background.decs)
    known = dec_deg in run.spec.background.decs or run.spec.small_angles
    note = None if known else units.dec_note(dec_deg)
    if abs(round(dec_deg, places) - dec_deg) > 1e-9:
        raise SpecError(
            f"--dec={dec_deg:g}: the directories of this analysis have {places} decimals, so this declination has no "
            f"name of its own; choose one of background.dec_deg or add it there{f' ({note})' if note else ''}"
        )
    if note:
        print(f"--dec={dec_deg:g}: {note}")
    return places
