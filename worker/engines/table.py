"""Table of engines, and the engine of a spec."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from worker.base.errors import SpecError
from worker.base.startup import light_import
from worker.data.dataset import Dataset
from worker.engines.protocol import Engine
from worker.spec.sections import Spec

Arrays = Mapping[str, NDArray[Any]]
Maker = Callable[[Spec, Dataset | None, Arrays], Engine]


@cache
def builtin() -> Maker:
    """Load the likelihood of this package."""
    with light_import():
        from worker.engines.builtin.engine import Builtin

    def made(spec: Spec, dataset: Dataset | None, kept: Arrays) -> Engine:
        make: Any = _TIMED[spec.hypothesis.kind]() if spec.hypothesis.kind in _TIMED else Builtin
        engine: Engine = make(spec, dataset, kept)
        return engine

    return made


@cache
def _windows() -> Any:
    """Load the same for windows in time."""
    with light_import():
        from worker.engines.builtin.window_engine import WindowEngine
    return WindowEngine


@cache
def _flares() -> Any:
    """Load the same for flares of unknown time."""
    with light_import():
        from worker.engines.builtin.flare_engine import FlareEngine
    return FlareEngine


_TIMED: dict[str, Callable[[], Any]] = {"window": _windows, "flare": _flares}
"""Hypotheses about time, whose engines are modules of their own."""

ENGINES: dict[str, Callable[[], Maker]] = {"builtin": builtin}
"""Engines of this package; others are plug-ins."""


def engine_of(
    spec: Spec, dataset: Dataset | None = None, folder: Path = Path(), kept: Arrays = MappingProxyType({})
) -> Engine:
    """Return the engine of a spec; trials need data.

    Parameters
    ----------
    folder : Path
        Files of a plug-in.
    kept : mapping of str to ndarray
        What `Engine.prepare` returned; a plug-in keeps files instead.

    Raises
    ------
    InputError, SpecError
        It cannot use the data, or is a plug-in that cannot be used.
    """
    if spec.engine.kind == "plugin":
        from worker.engines.plugin.engine import Plugin

        return Plugin(spec, dataset, folder)
    return ENGINES[spec.engine.kind]()(spec, dataset, kept)


def require(engine: Engine, what: str) -> Engine:
    """Return the engine if `what` is in `Engine.supports`; else raise SpecError."""
    if what not in engine.supports:
        raise SpecError(
            f"the engine of this analysis has no {what} (it has: {', '.join(sorted({'trials', *engine.supports}))}); "
            "leave out what needs them, or choose another engine"
        )
    return engine
