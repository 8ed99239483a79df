"""The signal density of ``psf: response``, read from docs/engine.md and done with numpy: no code of the engine."""

from typing import Any

import numpy as np

from tests import oracle

N_SIGMA, PER_CLASS, WIDEST, SCALES = 16, 5, 32.0, 8
SOFT_AND_HARD = (3.2, 2.0)
U2 = np.concatenate([[0], 2.0 ** (np.arange(33) / 2 - 6), [np.inf]])  # edges of (psi / sigma)^2
VARIANCE = WIDEST / 2.0 ** np.arange(SCALES)
LOG_SIGMA = np.linspace(np.log(oracle.FLOOR), np.log(oracle.LARGEST), N_SIGMA + 1)


def sigma_bin(sigma: np.ndarray) -> np.ndarray:
    return np.clip(np.searchsorted(LOG_SIGMA, np.log(sigma), side="right") - 1, 0, N_SIGMA - 1)


def spread(n: int, step: float, width: float) -> np.ndarray:
    """Matrix that smooths n rows: each row's Gaussian weights, cut at 5 widths, have sum 1."""
    i = np.arange(n)
    d = i[:, None] - i
    weight = np.where(np.abs(d) <= int(5 * width / step), np.exp(-0.5 * (d * step / width) ** 2), 0.0)
    return np.asarray(weight / weight.sum(axis=0))


def with_prior(sums: np.ndarray, prior: np.ndarray, n: float) -> np.ndarray:
    return np.asarray((sums + n * prior) / (sums.sum(axis=-1, keepdims=True) + n))


def background(s: oracle.Season, lo: float, n_bins: int) -> np.ndarray:
    """b(bin of sigma | energy bin, sin dec) at 51 nodes, (51, n_bins, 16)."""
    e = np.clip(((s.log_e.astype(float) - lo) / oracle.STEP).astype(int), 0, n_bins - 1)
    sigma = s.sigma.astype(float)
    column = np.where(sigma > 0, sigma_bin(np.maximum(sigma, oracle.FLOOR)), N_SIGMA)
    counts = np.zeros((n_bins, N_SIGMA + 1))
    np.add.at(counts, (e, column), 1)
    prior = with_prior(
        spread(n_bins, oracle.STEP, 0.2) @ counts, (counts.sum(axis=0) + 1) / (counts.sum() + N_SIGMA + 1), 5
    )
    out = []
    for node in np.linspace(-1, 1, 51):
        d = (np.sin(s.dec.astype(float)) - node) / 0.04
        near = np.zeros((n_bins, N_SIGMA + 1))
        np.add.at(near, (e, column), np.where(np.abs(d) < 5, np.exp(-0.5 * d * d), 0.0))
        out.append(with_prior(spread(n_bins, oracle.STEP, 0.1) @ near, prior, 5)[:, :N_SIGMA])
    return np.array(out)


def parts_of(s: oracle.Season, k: int, gamma: float) -> np.ndarray:
    """Cells of a declination bin in nine parts: log_e_lo, log_e_hi, psi, sigma, weight of the part, of the cell."""
    middle = 0.5 * (np.sin(s.dec_nu[k]) + np.sin(s.dec_nu[k + 1]))
    column = [np.interp(middle, *oracle.broken_line(s.area_sin_dec, row)) for row in s.area]
    by_energy = np.zeros(len(s.log_e_nu) - 1)
    for i in range(len(by_energy)):
        for a, *at in zip(column, s.area_log_e, s.area_log_e[1:], strict=False):
            lo, hi = max(s.log_e_nu[i], at[0]), min(s.log_e_nu[i + 1], at[1])
            if (i, k) in s.cells and hi - lo > 1e-9:
                by_energy[i] += a * oracle.flux(lo, hi, gamma)
    by_energy /= by_energy.sum()
    rows = []
    for i, share in enumerate(by_energy):
        cells = s.cells.get((i, k))
        if cells is None or share == 0:
            continue
        c = cells.astype(float)
        for a in (1, 3, 5):
            for b in (1, 3, 5):
                psi, sigma = c[:, 2] + a / 6 * (c[:, 3] - c[:, 2]), c[:, 4] + b / 6 * (c[:, 5] - c[:, 4])
                rows.append(np.column_stack([c[:, :2], psi, sigma, c[:, 6] * share / 9]))
    return np.concatenate(rows)


def histograms(m: oracle.Model, s: oracle.Season, k: int, gamma: float) -> tuple[np.ndarray, ...]:
    """Weights and their squares by (energy bin, sigma), and by (class, sigma, u2) with plain weights beside them."""
    lo, hi, psi, sigma, weight = parts_of(s, k, gamma).T
    n_classes = -(-m.n_bins // PER_CLASS)
    joint, joint2 = np.zeros((2, m.n_bins, N_SIGMA + 1))
    shapes = np.zeros((n_classes, N_SIGMA, len(U2) - 1))
    squares, plain = np.zeros((2, n_classes, N_SIGMA))
    usable = (sigma > 0) & (sigma <= oracle.LARGEST)
    sigma = np.maximum(sigma, oracle.FLOOR)
    column = np.where(usable, sigma_bin(sigma), N_SIGMA)
    u = np.searchsorted(U2, (psi / sigma) ** 2, side="right") - 1
    sphere = np.where(psi < 1.5, psi / np.sin(psi), 1.0)
    first, last = (np.clip(((x - m.lo) / oracle.STEP).astype(int), 0, m.n_bins - 1) for x in (lo, hi))
    for e in range(m.n_bins):
        here = (first <= e) & (e <= last)
        left, right = m.lo + e * oracle.STEP, m.lo + (e + 1) * oracle.STEP
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.clip(np.minimum(right, hi) - np.maximum(left, lo), 0, None) / (hi - lo)
        w = (np.where(first == last, 1.0, share) * weight)[here]
        np.add.at(joint[e], column[here], w)
        np.add.at(joint2[e], column[here], 9 * w * w)
        good = usable[here]
        at = (e // PER_CLASS, column[here][good])
        np.add.at(shapes, (*at, u[here][good]), (w * sphere[here])[good])
        np.add.at(squares, at, 9 * (w * w)[good])
        np.add.at(plain, at, w[good])
    return joint, joint2, shapes, squares, plain


def mixtures(shapes: np.ndarray, squares: np.ndarray, plain: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares of the Gaussians, the integral of S on the sphere, and the cut, by (class, sigma)."""
    edge = np.exp(-0.5 * U2 / VARIANCE[:, None])
    integrals = edge[:, :-1] - edge[:, 1:]
    scale = 1e4 / shapes.sum()
    every = with_prior(shapes.sum(axis=(0, 1)) * scale, integrals[5], 1)
    pooled = with_prior(shapes.sum(axis=0) * scale, every, 5)
    smooth = spread(len(shapes), PER_CLASS * oracle.STEP, 0.15)
    sums = np.einsum("ij,jsu->isu", smooth, shapes)
    squares, plain = smooth @ squares, smooth @ plain
    content = sums.sum(axis=2)
    filled = content > 0
    scale = np.divide(content, squares, out=np.zeros_like(content), where=filled)
    counts = 5 * pooled + scale[:, :, None] * sums
    counts /= counts.sum(axis=2, keepdims=True)
    share = np.full((*content.shape, SCALES), 1 / SCALES)
    for _ in range(100):
        expected = share @ integrals
        share = share * ((counts / expected) @ integrals.T)
    lo, hi = np.zeros_like(content), np.full_like(content, oracle.CUT)
    for _ in range(40):
        middle = 0.5 * (lo + hi)
        outside = (share * np.exp(-0.5 * middle[..., None] ** 2 / VARIANCE)).sum(axis=2)
        lo, hi = np.where(outside > 0.001, middle, lo), np.where(outside > 0.001, hi, middle)
    return share, np.divide(content, plain, out=np.ones_like(content), where=filled), hi


def signal_sigma(joint: np.ndarray, joint2: np.ndarray) -> np.ndarray:
    """s(bin of sigma | energy bin), (n_bins, 16)."""
    total = joint.sum(axis=0)
    prior: Any = (total + 1e-4) / (total.sum() + 1e-4 * len(total))
    for width in (0.2, 0.1):
        smooth = spread(len(joint), oracle.STEP, width)
        sums, squares = smooth @ joint, (smooth @ joint2).sum(axis=1, keepdims=True)
        scale = np.divide(sums.sum(axis=1, keepdims=True), squares, out=np.zeros_like(squares), where=squares > 0)
        prior = with_prior(sums * scale, prior, 5)
    return np.asarray(prior[:, :N_SIGMA])


def tables(m: oracle.Model, j: int, k: int) -> tuple[np.ndarray, ...]:
    """Of a season and declination bin: coefficients of h, cut, s(sigma), share of the signal inside; soft, hard."""
    found = []
    for gamma in SOFT_AND_HARD:
        joint, joint2, *rest = histograms(m, m.seasons[j], k, gamma)
        share, integral, cut = mixtures(*rest)
        of_sigma = signal_sigma(joint, joint2)
        contained = 1 - (share * np.exp(-0.5 * cut[..., None] ** 2 / VARIANCE)).sum(axis=2)
        inside = (of_sigma * contained[np.arange(m.n_bins) // PER_CLASS]).sum(axis=1)
        found.append((share * integral[..., None] / VARIANCE, cut, of_sigma, inside))
    mix, cut, of_sigma, inside = (np.array(x) for x in zip(*found, strict=True))
    return mix, cut.max(axis=0), of_sigma, inside


class Space:
    """S of every season: `at(dec)` gives what `oracle.ts_of` takes as `space`, `shares` the signal that is inside."""

    def __init__(self, m: oracle.Model) -> None:
        self.model = m
        self.background = [background(s, m.lo, m.n_bins) for s in m.seasons]
        self.made: dict[tuple[int, int], tuple[np.ndarray, ...]] = {}

    def tables(self, j: int, dec: float) -> tuple[np.ndarray, ...]:
        """Tables of a season, linear in sin dec between the middles of the declination bins."""
        edges = np.sin(self.model.seasons[j].dec_nu)
        middle = 0.5 * (edges[1:] + edges[:-1])
        x = np.clip(np.sin(dec), middle[0], middle[-1])
        k = int(np.clip(np.searchsorted(middle, x, side="right") - 1, 0, len(middle) - 2))
        for one in (k, k + 1):
            if (j, one) not in self.made:
                self.made[j, one] = tables(self.model, j, one)
        t = (x - middle[k]) / (middle[k + 1] - middle[k])
        return tuple(a * (1 - t) + b * t for a, b in zip(self.made[j, k], self.made[j, k + 1], strict=True))

    def shares(self, signal: tuple[Any, Any], dec: float) -> tuple[Any, Any]:
        """The result of `oracle.signal` with the shares of the seasons' signal that is inside the cut."""
        splines, shares = signal
        m = np.array([oracle.hardness(gamma) for gamma in oracle.GAMMAS])[:, None]
        inside = shares(oracle.GAMMAS)
        for j, spline in enumerate(splines):
            soft, hard = self.tables(j, dec)[3]
            inside[:, j] -= (spline(oracle.GAMMAS) * (1 - (1 - m) * soft - m * hard)).sum(axis=1)
        return splines, oracle.hermite(inside)

    def at(self, dec: float) -> Any:
        found = [self.tables(j, dec) for j in range(len(self.model.seasons))]

        def space(j: int, ev: dict[str, np.ndarray], psi: np.ndarray) -> tuple[np.ndarray, ...]:
            coefficient, cut, of_sigma, _ = found[j]
            b, e = sigma_bin(ev["sigma"]), ev["bin"]
            use = psi < cut[e // PER_CLASS, b] * ev["sigma"]
            b, e, sigma = b[use], e[use], ev["sigma"][use]
            x = 0.5 * (psi[use] / sigma) ** 2
            h = (coefficient[:, e // PER_CLASS, b] * np.exp(-x[:, None] / VARIANCE)).sum(axis=2)
            y = (ev["sin_dec"][use] + 1) / 0.04
            i = np.clip(y.astype(int), 0, 49)
            t = y - i
            of_background = self.background[j][i, e, b] * (1 - t) + self.background[j][i + 1, e, b] * t
            soft, hard = h / (2 * np.pi * sigma**2) * of_sigma[:, e, b] / of_background
            return use, soft, hard

        return space
