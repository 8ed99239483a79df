"""Return type of every reader: seasons of events with their instrument response.

An event has no time and no right ascension: trials scramble them, so the engine never has the measured ones. A season
has its good runs with the number of events in each, from which trials draw times.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
I64 = NDArray[np.int64]


class Events(NamedTuple):
    """Events of one season after cleaning; unusable sigmas are kept as 0 (they count in N).

    Attributes
    ----------
    dec : ndarray (n,), float32, rad
    sigma : ndarray (n,), float32, rad
        0 where the angular error is unusable.
    log_e : ndarray (n,), float32
        log10(E / GeV), reconstructed.
    """

    dec: F32
    sigma: F32
    log_e: F32


class Position(NamedTuple):
    """Blinded columns of one season, in the order of `Events`: for unblinding only.

    Attributes
    ----------
    ra : ndarray (n,), rad
    mjd : ndarray (n,), days
        Whole days where the release publishes no better (`Season.runs` is then None).
    """

    ra: F64
    mjd: F64


class GoodRuns(NamedTuple):
    """Time in which the detector took data, sorted by start.

    Attributes
    ----------
    start, stop : ndarray (m,), MJD
    livetime : ndarray (m,), days
        Not above ``stop - start``.
    n_events : ndarray (m,), int64
        Events in each run: the weight of a run when a trial draws times. Events outside all runs are not counted.
    """

    start: F64
    stop: F64
    livetime: F64
    n_events: I64


class EffectiveArea(NamedTuple):
    """Effective area in bins of neutrino energy and declination (muon neutrinos, nu + antinu mean).

    Attributes
    ----------
    log_e_nu : ndarray (n_e + 1,)
        Edges, log10(E_nu / GeV), increasing.
    sin_dec : ndarray (n_d + 1,)
        Edges, increasing, from -1 to 1.
    area_cm2 : ndarray (n_e, n_d), cm^2
    """

    log_e_nu: F64
    sin_dec: F64
    area_cm2: F64


class Smearing(NamedTuple):
    """p(log_e, psi, sigma | E_nu, dec_nu) as a list of cells; each (E_nu, dec) bin owns a slice of them.

    Attributes
    ----------
    log_e_nu : ndarray (n_e + 1,)
        Edges of the neutrino energy bins, log10(E_nu / GeV).
    dec : ndarray (n_d + 1,), rad
        Edges of the declination bins.
    start : ndarray (n_e * n_d + 1,), int64
        Cells of bin (i, j) are ``start[i * n_d + j] : start[i * n_d + j + 1]``; none if the release has none.
    cells : ndarray (n_cells, 7), float32
        Columns log_e_lo, log_e_hi, psi_lo, psi_hi (rad), sigma_lo, sigma_hi (rad), weight; weights of a bin sum to 1.
    """

    log_e_nu: F64
    dec: F64
    start: I64
    cells: F32


class Simulation(NamedTuple):
    """Simulated events in bands of the sine of the true declination; they replace smearing cells.

    Attributes
    ----------
    sin_dec : ndarray (n_bands + 1,)
        Edges of the bands, increasing, from -1 to 1.
    start : ndarray (n_bands + 1,), int64
        Events of band k are ``start[k] : start[k + 1]``.
    events : ndarray (n, 6), float32
        Columns log_e_nu (log10(E_nu / GeV)), weight (``ow`` over the solid angle of the band, GeV cm^2), log_e
        (reconstructed), psi (rad, from the true to the reconstructed direction), sigma (rad; pi where unusable),
        turn (position angle of the reconstructed direction seen from the true one, east of north, in turns).
    """

    sin_dec: F64
    start: I64
    events: F32


@dataclass(frozen=True)
class Season:
    """One data-taking period with its own response.

    Attributes
    ----------
    area : EffectiveArea
        With simulated events: their mean in bins, for figures only; expected events come from the weights.
    notes : tuple of str
        Sentences about the data, for readers.
    runs : GoodRuns, optional
        None: the release has no times that are fine enough, and no hypothesis about time can be tested.
    hour_angle : ndarray (n_bins,), optional
        Relative density of the events in hour angle at Greenwich (`worker.data.local`); None: even.
    """

    name: str
    livetime_days: float
    events: Events
    area: EffectiveArea
    smearing: Smearing | Simulation
    notes: tuple[str, ...] = ()
    runs: GoodRuns | None = None
    hour_angle: F64 | None = None


@dataclass(frozen=True)
class Dataset:
    """All seasons of an analysis.

    Attributes
    ----------
    label : str
        "synthetic", "semi-real" or "real": printed on every result.
    """

    label: str
    seasons: tuple[Season, ...]
