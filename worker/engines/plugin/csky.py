"""csky as a plug-in, written against its public documentation; it was never tried on csky itself, which is not public.

Used are ``get_analysis``, ``sources``, ``get_trial_runner``, ``get_many_fits(...).as_array`` and ``to_E2dNdE``, as the
tutorial "Scaling up: analysis on a cluster" shows them. The entry point is ``csky_ps``; this file imports nothing of
dagmaker.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SEEDS = np.uint64(2**32)
"""Seeds of numpy's older generators have 32 bits."""
_OPTIONS = {"version": "version-003-p02", "specs": "[PSDataSpecs.ps_2011]"}


class Engine:
    """One source at ``dec_deg``; csky's space and energy likelihood.

    Parameters
    ----------
    options : dict
        ``version`` of the event selection, and ``specs``: names in ``csky.selections``.
    folder : Path
        Where csky keeps its analysis: the first process writes it, the others read it.

    Notes
    -----
    csky makes many trials from one seed, so trials depend on how a file is cut: ``per-file``. The seed of a file is
    made from its first key. Two of 10,000 files have the same 32 bits with a probability of one per cent.
    """

    protocol = 1
    columns = (("ts", "<f8"), ("ns", "<f8"), ("gamma", "<f8"))
    deterministic = "per-file"
    reads = ("dec_deg", "ra_deg", "gamma", "poisson")

    def __init__(self, options: dict[str, Any], folder: Path) -> None:
        if set(options) != set(_OPTIONS):
            raise ValueError(f"options: found {sorted(options)}; write these two, for example {_OPTIONS}")
        self._version, self._specs = str(options["version"]), [str(name) for name in options["specs"]]
        self._folder = folder
        self._runner = lru_cache(maxsize=2)(self._make)

    def identity(self) -> dict[str, Any]:
        """Versions of csky, numpy and the event selection; the data themselves are csky's."""
        import csky

        version = str(getattr(csky, "__version__", "unknown"))
        return {"csky": version, "numpy": np.__version__, "version": self._version, "specs": self._specs}

    def trials(self, point: dict[str, Any], keys: NDArray[np.uint64]) -> NDArray[np.void]:
        """All trials of a file, from one seed."""
        fits = self._of(point).get_many_fits(
            len(keys), float(point["n_sig"]), poisson=bool(point["poisson"]), seed=int(keys[0] % _SEEDS), logging=False
        )
        rows = np.zeros(len(keys), np.dtype(list(self.columns)))
        for name in ("ts", "ns", "gamma"):
            rows[name] = fits.as_array[name]
        rows["ts"] = np.maximum(rows["ts"], 0.0)
        return rows

    def flux(self, point: dict[str, Any], n_sig: float) -> float:
        """E^2 dN/dE at ``e0_tev``, in TeV / cm^2 / s, of `n_sig` expected events."""
        return float(self._of(point).to_E2dNdE(n_sig, E0=float(point["e0_tev"]), unit=1e3))

    def method(self) -> str:
        """The likelihood, in a sentence."""
        return f"csky fits ns and γ of a point source, time-integrated, with {', '.join(self._specs)}, {self._version}."

    def _of(self, point: dict[str, Any]) -> Any:
        if "dec_deg" not in point:
            raise ValueError("a point needs dec_deg")
        return self._runner(float(point["dec_deg"]), float(point.get("ra_deg", 180.0)), float(point["gamma"]))

    def _make(self, dec_deg: float, ra_deg: float, gamma: float) -> Any:
        import csky

        specs = [_named(csky.selections, name) for name in self._specs]
        analysis = csky.get_analysis(csky.selections.repo, self._version, *specs, dir=str(self._folder))
        source = csky.sources(ra_deg, dec_deg, deg=True)
        injected = {"flux": csky.hyp.PowerLawFlux(gamma)}
        return csky.get_trial_runner(src=source, ana=analysis, inj_conf=injected, mp_cpus=1)


def _named(module: Any, name: str) -> Any:
    """``PSDataSpecs.ps_v4`` of a module."""
    value = module
    for part in name.split("."):
        value = getattr(value, part)
    return value
