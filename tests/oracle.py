"""The likelihood of one position, read from docs/engine.md and done the slow and plain way.

It shares no code with `worker.engines.builtin`: own file reading, own densities, scipy for roots, splines and maxima.
What the two must agree in is what the recipe of docs/engine.md says.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicHermiteSpline
from scipy.optimize import brentq, minimize_scalar
from scipy.special import i0e

GAMMAS = np.arange(1.0, 4.0 + 1e-9, 1 / 16)
P_KERNEL, B_KERNEL, MOST = (1.2, 30.0), (1.0, 500.0), np.radians(10.0)  # least width (deg) and events
E_WIDTH, E_EVENTS = 0.1, 100.0  # of log10 E
FLOOR, LARGEST, CUT = np.radians(0.2), np.radians(5.0), 5.0
STEP = 0.05  # of log10 E
NODES = np.radians(np.linspace(-90, 90, 361))  # declinations
CENTRES = np.radians(-89.75 + 0.5 * np.arange(360))


class Season(NamedTuple):
    """Events (float32, rad; sigma 0 where unusable) and response: area (E, dec), cells by (E bin, dec bin)."""

    days: float
    dec: np.ndarray
    sigma: np.ndarray
    log_e: np.ndarray
    area_log_e: np.ndarray
    area_sin_dec: np.ndarray
    area: np.ndarray
    log_e_nu: np.ndarray
    dec_nu: np.ndarray
    cells: dict[tuple[int, int], np.ndarray]  # columns log_e_lo, log_e_hi, psi_lo, psi_hi, sigma_lo, sigma_hi, weight


def read(folder: Path, season: str, config: str) -> Season:
    """A season of the published release, with numpy alone."""
    events = np.loadtxt(folder / "events" / f"{season}_exp.csv", usecols=(7, 5, 4))
    uptime = np.loadtxt(folder / "uptime" / f"{season}_exp.csv")
    area = np.loadtxt(folder / "irfs" / f"{config}_effectiveArea.csv")
    with (folder / "irfs" / f"{config}_smearing.csv").open() as file:
        filled = [line for line in file if not line.rstrip().endswith("0.000000000e+00")]
    smearing = np.loadtxt(filled, usecols=range(11))
    sigma_deg = np.where((events[:, 1] > 0) & (events[:, 1] <= 5.0), events[:, 1], 0.0)
    area_e, area_dec = edges(area[:, 0], area[:, 1]), edges(area[:, 2], area[:, 3])
    i, j = np.searchsorted(area_e, area[:, 0]), np.searchsorted(area_dec, area[:, 2])
    table = np.empty((len(area_e) - 1, len(area_dec) - 1))
    table[i, j] = area[:, 4]
    e_nu, dec_nu = edges(smearing[:, 0], smearing[:, 1]), edges(smearing[:, 2], smearing[:, 3])
    at = np.searchsorted(e_nu, smearing[:, 0]), np.searchsorted(dec_nu, smearing[:, 2])
    cells = {}
    for key in {(int(a), int(b)) for a, b in zip(*at, strict=True)}:
        mine = smearing[(at[0] == key[0]) & (at[1] == key[1])][:, 4:]
        mine[:, 2:6] = np.radians(mine[:, 2:6])
        mine[:, 6] /= mine[:, 6].sum()
        cells[key] = mine.astype(np.float32)
    order = np.lexsort((np.radians(sigma_deg), events[:, 2], events[:, 0]))
    columns = np.radians(events[:, 0]), np.radians(sigma_deg), events[:, 2]
    return Season(
        float(np.sum(uptime[:, 1] - uptime[:, 0])), *(column[order].astype(np.float32) for column in columns),
        area_e, np.sin(np.radians(area_dec)), table, e_nu, np.radians(dec_nu), cells,
    )  # fmt: skip


def edges(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return np.unique(np.append(low, high))


class Model(NamedTuple):
    """Seasons with what does not depend on the source: events with a usable sigma, their p b, and the energy grid."""

    seasons: tuple[Season, ...]
    lo: float
    n_bins: int
    events: tuple[dict[str, np.ndarray], ...]


def model(seasons: tuple[Season, ...]) -> Model:
    lowest = min(min(s.log_e.min(), *(c[:, 0].min() for c in s.cells.values())) for s in seasons)
    highest = max(max(s.log_e.max(), *(c[:, 1].max() for c in s.cells.values())) for s in seasons)
    first, last = np.floor(float(lowest) / STEP + 1e-9), np.ceil(float(highest) / STEP - 1e-9)
    lo, n_bins = float(first) * STEP, int(last - first)
    return Model(seasons, lo, n_bins, tuple(_events(s, lo, n_bins) for s in seasons))


def _events(s: Season, lo: float, n_bins: int) -> dict[str, np.ndarray]:
    dec = s.dec.astype(float)
    e = np.clip(((s.log_e.astype(float) - lo) / STEP).astype(int), 0, n_bins - 1)
    x = np.clip((np.degrees(dec) + 90) / 0.5, 0, 360)
    k = np.minimum(x.astype(int), 359)
    counts = np.zeros((360, n_bins))
    np.add.at(counts, (k, e), 1)
    p, _ = in_declination(counts.sum(axis=1)[:, None], *P_KERNEL)
    p = p[:, 0] / (np.diff(NODES) @ line_integrals(p[:, 0]))
    rows, peak = in_declination(counts, *B_KERNEL)
    b = np.array([energy_row(row) for row in rows / peak[:, None]])
    t = x - k
    pb = (p[k] * (1 - t) + p[k + 1] * t) * (b[k, e] * (1 - t) + b[k + 1, e] * t)
    use = s.sigma > 0
    sigma = np.maximum(s.sigma.astype(float), FLOOR)
    columns = {"dec": dec, "sigma": sigma, "bin": e, "pb": pb, "sin_dec": np.sin(dec)}
    return {name: value[use] for name, value in columns.items()}


def sphere(dec: np.ndarray, centre: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Von Mises-Fisher density per sin(dec), averaged over right ascension, cut at five widths."""
    kappa = 1 / width**2
    cosines = np.exp(kappa * (np.cos(dec - centre) - 1)) * i0e(kappa * np.cos(dec) * np.cos(centre))
    return np.where(np.abs(dec - centre) < 5 * width, kappa / (1 - np.exp(-2 * kappa)) * cosines, 0)


def in_declination(counts: np.ndarray, width_deg: float, events: float) -> tuple[np.ndarray, np.ndarray]:
    """Events per sin(dec) at the nodes, and what one event at a node adds there; kernels hold so many events."""
    every = counts.sum(axis=1)
    widths = np.empty(361)
    for k, dec in enumerate(NODES):
        widths[k] = np.radians(width_deg)
        while widths[k] < MOST and every @ sphere(dec, CENTRES, widths[k]) < events * sphere(dec, dec, widths[k]):
            widths[k] = min(1.25 * widths[k], MOST)
    each = (widths[1:] + widths[:-1]) / 2
    return sphere(NODES[:, None], CENTRES[None, :], each[None, :]) @ counts, sphere(NODES, NODES, widths)


def line_integrals(p: np.ndarray) -> np.ndarray:
    """Means of p cos(dec) between nodes, p linear in between: Gauss-Legendre."""
    places, weights = np.polynomial.legendre.leggauss(8)
    t = (places + 1) / 2
    dec = NODES[:-1, None] * (1 - t) + NODES[1:, None] * t
    return (p[:-1, None] * (1 - t) + p[1:, None] * t) * np.cos(dec) @ weights / 2


def energy_row(row: np.ndarray) -> np.ndarray:
    """Smoothed over log10 E, in kernels of so many events, with both ends replaced by exponentials, sum 1."""
    density = gaussians(np.full(len(row), E_WIDTH)) @ row
    with np.errstate(divide="ignore"):
        smooth = gaussians(np.minimum(E_WIDTH, E_EVENTS * STEP / (np.sqrt(2 * np.pi) * density)))
    first = smooth @ row
    out = first * (smooth @ np.divide(row, first, out=np.zeros_like(row), where=first > 0)) / smooth.sum(axis=1)
    out *= row.sum() / out.sum()
    few = min(30.0, 0.1 * out.sum())
    out = tail(out, few)
    out = tail(out[::-1], few)[::-1]
    return np.asarray(out / out.sum())


def gaussians(widths: np.ndarray) -> np.ndarray:
    """Share of each bin's content (columns) in each bin (rows); a bin's own kernel is cut at five widths."""
    u = widths / STEP
    apart = np.abs(np.subtract.outer(np.arange(len(u)), np.arange(len(u))))
    weight = np.where(apart <= (5 * u).astype(int), np.exp(-0.5 * (apart / u) ** 2), 0)
    return np.asarray(weight / weight.sum(axis=0))


def tail(row: np.ndarray, few: float) -> np.ndarray:
    """The bins above which at least `few` events lie, as an exponential of the same content and median excess."""
    above = np.cumsum(row[::-1])[::-1]
    first = max(int(np.flatnonzero(above >= few).max(initial=1)), 1)
    content = np.cumsum(row[first:])
    middle = int(np.flatnonzero(content >= 0.5 * content[-1])[0])
    before = content[middle] - row[first + middle]
    median = (middle + (0.5 * content[-1] - before) / row[first + middle]) * STEP
    slope = np.clip(np.log(2) / median, 1.0, 30.0)
    q = np.exp(-slope * STEP * np.arange(len(row) - first + 1))
    return np.concatenate([row[:first], content[-1] * (q[:-1] - q[1:]) / (1 - q[-1])])


def signal(m: Model, dec: float) -> tuple[list[CubicHermiteSpline], CubicHermiteSpline]:
    """f_j s_j(bin | gamma) of each season and the shares f_j, as cubic Hermite splines in gamma."""
    events = [expected(m, s, dec) for s in m.seasons]
    totals = [e[1] for e in events]
    return [hermite(e[0] / sum(totals)[:, None]) for e in events], hermite(np.array(totals).T / sum(totals)[:, None])


def expected(m: Model, s: Season, dec: float) -> tuple[np.ndarray, np.ndarray]:
    """Events per unit flux (E / 100 TeV)^-gamma, (n_gamma, n_bins) and (n_gamma,): both linear in sin(dec)."""
    edges_x = np.sin(s.dec_nu)
    widths = np.diff(edges_x)
    half = np.concatenate([[0], np.minimum(np.minimum(widths[1:], widths[:-1]) / 2, 0.04), [0]])
    x = np.concatenate([s.area_sin_dec, middles(s.area_sin_dec), edges_x - half, edges_x + half])
    x = np.unique(np.clip(x, -1, 1))
    above = min(int(np.searchsorted(x, np.sin(dec), side="right")), len(x) - 1)
    t = (np.sin(dec) - x[above - 1]) / (x[above] - x[above - 1])
    low, high = (at_node(m, s, x[k], edges_x, half) for k in (above - 1, above))
    total = low[1] * (1 - t) + high[1] * t
    shape = low[0] / low[1][:, None] * (1 - t) + high[0] / high[1][:, None] * t
    return shape * total[:, None], total


def at_node(m: Model, s: Season, x: float, dec_edges: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same at a node: a column of the area, and the smearing of one or two bins."""
    column = [np.interp(x, *broken_line(s.area_sin_dec, row)) for row in s.area]
    spread, total = np.zeros((len(GAMMAS), m.n_bins)), np.zeros(len(GAMMAS))
    mix = np.zeros(len(dec_edges) - 1)
    j = min(int(np.searchsorted(dec_edges, x, side="right")) - 1, len(mix) - 1)
    mix[j] = 1
    for edge, other in ((j, j - 1), (j + 1, j + 1)):
        away = abs(x - dec_edges[edge])
        if 0 <= other < len(mix) and away < half[edge] - 1e-9:
            mix[other] = (1 - away / half[edge]) / 2
            mix[j] = 1 - mix[other]
    for i in range(len(s.log_e_nu) - 1):
        events = np.zeros(len(GAMMAS))
        for k, a in enumerate(column):
            lo, hi = max(s.log_e_nu[i], s.area_log_e[k]), min(s.log_e_nu[i + 1], s.area_log_e[k + 1])
            if hi - lo > 1e-9:
                events += a * np.array([flux(lo, hi, gamma) for gamma in GAMMAS])
        for n in np.flatnonzero(mix):
            if (i, n) in s.cells:
                spread += np.outer(events * mix[n], marginal(m, s.cells[i, n]))
                total += events * mix[n]
    return spread * s.days * 86400, total * s.days * 86400


def middles(x: np.ndarray) -> np.ndarray:
    return (x[1:] + x[:-1]) / 2


def broken_line(edges_x: np.ndarray, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The line through edges (harmonic means) and centres of bins that keeps the mean of every bin."""
    with np.errstate(divide="ignore"):
        inner = 2 / (1 / means[1:] + 1 / means[:-1])
    at_edges = np.concatenate([means[:1], inner, means[-1:]])
    centres = 2 * means - middles(at_edges)
    order = np.argsort(np.concatenate([edges_x, middles(edges_x)]))
    return np.concatenate([edges_x, middles(edges_x)])[order], np.concatenate([at_edges, centres])[order]


def flux(lo: float, hi: float, gamma: float) -> float:
    a, b = 10 ** (lo - 5), 10 ** (hi - 5)
    return 1e5 * (np.log(b / a) if gamma == 1 else (b ** (1 - gamma) - a ** (1 - gamma)) / (1 - gamma))


def marginal(m: Model, cells: np.ndarray) -> np.ndarray:
    """Share of each energy bin in cells that are flat in log10 E."""
    lo, hi, weight = cells[:, [0, 1, 6]].astype(float).T
    a, b = (lo - m.lo) / STEP, (hi - m.lo) / STEP
    e = np.arange(m.n_bins)
    overlap = np.clip(np.minimum(b[:, None], e + 1) - np.maximum(a[:, None], e), 0, None)
    return np.asarray((weight / (b - a)) @ overlap)


def hermite(y: np.ndarray) -> CubicHermiteSpline:
    """Cubic Hermite in gamma: slopes by differences of fourth order, of second order at the ends and beside them."""
    h = GAMMAS[1] - GAMMAS[0]
    slope = np.gradient(y, h, axis=0, edge_order=2)
    slope[2:-2] = (8 * (y[3:-1] - y[1:-3]) - (y[4:] - y[:-4])) / (12 * h)
    return CubicHermiteSpline(GAMMAS, y, slope)


def gaussian(_: int, ev: dict[str, np.ndarray], psi: np.ndarray) -> tuple[np.ndarray, ...]:
    """Which events have S > 0, and S of those for a soft spectrum and for a hard one."""
    use = psi < CUT * ev["sigma"]
    s = np.exp(-0.5 * (psi[use] / ev["sigma"][use]) ** 2) / (2 * np.pi * ev["sigma"][use] ** 2)
    return use, s, s


def hardness(gamma: float) -> float:
    """How hard a spectrum is: 0 from 3.2 on, 1 up to 2."""
    t = np.clip((3.2 - gamma) / 1.2, 0, 1)
    return float(3 * t**2 - 2 * t**3)


def ts_of(
    m: Model, tables: tuple, ra: float, dec: float, right_ascensions: list[np.ndarray], space=gaussian
) -> tuple[float, float, float]:
    """Largest TS, its ns and gamma. Right ascensions (rad): those of the events with a usable sigma, by season."""
    splines, shares = tables
    near = []
    for j, (ev, event_ra, s) in enumerate(zip(m.events, right_ascensions, m.seasons, strict=True)):
        chord2 = np.sin((ev["dec"] - dec) / 2) ** 2 + np.cos(ev["dec"]) * np.cos(dec) * np.sin((event_ra - ra) / 2) ** 2
        psi = 2 * np.arcsin(np.sqrt(np.minimum(chord2, 1)))
        use, soft, hard = space(j, ev, psi)
        over = 2 * np.pi / ev["pb"][use]
        near.append((soft * over, hard * over, ev["bin"][use], float(len(s.dec))))

    def terms_at(gamma: float) -> tuple[np.ndarray, list[tuple[float, float]]]:
        f, m = shares(gamma), hardness(gamma)
        y, rest = [], []
        for j, (soft, hard, e, n) in enumerate(near):
            w = (1 - m) * soft + m * hard
            y.append(w * splines[j](gamma)[e] / n - f[j] / n)  # (ns_j / N_j) (W - 1) over ns, with ns_j = ns f_j
            rest.append((n - len(w), f[j] / n))
        return np.concatenate(y), rest

    return largest(terms_at)


def largest(terms_at: Callable[[float], tuple[np.ndarray, list[tuple[float, float]]]]) -> tuple[float, float, float]:
    """Largest TS, its ns and gamma, of terms y of near events and (number, q) of the others at each gamma."""

    def best_ns(gamma: float) -> tuple[float, float]:
        """TS and ns at one gamma."""
        terms, rest = terms_at(gamma)

        def slope(ns: float) -> float:
            return float(np.sum(terms / (1 + ns * terms)) - sum(k * q / (1 - ns * q) for k, q in rest))

        if slope(0.0) <= 0:
            return 0.0, 0.0
        top = 1.0
        while slope(top) > 0:
            top *= 2
        ns = brentq(slope, 0, top, xtol=1e-11, rtol=1e-13)
        value = np.sum(np.log1p(ns * terms)) + sum(k * np.log1p(-ns * q) for k, q in rest)
        return 2 * float(value), ns

    profile = np.array([best_ns(gamma)[0] for gamma in GAMMAS])
    found = (0.0, 0.0, 1.0)
    for k in np.flatnonzero(profile > 0):
        around = profile[max(k - 1, 0) : k + 2]
        if profile[k] < around.max():
            continue
        low, high = GAMMAS[max(k - 1, 0)], GAMMAS[min(k + 1, len(GAMMAS) - 1)]
        inner = minimize_scalar(lambda g: -best_ns(g)[0], bounds=(low, high), method="bounded", options={"xatol": 1e-6})
        for gamma in (float(inner.x), low, high, GAMMAS[k]):
            ts, ns = best_ns(gamma)
            found = max(found, (ts, ns, float(gamma)))
    return found
