"""A double of csky with the signatures of its public tutorial, "Scaling up: analysis on a cluster"; not csky.

Another name or keyword than the tutorial's, or than those of public scripts that use csky, is an error.
"""

from types import SimpleNamespace

import numpy as np

__version__ = "double"


class Arrays:
    """Trials; `as_array` is a structured array."""

    def __init__(self, array):
        self.as_array = array


class TrialRunner:
    def __init__(self, src, ana, gamma):
        self.src, self.ana, self.gamma = src, ana, gamma

    def get_many_fits(self, n_trials, n_sig=0, poisson=True, seed=None, logging=True, mp_cpus=1):
        assert isinstance(seed, int) and 0 <= seed < 2**32 and logging is False
        generator = np.random.RandomState(seed)
        injected = generator.poisson(n_sig, n_trials) if poisson else np.full(n_trials, n_sig)
        fits = np.zeros(n_trials, [("gamma", "<f8"), ("ns", "<f8"), ("ts", "<f8")])
        fits["ns"] = np.maximum(injected + 3 * generator.standard_normal(n_trials), 0)
        fits["ts"] = (fits["ns"] / 3) ** 2 - 1e-9 * (fits["ns"] == 0)
        fits["gamma"] = self.gamma
        return Arrays(fits)

    def to_E2dNdE(self, n_sig, E0=1, unit=1):  # noqa: N802 (csky's name)
        return n_sig * 1e-12 * E0 ** (2 - self.gamma) * (1e3 / unit)


def get_analysis(repo, version, *specs, dir=None):  # noqa: A002 (csky's name)
    assert repo == "repo" and specs and dir is not None
    return version, specs


def sources(ra, dec, deg=False):
    assert deg is True
    return ra, dec


def get_trial_runner(conf=None, ana=None, src=None, inj_conf=None, mp_cpus=1):
    assert conf is None
    return TrialRunner(src, ana, inj_conf["flux"].gamma)


selections = SimpleNamespace(repo="repo", PSDataSpecs=SimpleNamespace(ps_2011="ps_2011"))
hyp = SimpleNamespace(PowerLawFlux=lambda gamma: SimpleNamespace(gamma=gamma))
