"""Published events around one source, with the effective area at its declination (TXS 0506+056, doi 10.21234/B4QG92).

DIR/list_of_samples.txt      Name, Start, End, Event Density sqdeg      (dates as 2008 Apr 5)
DIR/events_<sample>.txt      MJD Ra_deg Dec_deg Unc_deg log10(Ereco)
DIR/Aeff_<sample>.txt        log10(Emin/GeV) log10(Emax/GeV) Aeff[m2]

There are no good runs: a sample is taken as one run from its start to its end.
"""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from worker.base.errors import InputError
from worker.data.check import Names, check_area, check_mjd
from worker.data.dataset import F64
from worker.data.table import read_table

_EVENTS = Names("MJD", "log10(Ereco)", "Unc_deg", "Ra_deg", "Dec_deg")
_AREA = ("log10(Emin/GeV)", "log10(Emax/GeV)", "Aeff[m2]")
_SAMPLE = re.compile(r"^(\w+)\s+(\d{4} [A-Z][a-z]{2} \d{1,2})\s+(\d{4} [A-Z][a-z]{2} \d{1,2})\s")
_CM2_PER_M2 = 1e4
_MJD_OF_1970 = 40587.0


class Sample(NamedTuple):
    """Measured events of one sample around the source: for unblinding only, times and right ascensions included.

    Attributes
    ----------
    start, stop : float, MJD
    mjd : ndarray (n,)
    ra, dec, sigma : ndarray (n,), rad
    log_e : ndarray (n,)
    area_log_e : ndarray (n_e + 1,)
        Edges, log10(E_nu / GeV).
    area_cm2 : ndarray (n_e,)
    """

    name: str
    start: float
    stop: float
    mjd: F64
    ra: F64
    dec: F64
    sigma: F64
    log_e: F64
    area_log_e: F64
    area_cm2: F64


def read_samples(folder: Path) -> tuple[Sample, ...]:
    """Read all samples of the list, by time.

    Raises
    ------
    InputError
        A file is missing or damaged, or an event lies outside its sample's dates.
    """
    listing = folder / "list_of_samples.txt"
    if not listing.is_file():
        raise InputError(f"{listing}: no such file. Correct the folder, or get the release (doi 10.21234/B4QG92)")
    found = [match for line in listing.read_text().splitlines() if (match := _SAMPLE.match(line))]
    if not found:
        raise InputError(f"{listing}: no line with a name and two dates as 2008 Apr 5. Get the file again")
    return tuple(_sample(folder, name, _mjd(start), _mjd(stop)) for name, start, stop in (m.groups() for m in found))


def _mjd(date: str) -> float:
    return _MJD_OF_1970 + datetime.strptime(date, "%Y %b %d").replace(tzinfo=UTC).timestamp() / 86400


def _sample(folder: Path, name: str, start: float, stop: float) -> Sample:
    events = read_table(
        folder / f"events_{name}.txt", (_EVENTS.time, _EVENTS.ra, _EVENTS.dec, _EVENTS.sigma, _EVENTS.log_e)
    )
    check_mjd(events, _EVENTS.time)
    mjd, ra, dec, sigma, log_e = events.values.T
    events.refuse((mjd < start) | (mjd > stop + 1), f"a time outside the dates of {name}", "Get the file again")
    events.refuse((sigma <= 0) | (np.abs(dec) > 90), "an angular error or declination that is none", "In deg")
    area = read_table(folder / f"Aeff_{name}.txt", _AREA)
    lo, hi, m2 = area.values.T
    area.refuse(np.append(False, np.abs(lo[1:] - hi[:-1]) > 1e-6), "energy bins that are not adjacent", "Get it again")
    check_area(str(area.path), float(m2.max()) * _CM2_PER_M2)
    return Sample(
        name,
        min(start, float(mjd.min())),
        max(stop, float(mjd.max())),
        np.ascontiguousarray(mjd),
        np.deg2rad(ra),
        np.deg2rad(dec),
        np.deg2rad(sigma),
        np.ascontiguousarray(log_e),
        np.append(lo, hi[-1]),
        m2 * _CM2_PER_M2,
    )
