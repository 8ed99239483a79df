"""Pseudo-experiments of a catalogue: the whole sky is scrambled, and signal of all sources added."""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.engines.builtin import analysis as analyses
from worker.engines.builtin import reference
from worker.engines.builtin.analysis import Analysis
from worker.engines.builtin.likelihood import HARD, SOFT
from worker.engines.builtin.response import Spectrum
from worker.engines.builtin.scan import right_ascensions
from worker.engines.builtin.stack_signal import Injector, per_flux
from worker.engines.builtin.stacked import Fit, Stack, as_trials
from worker.engines.builtin.tables import hermite
from worker.engines.protocol import PART_DTYPE, Explanation
from worker.spec.point import SourceModel

F64 = NDArray[np.float64]
BLOCK = 50
"""Trials between two checks of the clock and of signals; sources with signal are prepared once for all of them."""
SHOWN = 8
Injection = tuple[Spectrum, float, bool]
"""Spectrum, number of events of all sources together, and whether that is the mean of a Poisson number."""


class StackTrials:
    """Trials of one catalogue.

    Parameters
    ----------
    model : SourceModel
        With a right ascension for each source.
    """

    def __init__(self, analysis: Analysis, model: SourceModel) -> None:
        self.stack = Stack(analysis, model)
        self._injector = lru_cache(maxsize=1)(partial(Injector, self.stack))

    def run(self, key: tuple[int, int], first: int, n: int, signal: Injection | None = None) -> NDArray[np.void]:
        """Trials [first, first + n) of the stream of `key`.

        Parameters
        ----------
        signal : Injection, optional
            Background alone if None.

        Returns
        -------
        ndarray (n,) of `worker.engines.builtin.trials.TRIAL_DTYPE`
        """
        fits = []
        for begin in range(first, first + n, BLOCK):
            count = min(BLOCK, first + n - begin)
            events = [None] * count if signal is None else self._injector(*signal).signals(key, begin, count)
            for i, own in enumerate(events):
                fits.append(self.stack.fit(self.stack.make_rows(self.stack.scrambled(key, begin + i), own)))
        return as_trials(fits)

    def events_per_flux(self, spectrum: Spectrum) -> float:
        """Expected events for a summed flux of 1 at 100 TeV; see `analysis.events_per_flux`."""
        weight = np.array(self.stack.model.weight)
        each = weight * per_flux(self.stack.analysis, self.stack.model.dec, spectrum)
        return float(np.cumsum(each)[-1] / np.cumsum(weight)[-1])

    def e2dnde(self, spectrum: Spectrum, e0_tev: float) -> float:
        """E^2 dN/dE at E0 summed over the sources, in TeV / cm^2 / s, that gives one expected event."""
        return analyses.e2dnde(1.0 / self.events_per_flux(spectrum), spectrum, e0_tev)

    def shares(self, spectrum: Spectrum) -> F64:
        """Share of each source in the expected events, (n_sources,)."""
        each = np.array(self.stack.model.weight) * per_flux(self.stack.analysis, self.stack.model.dec, spectrum)
        return self.stack.as_listed(each / np.cumsum(each)[-1])

    def parts(self, turn: F64, ns: float, gamma: float, most: int) -> NDArray[np.void]:
        """Events of each source and TS without it, of `PART_DTYPE`; see `Engine.source_parts`."""
        own = turn[self.stack.touched]
        out = np.full(len(self.stack.members.dec), np.nan, PART_DTYPE)
        out["events"] = self.stack.expected(self.stack.make_rows(own), ns, gamma)
        if len(out) > 1:
            for k in np.argsort(-out["events"], kind="stable")[:most]:
                without = self.stack.without(int(k))
                out["ts_without"][k] = as_trials([without.fit(without.make_rows(own))])["ts"][0]
        return self.stack.as_listed(out)

    def explain(
        self,
        key: tuple[int, int],
        trial: int,
        fit: Any,
        gammas: F64,
        signal: Injection | None = None,
    ) -> Explanation:
        """The sources with most signal in the fit of a trial, and the largest TS on a grid, in plain numpy."""
        own = None if signal is None else self._injector(*signal).signals(key, trial, 1)[0]
        rows = self.stack.make_rows(self.stack.scrambled(key, trial), own)
        ts_at = ratio_of(rows)
        ns, gamma = float(fit["ns"]), float(fit["gamma"])
        best = reference.largest(ts_at, rows.n_events, gammas)
        parts = self.stack.expected(rows, ns, gamma)
        lines = [f"{rows.season.size:,} events near {len(parts):,} sources, ns {ns:.3f} at gamma {gamma:.3f}"]
        for k in np.argsort(-parts, kind="stable")[:SHOWN]:
            where = (
                f"source {self.stack.order[k] + 1} of the catalogue, dec {np.degrees(self.stack.model.dec[k]):.3f} deg"
            )
            lines.append(f"{where}: {parts[k]:.3f} events expected in this fit")
        lines.append(f"brute force ({len(gammas)} gammas): TS {best[0]:.6f}, ns {best[1]:.4f}, gamma {best[2]:.4f}")
        return Explanation(
            tuple(lines), best, ts_at, (float(gammas[0]), float(gammas[-1])), 0.5 * float(rows.n_events.min())
        )


def ratio_of(rows: Fit) -> Callable[[F64, float], F64]:
    """Function TS(ns, gamma) of a sky in plain numpy, for many ns (n,), without code of the kernels."""
    table, n = rows.table, rows.season.size
    parts = np.split(table.node[:n].T, 2)
    soft, more = (hermite(np.ascontiguousarray(part)) for part in parts)

    def ts_at(ns: F64, gamma: float) -> F64:
        step = table.gammas[1] - table.gammas[0]
        k = int(np.clip((gamma - table.gammas[0]) // step, 0, len(table.gammas) - 2))
        powers = ((gamma - table.gammas[k]) / step) ** np.arange(4)
        t = float(np.clip((SOFT - gamma) / (SOFT - HARD), 0.0, 1.0))
        q = (powers @ table.share[k]) / rows.n_events
        y = powers @ soft[k] + t * t * (3.0 - 2.0 * t) * (powers @ more[k]) - q[rows.season]
        inside = np.log1p(ns[:, None] * y[None, :]).sum(axis=1)
        mean, inverse = table.prior
        off = 0.5 * (gamma - mean) ** 2 * inverse if np.isfinite(inverse) else 0.0
        return np.asarray(2.0 * (inside + (rows.rest * np.log1p(-ns[:, None] * q[None, :])).sum(axis=1) - off))

    return ts_at


class StackFits:
    """Fits of several catalogues in the same skies."""

    block = 4

    def __init__(self, analysis: Analysis, stacks: Sequence[Stack]) -> None:
        self._analysis, self.stacks = analysis, stacks

    def skies(self, key: tuple[int, int], first: int, count: int) -> NDArray[np.void]:
        """Fits in scrambled skies [first, first + count), (count, n_catalogues) of `TRIAL_DTYPE`."""
        return np.concatenate(
            [self.at(right_ascensions(self._analysis, key, sky)[None, :]) for sky in range(first, first + count)]
        )

    def at(self, turns: F64) -> NDArray[np.void]:
        """As `skies`, for the skies `turns` (n_skies, n_events), in turns."""
        return np.stack([stack.at(turns) for stack in self.stacks], axis=1)
