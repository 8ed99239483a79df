"""SkyLLH (extra ``dagmaker[skyllh]``) as a plug-in: the time-integrated point-source analysis of the public releases.

The analysis is set up as its authors do it; every trial gets a generator of its own, from its key. The entry point is
``skyllh_ps``; this file imports nothing of dagmaker.
"""

import hashlib
import json
import math
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HASHES = "release.json"
_OPTIONS = {
    "release": "folder of the release, an absolute path or with ${VAR}",
    "seasons": "list of seasons, such as [IC86_I]",
    "sample": "SkyLLH's name of the release, IceTracks-DR2 if left out",
    "gamma_seed": "where the fit of gamma starts, 3.0 if left out",
}


class Engine:
    """One source at ``dec_deg`` and ``ra_deg`` (180 if left out: no distribution depends on it), ns and gamma free.

    Parameters
    ----------
    options : dict
        See `_OPTIONS`.
    folder : Path
        Where `prepare` keeps the digests of the release.

    Raises
    ------
    ValueError
        An option is missing, unknown or wrong.
    """

    protocol = 1
    columns = (("ts", "<f8"), ("ns", "<f8"), ("gamma", "<f8"))
    deterministic = "per-trial"
    reads = ("dec_deg", "ra_deg", "gamma", "cutoff_tev", "poisson")
    block = 20

    def __init__(self, options: dict[str, Any], folder: Path) -> None:
        unknown = sorted(set(options) - set(_OPTIONS))
        lacking = [key for key in ("release", "seasons") if key not in options]
        if unknown or lacking:
            known = "; ".join(f"{key}: {text}" for key, text in _OPTIONS.items())
            raise ValueError(f"options: unknown {unknown}, missing {lacking}; options are {known}")
        self._release, self._folder = Path(options["release"]), folder
        if not self._release.is_absolute() or not self._release.is_dir():
            raise ValueError(f"options.release: {self._release} is not an absolute path of a folder")
        self._seasons = [str(season) for season in options["seasons"]]
        self._sample = str(options.get("sample", "IceTracks-DR2"))
        self._gamma_seed = float(options.get("gamma_seed", 3.0))
        self._analysis = lru_cache(maxsize=2)(self._make)

    def identity(self) -> dict[str, Any]:
        """Versions of SkyLLH, numpy and scipy, and the sha256 of every file of the release that is read."""
        versions = {package: metadata.version(package) for package in ("skyllh", "numpy", "scipy")}
        kept = self._folder / _HASHES
        files = json.loads(kept.read_text()) if kept.exists() else self._hashes()
        return {**versions, "release": files}

    def prepare(self, folder: Path) -> None:
        """Keep the digests of the release: no later process reads all of it."""
        temporary = folder / f"{_HASHES}.new"
        temporary.write_text(json.dumps(self._hashes(), indent=1, sort_keys=True))
        temporary.replace(folder / _HASHES)

    def trials(self, point: dict[str, Any], keys: NDArray[np.uint64]) -> NDArray[np.void]:
        """One trial for each key, from ``RandomState([low, high])`` of the two halves of the key."""
        analysis, rows = self._of(point), np.zeros(len(keys), np.dtype(list(self.columns)))
        for row, key in zip(rows, keys, strict=True):
            fit = trial(analysis, int(key), float(point["n_sig"]), bool(point["poisson"]))
            row["ts"] = max(float(fit["ts"][0]), 0.0)
            row["ns"], row["gamma"] = float(fit["ns"][0]), float(fit["gamma"][0])
        return rows

    def flux(self, point: dict[str, Any], n_sig: float) -> float:
        """E^2 dN/dE at ``e0_tev``, in TeV / cm^2 / s, of `n_sig` expected events."""
        norm = float(self._of(point).mu2flux(n_sig))  # dN/dE at 1 TeV, in 1 / (GeV cm^2 s)
        gamma = float(point["gamma"])
        e0_tev = float(point["e0_tev"])
        cutoff = math.exp(-e0_tev / float(point["cutoff_tev"])) if point["cutoff_tev"] else 1.0
        return float(norm * e0_tev ** (2.0 - gamma) * cutoff * 1e3)

    def method(self) -> str:
        """SkyLLH's likelihood, in a sentence."""
        return (
            f"SkyLLH {metadata.version('skyllh')} fits ns and γ of a point source, time-integrated, with the public "
            f"data {self._sample} ({', '.join(self._seasons)}); TS is twice the log of the likelihood ratio; "
            "background trials draw the right ascensions of all events evenly."
        )

    def _of(self, point: dict[str, Any]) -> Any:
        if "dec_deg" not in point:
            raise ValueError("a point needs dec_deg")
        return self._analysis(
            float(point["dec_deg"]), float(point.get("ra_deg", 180.0)), float(point["gamma"]), point["cutoff_tev"]
        )

    def _make(self, dec_deg: float, ra_deg: float, gamma: float, cutoff_tev: float | None) -> Any:
        from skyllh.analyses.i3.publicdata_ps.time_integrated_ps import create_analysis
        from skyllh.core.config import Config
        from skyllh.core.source_model import PointLikeSource

        cfg = Config()
        datasets = self._datasets(cfg)
        source = PointLikeSource(name="source", ra=math.radians(ra_deg), dec=math.radians(dec_deg))
        cutoff_gev = math.inf if cutoff_tev is None else 1e3 * cutoff_tev
        return create_analysis(
            cfg=cfg, datasets=datasets, source=source, refplflux_gamma=gamma, refplflux_Ec=cutoff_gev,
            gamma_seed=self._gamma_seed,
        )  # fmt: skip

    def _datasets(self, cfg: Any) -> Any:
        """The seasons in SkyLLH's terms; ValueError if a file is missing, which SkyLLH would try to download."""
        import skyllh

        datasets = skyllh.create_datasets(
            self._sample, cfg=cfg, names=self._seasons, base_path=str(self._release.parent),
            sub_path_fmt=self._release.name,
        )  # fmt: skip
        missing = sorted({file for dataset in datasets for file in dataset.get_missing_files()})
        if missing:
            text = (
                f"{self._release} has no {', '.join(missing)}: it is not a whole release of the sample {self._sample}"
            )
            raise ValueError(f"options.release: {text} (others are IceTracks-DR1, IceTracks-DR2-v1)")
        return datasets

    def _hashes(self) -> dict[str, str]:
        """Sha256 of the files of the seasons, by path in the release."""
        from skyllh.core.config import Config

        digests = {}
        for name in sorted({file for dataset in self._datasets(Config()) for file in dataset.create_file_list()}):
            total = hashlib.sha256()
            with (self._release / name).open("rb") as file:
                while part := file.read(1 << 22):
                    total.update(part)
            digests[name] = total.hexdigest()
        return digests


def trial(analysis: Any, key: int, n_sig: float, poisson: bool) -> Any:
    """One trial of SkyLLH from all 64 bits of a key; a seed of 32 bits would repeat after some ten thousand trials."""
    from skyllh.core.random import RandomStateService

    low, high = key & 0xFFFFFFFF, key >> 32
    service = RandomStateService(low)
    service.random = np.random.RandomState([low, high])
    more = {"sig_kwargs": {"poisson": poisson}} if n_sig else {}
    return analysis.do_trial(service, mean_n_sig=n_sig, minimizer_rss=RandomStateService(low), **more)
