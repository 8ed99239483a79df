"""The maps of ``scan.priors``: healpix FITS files, read with the spec and frozen into it at the scan's resolution."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.spec import prior_map
from worker.spec.problem import Path as Place
from worker.spec.problem import Problem

F64 = NDArray[np.float64]
PLACE: Place = ("scan", "priors")
MAX_NSIDE = 8192


def expand(data: dict[str, Any], lines: Mapping[Place, int], wrong: set[Place]) -> list[Problem]:
    """Read scan.priors into scan.prior_maps, in place; return the problems.

    Maps that are already in the spec (frozen by `build`) are used as they are. `wrong`: places of paths that are
    invalid, which have messages of their own.
    """
    scan = data.get("scan")
    files = scan.get("priors") if isinstance(scan, dict) else None
    if not isinstance(scan, dict) or not isinstance(files, dict) or scan.get("prior_maps") is not None:
        return []
    nside, maps, problems = scan.get("nside", 64), {}, []
    if not isinstance(nside, int) or nside < 1 or nside & (nside - 1):
        return []  # the section itself says so
    for name, file in files.items():
        place = (*PLACE, name)
        if not isinstance(file, str) or place in wrong:
            continue
        try:
            maps[name] = prior_map.text_of(read(Path(file), nside))
        except (OSError, ValueError, KeyError) as error:
            text = "does not exist" if isinstance(error, FileNotFoundError) else str(error)
            problems.append(Problem(place, lines.get(place, 0), f"{file}: {text}"))
    if not problems:
        scan["prior_maps"] = maps
    return problems


def read(path: Path, nside: int) -> F64:
    """Probability density of a map at another resolution, (12 nside^2,) in RING order, of any scale.

    A flat map (the first column; PROB of gravitational-wave and neutrino alerts) or a multi-order one (UNIQ and
    PROBDENSITY). A coarser pixel has the mean density of what lies in it.

    Raises
    ------
    ValueError
        It is no such map, or no probability.
    """
    from astropy.io import fits  # type: ignore[import-untyped]

    try:
        with fits.open(path) as hdus:
            table = hdus[1]
            header = table.header
            columns = {name.upper(): np.asarray(table.data[name], float) for name in table.columns.names}
            if "UNIQ" in columns:
                return _checked(_multi_order(np.asarray(table.data["UNIQ"], np.int64), columns, nside))
            values = next(iter(columns.values())).ravel()
    except (IndexError, AttributeError, TypeError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"is no healpix map in a FITS table ({error}); write the path of one") from None
    if str(header.get("COORDSYS", "C")).strip().upper()[:1] in ("G", "E"):
        raise ValueError(f"has COORDSYS {header['COORDSYS']}; rotate it to equatorial coordinates (C)")
    return _checked(_flat(values, str(header.get("ORDERING", "RING")).upper(), nside))


def _flat(values: F64, ordering: str, nside: int) -> F64:
    import healpy

    own = round((len(values) / 12) ** 0.5)
    if not len(values) or 12 * own * own != len(values) or own & (own - 1):
        raise ValueError(
            f"has {len(values):,} values in its first column; a whole map has 12 nside^2, nside a power of 2"
        )
    _require_probability(values)
    nested = "NEST" if ordering.startswith("NEST") else "RING"
    return np.asarray(healpy.ud_grade(values, nside, order_in=nested, order_out="RING"), dtype=np.float64)


def _multi_order(uniq: NDArray[np.int64], columns: Mapping[str, F64], nside: int) -> F64:
    """Density of a multi-order map: pixel i of order k is UNIQ = i + 4^(k + 1), NESTED."""
    import healpy

    if "PROBDENSITY" not in columns:
        raise ValueError("has a column UNIQ and no PROBDENSITY; write a map of probability")
    density, order = columns["PROBDENSITY"].ravel(), np.floor(np.log2(uniq.astype(float)) / 2).astype(int) - 1
    _require_probability(density)
    own, at = round(np.log2(nside)), uniq - 4 ** (order + 1)
    nested = np.zeros(12 * nside * nside)
    fine = order > own
    np.add.at(nested, at[fine] >> (2 * (order[fine] - own)), density[fine] / 4.0 ** (order[fine] - own))
    for i in np.flatnonzero(~fine):
        size = 4 ** (own - order[i])
        nested[at[i] * size : (at[i] + 1) * size] = density[i]
    return np.asarray(healpy.reorder(nested, n2r=True), dtype=np.float64)


def _require_probability(values: F64) -> None:
    if not np.all(np.isfinite(values) & (values >= 0)):
        raise ValueError("has values that are negative, UNSEEN or no numbers; write 0 where there is no probability")


def _checked(density: F64) -> F64:
    if not density.max() > 0:
        raise ValueError("has no positive probability")
    return density
