"""The likelihood of a catalogue, from the formula of docs/method.md and the oracle of a single source, in plain numpy.

S_i = sum_k v_jk S(psi_ik) s_j(E_i | dec_k) with v_jk = w_k R_jk / sum_k w_k R_jk, and ns_j = ns sum_k w_k R_jk / sum.
"""

from typing import Any, NamedTuple

import numpy as np

from tests import oracle


class Source(NamedTuple):
    """Position (rad) and weight."""

    ra: float
    dec: float
    weight: float


def near(ev: dict[str, np.ndarray], ra: np.ndarray, source: Source) -> np.ndarray:
    """Distance of every event from a source, rad, from unit vectors."""
    a = np.stack([np.cos(ev["dec"]) * np.cos(ra), np.cos(ev["dec"]) * np.sin(ra), np.sin(ev["dec"])])
    b = np.array([np.cos(source.dec) * np.cos(source.ra), np.cos(source.dec) * np.sin(source.ra), np.sin(source.dec)])
    return 2 * np.arctan2(np.linalg.norm(a - b[:, None], axis=0), np.linalg.norm(a + b[:, None], axis=0))


def ts_of(
    m: oracle.Model, sources: list[Source], ras: list[np.ndarray], space: Any = None
) -> tuple[float, float, float]:
    """Largest TS, its ns and gamma. Right ascensions (rad): those of the events with a usable sigma, by season."""
    rates = [[oracle.expected(m, s, one.dec) for s in m.seasons] for one in sources]
    total = sum(one.weight * sum(r[1] for r in rate) for one, rate in zip(sources, rates, strict=True))
    shares, parts = 0.0, []
    for one, rate in zip(sources, rates, strict=True):
        tables = (
            [oracle.hermite(one.weight * r[0] / total[:, None]) for r in rate],
            oracle.hermite(one.weight * np.array([r[1] for r in rate]).T / total[:, None]),
        )
        density = space.at(one.dec) if space else oracle.gaussian
        splines, of_source = space.shares(tables, one.dec) if space else tables
        shares = shares + of_source(oracle.GAMMAS)
        own = []
        for j, (ev, ra) in enumerate(zip(m.events, ras, strict=True)):
            use, soft, hard = density(j, ev, near(ev, ra, one))
            over = 2 * np.pi / ev["pb"][use]
            own.append((np.flatnonzero(use), soft * over, hard * over, ev["bin"][use], splines[j]))
        parts.append(own)
    of_all = oracle.hermite(shares)
    any_near = [np.unique(np.concatenate([own[j][0] for own in parts])) for j in range(len(m.seasons))]

    def terms_at(gamma: float) -> tuple[np.ndarray, list[tuple[float, float]]]:
        f, hardness = of_all(gamma), oracle.hardness(gamma)
        y, rest = [], []
        for j, season in enumerate(m.seasons):
            n, signal = float(len(season.dec)), np.zeros(len(m.events[j]["dec"]))
            for own in parts:
                at, soft, hard, e, spline = own[j]
                signal[at] += ((1 - hardness) * soft + hardness * hard) * spline(gamma)[e]
            y.append(signal[any_near[j]] / n - f[j] / n)
            rest.append((n - any_near[j].size, f[j] / n))
        return np.concatenate(y), rest

    return oracle.largest(terms_at)
