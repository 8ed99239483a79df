"""Likelihood of a flare from events within a circle around one source, with no smearing of the detector's own.

Inside the circle (solid angle Omega) the background is uniform, so B_i = b(logE_i) / Omega with N the events in the
circle; the difference from the whole sky is of second order in ns / N. b is a density of the sample's own energies with
kernels that widen where events are few. s(logE | gamma) is the effective area times the power law, spread by a
parametrised energy resolution (`worker.data.detector.proxy`, tuned to the public track response).
"""

import numpy as np
from numpy.typing import NDArray

from worker.data import detector
from worker.data.dataset import F64
from worker.data.source_region import Sample
from worker.engines.builtin.flare import FlareEvents, FlareSeasons, seasons_of

GAMMA_LO, GAMMA_STEP, N_GAMMA = 1.0, 1 / 16, 49
CUT_N_SIGMA = 5.0
_KERNEL, _SPREAD, _STEP = 0.08, 0.5, 0.05
_TABLE = np.arange(1.5, 9.0 + _STEP / 2, _STEP)
_SECONDS = 86400.0


def gammas() -> F64:
    """Grid of gamma, (N_GAMMA,)."""
    return np.asarray(GAMMA_LO + GAMMA_STEP * np.arange(N_GAMMA), dtype=np.float64)


def separation(ra: F64, dec: F64, source: tuple[float, float]) -> F64:
    """Great-circle distance from the source (ra, dec), (n,), rad."""
    s = np.sin((dec - source[1]) / 2) ** 2 + np.cos(dec) * np.cos(source[1]) * np.sin((ra - source[0]) / 2) ** 2
    return np.asarray(2 * np.arcsin(np.sqrt(np.clip(s, 0, 1))))


def energy_ratio(sample: Sample, dec: float) -> tuple[F64, F64]:
    """Return ln(s / b) of each event, (n, N_GAMMA), and ln of the expected events per day for unit flux, (N_GAMMA,).

    Flux: (E / GeV)^-gamma per GeV cm^2 s.
    """
    edges = sample.area_log_e
    middle = (edges[1:] + edges[:-1]) / 2
    median, below, above = np.array([detector.proxy(float(e), float(np.sin(dec))) for e in middle]).T
    z = (_TABLE[None, :] - median[:, None]) / np.where(
        _TABLE[None, :] < median[:, None], below[:, None], above[:, None]
    )
    split = np.exp(-(z**2) / 2) * (np.sqrt(2 / np.pi) / (below + above))[:, None]
    ratio = np.empty((sample.log_e.size, N_GAMMA))
    log_rate = np.empty(N_GAMMA)
    b = _background(sample.log_e)
    for k, gamma in enumerate(gammas()):
        a = 1 - gamma + 1e-12
        flux = (10.0 ** (a * edges[1:]) - 10.0 ** (a * edges[:-1])) / a
        expected = sample.area_cm2 * flux
        s = expected @ split / expected.sum()
        ratio[:, k] = np.interp(sample.log_e, _TABLE, np.log(s + 1e-300)) - np.log(b)
        log_rate[k] = np.log(expected.sum() * _SECONDS)
    return ratio, log_rate


def _background(log_e: F64) -> F64:
    """Density of the energies at the events: kernels of width 0.08, wider as density^(-1/2) (Abramson)."""
    first = _density(log_e, log_e, np.full(log_e.size, _KERNEL))
    width = _KERNEL * np.sqrt(np.exp(np.log(first).mean()) / first)
    return _density(log_e, log_e, np.clip(width, _KERNEL, _SPREAD))


def _density(at: F64, centre: F64, width: F64) -> F64:
    z = (at[:, None] - centre[None, :]) / width[None, :]
    return np.asarray((np.exp(-(z**2) / 2) / (np.sqrt(2 * np.pi) * width[None, :])).mean(axis=1))


def region_seasons(samples: tuple[Sample, ...], log_rates: list[F64]) -> FlareSeasons:
    """Seasons of the likelihood: a sample is one run."""
    runs = [(np.array([s.start]), np.array([s.stop])) for s in samples]
    counts = np.array([float(s.mjd.size) for s in samples])
    return seasons_of(counts, np.array(log_rates), runs, GAMMA_LO, GAMMA_STEP)


def region_events(
    samples: tuple[Sample, ...],
    ratios: list[F64],
    positions: list[tuple[F64, F64]],
    source: tuple[float, float],
    radius: float,
) -> FlareEvents:
    """Events with S > 0, by time.

    Parameters
    ----------
    ratios : list of ndarray (n, N_GAMMA)
        Of `energy_ratio`.
    positions : list of (mjd, ra)
        Of each sample's events: measured, or those of a trial.
    source : (ra, dec), rad
    radius : float, rad
        Of the circle.
    """
    omega = 2 * np.pi * (1 - np.cos(radius))
    parts = []
    for j, (sample, ratio, (mjd, ra)) in enumerate(zip(samples, ratios, positions, strict=True)):
        psi = separation(ra, sample.dec, source)
        near = psi < CUT_N_SIGMA * sample.sigma
        space = -(psi**2) / (2 * sample.sigma**2) + np.log(omega / (2 * np.pi * sample.sigma**2))
        season = np.full(near.sum(), j)
        density = np.full(near.sum(), 1 / (sample.stop - sample.start))
        parts.append((mjd[near], season, ratio[near] + space[near, None], density))
    mjd, season, log_w, density = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(mjd, kind="stable")
    return FlareEvents(mjd[order], season[order].astype(np.int64), np.ascontiguousarray(log_w[order]), density[order])


def scrambled(
    samples: tuple[Sample, ...], source: tuple[float, float], radius: float, uniform: NDArray[np.float64]
) -> list[tuple[F64, F64]]:
    """Times uniform over each sample, right ascensions uniform over the circle at the event's declination.

    Parameters
    ----------
    uniform : ndarray (2, n_events of all samples)
        Uniform numbers of one trial.
    """
    out, at = [], 0
    for sample in samples:
        u = uniform[:, at : at + sample.mjd.size]
        at += sample.mjd.size
        s = np.sin(radius / 2) ** 2 - np.sin((sample.dec - source[1]) / 2) ** 2
        half = 2 * np.arcsin(np.sqrt(np.clip(s / (np.cos(sample.dec) * np.cos(source[1])), 0, 1)))
        mjd = sample.start + (sample.stop - sample.start) * u[0]
        out.append((mjd, source[0] + (2 * u[1] - 1) * half))
    return out
