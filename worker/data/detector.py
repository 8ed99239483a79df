"""A made-up detector like IC86: rates, energies, angular errors, effective area and resolution as smooth functions.

Anchor values are rounded by eye from the first public IC86 year and from the public track response
so that quantiles agree to 20-30 %; between anchors everything is linear in its arguments. Nothing here
is a measurement: results made from it are labelled "synthetic".
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from worker.data.dataset import F64

SMEARING_LOG_E_NU = np.linspace(2.0, 9.0, 15)
SMEARING_DEC_DEG = np.array([-90.0, -60, -40, -25, -15, -10, -5, 0, 10, 20, 32, 45, 60, 90])
"""Bins of a parametrised smearing; narrow where the threshold changes."""
HORIZON_SIN_DEC = -0.087
"""South of this (declination -5 deg) muon bundles are kept out by an energy threshold."""

# Rate of events in sin(dec), relative.
_RATE_SIN_DEC = np.array([-1.0, -0.3, -0.05, 0.0, 0.04, 0.12, 0.3, 0.5, 0.65, 0.8, 0.9, 1.0])
_RATE = np.array([1.08, 1.09, 1.07, 1.2, 1.3, 1.2, 1.06, 0.9, 0.79, 0.64, 0.595, 0.54])

# log10(E/GeV) of the events at the quantiles 1, 5, 16, 50, 84, 95, 99 and 99.9 %, in sin(dec).
_Z_OF_P = np.array([-2.326, -1.645, -0.994, 0.0, 0.994, 1.645, 2.326, 3.09])
_ENERGY_SIN_DEC = np.array([-0.9, -0.7, -0.5, -0.3, -0.2, -0.12, HORIZON_SIN_DEC, 0.0, 0.1, 0.4, 0.9])
_ENERGY = np.array(
    [
        [3.15, 3.65, 4.32, 4.83, 5.26, 5.54, 5.79, 6.14],
        [3.42, 4.02, 4.45, 4.89, 5.38, 5.64, 5.92, 6.32],
        [3.13, 3.68, 4.12, 4.61, 5.12, 5.50, 5.81, 6.27],
        [2.95, 3.22, 3.51, 4.02, 4.54, 4.96, 5.47, 5.92],
        [2.85, 3.05, 3.25, 3.60, 3.97, 4.35, 4.85, 5.55],
        [2.70, 2.85, 3.00, 3.25, 3.55, 3.85, 4.35, 5.10],
        [2.62, 2.75, 2.88, 3.12, 3.44, 3.72, 4.10, 4.60],
        [2.58, 2.72, 2.84, 3.06, 3.36, 3.62, 3.98, 4.45],
        [2.56, 2.71, 2.82, 3.02, 3.31, 3.55, 3.92, 4.40],
        [2.46, 2.66, 2.78, 2.96, 3.20, 3.42, 3.74, 4.28],
        [2.48, 2.61, 2.74, 2.93, 3.19, 3.43, 3.76, 4.14],
    ]
)

# Median (deg) and logarithmic width of the angular errors of events against log10(E/GeV), north and south.
_EVENT_SIGMA_LOG_E = np.array([1.5, 2.25, 2.75, 3.25, 3.75, 4.25, 4.75, 5.25, 5.75, 6.25, 7.0])
_EVENT_SIGMA = {
    "north": np.array([3.5, 1.76, 0.85, 0.75, 0.69, 0.89, 1.5, 1.6, 1.7, 1.8, 1.9]),
    "south": np.array([0.6, 0.6, 0.52, 0.42, 0.34, 0.33, 0.39, 0.78, 1.18, 1.59, 2.0]),
}
_EVENT_SIGMA_WIDTH = {
    "north": np.array([0.5, 0.62, 0.77, 0.85, 0.95, 1.0, 1.0, 0.9, 0.9, 0.9, 0.9]),
    "south": np.array([0.75, 0.75, 0.75, 0.75, 0.99, 1.02, 1.04, 0.9, 0.82, 0.72, 0.65]),
}

# Signal: anchors in sin(dec) (rows) and in energy (columns).
_SIGNAL_SIN_DEC = np.array([-0.6, -0.13, 0.0, 0.45, 0.85])
_E_NU = np.array([2.25, 3.25, 4.25, 5.25, 6.25, 7.25, 8.75])
_PROXY_MEDIAN = np.array(
    [
        [4.30, 4.40, 4.60, 4.88, 5.56, 6.32, 7.05],
        [2.85, 3.10, 3.65, 4.25, 4.95, 5.65, 6.70],
        [2.88, 3.00, 3.36, 3.84, 4.40, 5.05, 6.05],
        [2.84, 2.98, 3.29, 3.65, 4.00, 4.38, 4.65],
        [2.85, 3.00, 3.25, 3.55, 3.68, 3.88, 3.98],
    ]
)
_PROXY_BELOW = np.array(
    [
        [0.25, 0.25, 0.25, 0.25, 0.40, 0.65, 0.60],
        [0.15, 0.18, 0.30, 0.43, 0.65, 0.80, 0.80],
        [0.16, 0.15, 0.33, 0.53, 0.90, 1.35, 1.80],
        [0.18, 0.17, 0.31, 0.55, 0.80, 1.10, 1.25],
        [0.16, 0.17, 0.33, 0.50, 0.58, 0.80, 0.95],
    ]
)
_PROXY_ABOVE = np.array(
    [
        [0.25, 0.25, 0.25, 0.26, 0.38, 0.46, 0.75],
        [0.16, 0.26, 0.27, 0.43, 0.52, 0.66, 0.72],
        [0.17, 0.25, 0.38, 0.65, 0.90, 1.02, 1.00],
        [0.18, 0.25, 0.44, 0.70, 1.05, 1.18, 1.50],
        [0.16, 0.17, 0.36, 0.66, 0.90, 1.05, 1.15],
    ]
)
_LOG_E = np.array([2.75, 3.25, 3.75, 4.25, 4.75, 5.25, 6.25])
_SIGMA_MEDIAN_DEG = np.array(
    [
        [0.50, 0.45, 0.40, 0.30, 0.17, 0.17, 0.22],
        [0.35, 0.28, 0.22, 0.18, 0.17, 0.17, 0.20],
        [0.52, 0.38, 0.28, 0.20, 0.17, 0.15, 0.16],
        [0.65, 0.46, 0.34, 0.24, 0.20, 0.18, 0.18],
        [0.84, 0.57, 0.45, 0.33, 0.24, 0.20, 0.20],
    ]
)
_SIGMA_WIDTH = np.array(
    [
        [1.20, 1.20, 1.20, 1.40, 1.20, 1.20, 1.70],
        [0.68, 0.68, 0.80, 0.90, 1.00, 1.20, 1.60],
        [0.60, 0.61, 0.70, 0.83, 0.83, 0.80, 1.00],
        [0.77, 0.84, 1.00, 1.14, 1.10, 1.10, 1.10],
        [1.00, 1.07, 1.17, 1.30, 1.35, 1.20, 1.20],
    ]
)
_PULL_SCALE = np.array([0.80, 0.78, 0.78, 0.80, 0.84])
_PULL_SHAPE = np.array([0.75, 1.20, 1.25, 1.10, 0.85])

# log10 of the effective area (cm^2) at the horizon against log10(E_nu/GeV), before the Earth absorbs.
_AREA_E_NU = np.array([2.0, 2.2, 2.6, 3.0, 3.4, 3.8, 4.2, 4.6, 5.0, 5.4, 5.8, 6.2, 6.6, 7.0, 7.4, 7.8, 8.2, 9.0])
_AREA_LOG10 = np.array(
    [0.45, 1.22, 2.5, 3.38, 4.07, 4.68, 5.19, 5.64, 6.03, 6.35, 6.64, 6.88, 7.1, 7.3, 7.5, 7.7, 7.88, 8.2]
)

# South of the horizon: energy at which the threshold costs a factor 10, how fast it opens, and what remains lost.
_SOUTH_SIN_DEC = np.array([-1.0, -0.72, -0.5, -0.3, -0.2, -0.13, HORIZON_SIN_DEC])
_SOUTH = np.array(
    [
        [5.20, 5.45, 5.40, 5.10, 4.95, 4.20, 3.00],
        [0.63, 0.63, 0.63, 0.63, 0.63, 0.40, 0.20],
        [0.60, 0.55, 0.40, 0.22, 0.10, -0.05, -0.10],
    ]
)


def rate(sin_dec: F64) -> F64:
    """Density of events in sin(dec), relative."""
    density: F64 = np.interp(sin_dec, _RATE_SIN_DEC, _RATE)
    return density


def event_log_e(z: F64, sin_dec: F64) -> F64:
    """log10(E/GeV) of an event whose quantile is that of a standard normal deviate z, (n,)."""
    at = _between(_ENERGY_SIN_DEC, _ENERGY, sin_dec)
    k = np.clip(np.searchsorted(_Z_OF_P, z) - 1, 0, len(_Z_OF_P) - 2)
    rows = np.arange(len(z))
    t = (z - _Z_OF_P[k]) / (_Z_OF_P[k + 1] - _Z_OF_P[k])
    log_e: F64 = np.clip(at[rows, k] * (1 - t) + at[rows, k + 1] * t, 1.5, 7.0)
    return log_e


def event_sigma_deg(z: F64, log_e: F64, sin_dec: F64) -> F64:
    """Angular error of an event, before any floor, from a standard normal deviate z, (n,)."""
    south = ndtr((HORIZON_SIN_DEC - sin_dec) / 0.02)
    log_median, width = np.zeros_like(z), np.zeros_like(z)
    for side, share in (("north", 1 - south), ("south", south)):
        log_median += share * np.interp(log_e, _EVENT_SIGMA_LOG_E, np.log(_EVENT_SIGMA[side]))
        width += share * np.interp(log_e, _EVENT_SIGMA_LOG_E, _EVENT_SIGMA_WIDTH[side])
    tail = 0.1 * np.maximum(z - 1.5, 0) ** 2  # a log-normal has too few very badly measured tracks
    sigma: F64 = np.exp(log_median + width * (z + tail))
    return sigma


def area_cm2(log_e_nu: F64, sin_dec: F64) -> F64:
    """Effective area, (n_e, n_d), at energies (n_e,) and sines of declination (n_d,)."""
    x, s = log_e_nu[:, None], sin_dec[None, :]
    bare = np.interp(x, _AREA_E_NU, _AREA_LOG10) + 0.08 + 0.13 * np.maximum(s, 0)
    thickness = 1.5 * (np.maximum(s, 0) / 0.88) ** 1.35
    absorbed = np.minimum(thickness * 10 ** (np.where(x < 5.2, 0.36, 0.26) * (x - 5.2)), 5.0) * np.log10(np.e)
    threshold, slope, shield = (np.interp(s, _SOUTH_SIN_DEC, row) for row in _SOUTH)
    cut = np.where(s < HORIZON_SIN_DEC, shield + 10 ** (-slope * (x - threshold)), 0.0)
    area: F64 = np.where(cut < 3.5, 10 ** (bare - absorbed - cut), 0.0)
    return area


def proxy(log_e_nu: float, sin_dec: float) -> tuple[float, float, float]:
    """Median and the widths below and above of log10(E/GeV) given the neutrino's energy: a split normal."""
    median, below, above = (
        _at(_E_NU, table, log_e_nu, sin_dec) for table in (_PROXY_MEDIAN, _PROXY_BELOW, _PROXY_ABOVE)
    )
    return median, below, above


def sigma_deg(log_e_nu: float, log_e: float, sin_dec: float) -> tuple[float, float]:
    """Median (deg) and logarithmic width of a signal event's angular error, before any floor."""
    del log_e_nu  # the proxy says what the track deposited, and that is what it is measured with
    median = np.exp(_at(_LOG_E, np.log(_SIGMA_MEDIAN_DEG), log_e, sin_dec))
    return float(median), _at(_LOG_E, _SIGMA_WIDTH, log_e, sin_dec)


def pull(log_e_nu: float, sin_dec: float) -> tuple[float, float]:
    """Scale and shape of psi / sigma: P(> u) = (1 + u^2 / (2 shape scale^2))^-shape.

    Below 1 TeV the muon's own angle to the neutrino widens it.
    """
    scale = np.interp(sin_dec, _SIGNAL_SIN_DEC, _PULL_SCALE) * (1 + 0.5 * 10 ** (-(log_e_nu - 2.25) / 1.2))
    return float(scale), float(np.interp(sin_dec, _SIGNAL_SIN_DEC, _PULL_SHAPE))


def _between(nodes: F64, rows: F64, at: F64) -> F64:
    """Rows (n_nodes, m) interpolated linearly at (n,): (n, m)."""
    return np.stack([np.interp(at, nodes, column) for column in rows.T], axis=1)


def _at(nodes: NDArray[np.float64], table: F64, x: float, sin_dec: float) -> float:
    row = _between(_SIGNAL_SIN_DEC, table, np.array([sin_dec]))[0]
    return float(np.interp(x, nodes, row))
