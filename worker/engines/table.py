"""The engines that there are, and the one of a spec."""

from collections.abc import Callable
from functools import cache

from worker.base.errors import SpecError
from worker.base.startup import light_import
from worker.data.dataset import Dataset
from worker.engines.protocol import Engine
from worker.spec.sections import Spec

Maker = Callable[[Spec, Dataset | None], Engine]


@cache
def builtin() -> Maker:
    """The likelihood of this package; loaded when it is asked for."""
    with light_import():
        from worker.engines.builtin.engine import Builtin
    return Builtin


ENGINES: dict[str, Callable[[], Maker]] = {"builtin": builtin}


def engine_of(spec: Spec, dataset: Dataset | None = None) -> Engine:
    """The engine of a spec; without data it can say what it is, and make nothing.

    Raises
    ------
    InputError, SpecError
        If it cannot use the data.
    """
    return ENGINES["builtin"]()(spec, dataset)  # the only kind that a spec can name


def require(engine: Engine, what: str) -> Engine:
    """Return the engine if it supports `what`, a member of `Engine.supports`.

    Raises
    ------
    SpecError
        If it does not.
    """
    if what not in engine.supports:
        raise SpecError(
            f"the engine of this analysis has no {what} (it has: {', '.join(sorted({'trials', *engine.supports}))}); "
            "leave out what needs them, or choose another engine"
        )
    return engine
