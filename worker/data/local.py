"""Where events are in the coordinates of the detector: the distribution of the hour angle at Greenwich.

The acceptance of a detector at the pole depends on the azimuth, which the Earth turns once in a sidereal day. In a
window of hours the background is therefore not even in right ascension: it is even in time, at the azimuths of the
data.
"""

import numpy as np

from worker.data.dataset import F64

BINS = 36
LEAST = 20_000
"""Events of a season from which the distribution is known to 4 % in each bin; with fewer it counts as even."""


def sidereal_turns(mjd: F64) -> F64:
    """Right ascension of the meridian of Greenwich, in turns, [0, 1).

    Parameters
    ----------
    mjd : ndarray (n,), MJD
        UT1; the mean sidereal time of the IAU (1982) without its square term, which is below 1e-6 turns.
    """
    turns = 280.46061837 / 360.0 + 360.98564736629 / 360.0 * (mjd - 51544.5)
    return turns - np.floor(turns)


def hour_angles(mjd: F64, ra: F64) -> F64 | None:
    """Relative density of hour angles in `BINS` bins of a turn, mean 1; None with fewer than `LEAST` events.

    Parameters
    ----------
    mjd, ra : ndarray (n,), MJD and rad
        Of all events of a season. Only their distribution in the frame of the detector is kept: no right ascension.
    """
    if mjd.size < LEAST:
        return None
    turns = sidereal_turns(mjd) - ra / (2 * np.pi)
    at = np.minimum(((turns - np.floor(turns)) * BINS).astype(np.int64), BINS - 1)
    return np.asarray(np.bincount(at, minlength=BINS) * (BINS / mjd.size), np.float64)
