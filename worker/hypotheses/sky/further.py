"""Further tests of skies that were scanned: the population of warm spots, and spatial priors."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.base.healpix import Rings
from worker.hypotheses import hottest_spots
from worker.hypotheses.protocol import Rows, Tsds
from worker.hypotheses.sky import population, prior_signal, priors, warm_spots
from worker.hypotheses.sky.kept import Columns
from worker.hypotheses.sky.rings import rings
from worker.rundir import layout
from worker.spec.sections import Spec


def files(spec: Spec) -> dict[PurePosixPath, np.dtype[np.void]]:
    """Files of the background skies that further tests read, with their columns."""
    scan, out = spec.healpix, {}
    if scan.warm_spots is not None:
        out[layout.WARM_SPOTS] = warm_spots.SPOT_DTYPE
    if scan.prior_maps:
        out[layout.PRIORS] = priors.SPOT_DTYPE
    if scan.prior_n_sig:
        out[layout.PRIOR_SIGNAL] = priors.SPOT_DTYPE
    return out


def collected(spec: Spec, parts: Sequence[Columns], tsds: Tsds) -> dict[PurePosixPath, Rows]:
    """The contents of `files`, from all background skies in their order."""
    scan, scanned, out = spec.healpix, rings(spec.healpix, spec.healpix.nside), {}
    if scan.warm_spots is not None:
        firsts = np.cumsum([0, *(len(part.spots) for part in parts)])
        lists = [warm_spots.listed(scanned, part.spots, int(n)) for part, n in zip(parts, firsts, strict=False)]
        every = np.concatenate(lists)
        every["mlog10p"] = hottest_spots.p_map(spec, tsds, every["dec"], every["ts"])
        out[layout.WARM_SPOTS] = every
    if scan.prior_maps:
        out[layout.PRIORS] = priors.listed(scan, scanned, np.concatenate([part.priors for part in parts]))
    if scan.prior_n_sig:
        out[layout.PRIOR_SIGNAL] = priors.listed(scan, scanned, np.concatenate([part.signal for part in parts]))
    return out


def of_map(spec: Spec, scanned: Rings, tsds: Tsds, heat: NDArray[np.float64], values: Rows) -> dict[str, Any]:
    """What the tests read of a map of the observed sky, for its results."""
    return population.of_map(spec, scanned, tsds, heat, values) | priors.of_map(spec, scanned, values)


def tests(spec: Spec, path: Path, result: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Results of the tests of an observed sky, corrected with the background skies of the run `path`."""
    out: dict[str, dict[str, dict[str, Any]]] = {}
    if spec.healpix.population is not None:
        out["population"] = population.tests(spec, path, result)
    if spec.healpix.prior_maps:
        out["prior_tests"] = priors.tests(spec.healpix, path, result)
    if spec.healpix.prior_n_sig:
        for k, (name, row) in enumerate(list(out["prior_tests"].items())):
            out["prior_tests"][name] = row | prior_signal.results(spec, path, k, row["prior_ts"])
    return out


def statistics(spec: Spec, path: Path, result: Mapping[str, Any]) -> Iterator[tuple[NDArray[np.float64], float]]:
    """Of each test, the statistic of every background sky, (n_skies,), and that of the observed one."""
    if spec.healpix.population is not None:
        for region in result["regions"]:
            every = population.background(population.skies_of(spec, path, result, region)).mlog10p
            yield every[:-1], float(every[-1])
    if spec.healpix.prior_maps:
        skies = priors.background(path)["prior_ts"]
        for name, of_skies in zip(spec.healpix.prior_maps, skies.T, strict=True):
            yield of_skies, float(result["priors"][name]["prior_ts"])
