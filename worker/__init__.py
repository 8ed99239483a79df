"""One task of a point-source analysis: data, likelihood engine, statistics and the run directory.

>>> from worker import open_analysis

The names below are what a notebook uses (docs/notebook.md), imported when they are first asked for: a task must
not wait for what it does not need.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worker.notebook import Analysis, SkyMap, open_analysis
    from worker.stats import TSD, find_n_sig, find_n_sig_by_strata, ts_to_p

_HOME = {
    "Analysis": "worker.notebook",
    "SkyMap": "worker.notebook",
    "open_analysis": "worker.notebook",
    "TSD": "worker.stats",
    "find_n_sig": "worker.stats",
    "find_n_sig_by_strata": "worker.stats",
    "ts_to_p": "worker.stats",
}

__all__ = ["TSD", "Analysis", "SkyMap", "find_n_sig", "find_n_sig_by_strata", "open_analysis", "ts_to_p"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'worker' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
