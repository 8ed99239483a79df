"""Statistics of trials: numbers in, numbers out.

>>> from worker.stats import TSD, ts_to_p
>>> tsd = TSD.from_trials([0.0, 0.0, 1.3, 2.2])

The names below are for notebooks; each is imported at its first use, so that tasks start fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worker.stats.binomial import clopper_pearson
    from worker.stats.chi2 import Chi2Fit, Chi2Tail, TooFewTrialsError, fit_chi2
    from worker.stats.distributions import TSD
    from worker.stats.posttrial import PostTrial, effective_trials, parametrised, post_trial
    from worker.stats.pvalues import log_p, mlog10p, ts_to_p
    from worker.stats.sensitivity import NotBracketedError, NSig, find_n_sig
    from worker.stats.significance import PValue, nsigma_to_p, p_to_nsigma, trials_needed
    from worker.stats.strata import StrataNSig, find_n_sig_by_strata

_HOMES = {
    "binomial": ("clopper_pearson",),
    "chi2": ("Chi2Fit", "Chi2Tail", "TooFewTrialsError", "fit_chi2"),
    "distributions": ("TSD",),
    "posttrial": ("PostTrial", "effective_trials", "parametrised", "post_trial"),
    "pvalues": ("log_p", "mlog10p", "ts_to_p"),
    "sensitivity": ("NSig", "NotBracketedError", "find_n_sig"),
    "strata": ("StrataNSig", "find_n_sig_by_strata"),
    "significance": ("PValue", "nsigma_to_p", "p_to_nsigma", "trials_needed"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "TSD",
    "Chi2Fit",
    "Chi2Tail",
    "NSig",
    "NotBracketedError",
    "PValue",
    "PostTrial",
    "StrataNSig",
    "TooFewTrialsError",
    "clopper_pearson",
    "effective_trials",
    "find_n_sig",
    "find_n_sig_by_strata",
    "fit_chi2",
    "log_p",
    "mlog10p",
    "nsigma_to_p",
    "p_to_nsigma",
    "parametrised",
    "post_trial",
    "trials_needed",
    "ts_to_p",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'worker.stats' has no attribute {name!r}")
    return getattr(import_module(f"worker.stats.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
