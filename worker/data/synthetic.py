"""A simulated season like IC86-2011: deterministic, without files."""

import numpy as np
from scipy.special import ndtri

from worker.base.rng import OTHER, key, uniforms
from worker.data import detector
from worker.data.clean import clean_events, event_order
from worker.data.dataset import F64, Dataset, EffectiveArea, GoodRuns, Position, Season
from worker.data.good_runs import good_runs
from worker.data.parametric import FLOOR_DEG, Model, build_smearing

AREA_LOG_E_NU = np.linspace(2.0, 9.0, 36)
AREA_SIN_DEC = np.linspace(-1.0, 1.0, 51)
FIRST_MJD = 55694.0
_RUN_DAYS, _GAP_DAYS = 30.0, 2.0
MODEL = Model(detector.proxy, detector.sigma_deg, detector.pull)

NOTE = (
    "made-up events and a made-up response, tuned to resemble the first public IC86 year: "
    "for development and demonstration, never for a physics claim"
)


def make(seed: int, n_events: int, livetime_days: float, *, sigma_max_deg: float) -> Dataset:
    """Make the season; the same arguments give the same bits (`sigma_max_deg`: see `clean_events`)."""
    dec_deg, sigma_deg, log_e = draw_events(seed, n_events)
    events, notes = clean_events(dec_deg, sigma_deg, log_e, sigma_max_deg=sigma_max_deg)
    area = EffectiveArea(AREA_LOG_E_NU, AREA_SIN_DEC, _area())
    smearing = build_smearing(detector.SMEARING_LOG_E_NU, np.deg2rad(detector.SMEARING_DEC_DEG), MODEL)
    runs = make_runs(livetime_days, draw_times(seed, n_events, livetime_days))
    season = Season("synthetic", livetime_days, events, area, smearing, (NOTE, *notes), runs)
    return Dataset("synthetic", (season,))


def draw_events(seed: int, n_events: int) -> tuple[F64, F64, F64]:
    """Declinations (deg), angular errors (deg) and log10(E/GeV) of the events, (n_events,) each.

    Rounded as the releases are: 0.001 deg, 0.01 deg with a floor of 0.2 deg, 0.01.
    """
    address = key("synthetic", seed)
    u_dec, u_log_e, u_sigma = (uniforms(address, OTHER, trial, n_events) for trial in range(3))
    sin_dec = _quantiles_of_rate(u_dec)
    log_e = detector.event_log_e(ndtri(u_log_e), sin_dec)
    sigma = detector.event_sigma_deg(ndtri(u_sigma), log_e, sin_dec)
    # one thousandth of a degree short of the poles, as in the releases
    dec_deg: F64 = np.clip(np.round(np.rad2deg(np.arcsin(sin_dec)), 3), -89.999, 89.999)
    return dec_deg, np.clip(np.round(sigma, 2), FLOOR_DEG, None), np.round(log_e, 2)


def draw_times(seed: int, n_events: int, livetime_days: float) -> F64:
    """Return the times of the events, uniform over the livetime, (n_events,), MJD."""
    elapsed = livetime_days * uniforms(key("synthetic", seed), OTHER, 4, n_events)
    return FIRST_MJD + elapsed + _GAP_DAYS * np.floor(elapsed / _RUN_DAYS)


def make_runs(livetime_days: float, mjd: F64) -> GoodRuns:
    """Return good runs of 30 days, the last one shorter, with gaps of two days."""
    before = np.arange(0.0, livetime_days, _RUN_DAYS)
    start = FIRST_MJD + before + _GAP_DAYS * np.arange(len(before))
    livetime = np.minimum(_RUN_DAYS, livetime_days - before)
    return good_runs(start, start + livetime, livetime, mjd)


def read_positions(seed: int, n_events: int, livetime_days: float, *, sigma_max_deg: float) -> tuple[Position]:
    """Made-up "measured" right ascensions and times, in the order of `Season.events`: for unblinding only."""
    dec_deg, sigma_deg, log_e = draw_events(seed, n_events)
    order = event_order(dec_deg, sigma_deg, log_e, sigma_max_deg=sigma_max_deg)
    ra = np.asarray(2 * np.pi * uniforms(key("synthetic", seed), OTHER, 3, n_events)[order])
    return (Position(ra, draw_times(seed, n_events, livetime_days)[order]),)


def _quantiles_of_rate(u: F64) -> F64:
    nodes = np.linspace(-1, 1, 4001)
    density = detector.rate(nodes)
    cdf = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return np.interp(u, cdf / cdf[-1], nodes)


def _area() -> F64:
    """Effective area at the centres of its bins, to single precision: last bits of powers differ between processors."""
    area = detector.area_cm2((AREA_LOG_E_NU[1:] + AREA_LOG_E_NU[:-1]) / 2, (AREA_SIN_DEC[1:] + AREA_SIN_DEC[:-1]) / 2)
    return area.astype(np.float32).astype(np.float64)
