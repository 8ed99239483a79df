"""The built-in likelihood in windows of known time (``hypothesis: {kind: window}``)."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import SpecError
from worker.base.key import Key
from worker.data.dataset import Dataset
from worker.data.good_runs import run_of
from worker.engines.builtin import analysis, reference, support, trials, windows
from worker.engines.builtin.engine import BLOCK, Builtin, spectrum_of
from worker.engines.builtin.inject import Injector
from worker.engines.builtin.live import Profile, at_place, profile_of, rates
from worker.engines.builtin.trials import Drawn
from worker.engines.builtin.window_skies import WindowFits
from worker.engines.builtin.windows import WindowPoint
from worker.engines.protocol import Explanation, Method, Signal
from worker.spec.point import Point as Place
from worker.spec.point import SourceModel, Window
from worker.spec.sections import Spec

F64 = NDArray[np.float64]

WINDOWS = 1
"""Version of the bits of trials in windows, besides that of the engine."""
SECONDS = 86400.0
NOTED = 5
"""Windows with gaps that are named."""
FULL = 0.999
"""Share of good time above which a window has no gaps worth a word."""


class WindowEngine(Builtin):
    """As `Builtin`, for points with a window; see `worker.engines.protocol.Engine`.

    Raises
    ------
    SpecError
        A window has no good time, or the data have no good runs.
    """

    supports = frozenset({"flux", "point_skies", "explain", "strata", "densities"})

    def __init__(self, spec: Spec, dataset: Dataset | None, kept: Mapping[str, F64] = analysis.NOTHING_KEPT) -> None:
        super().__init__(spec, dataset, kept)
        self.identity["window"], self.block = WINDOWS, 20 * BLOCK
        if dataset is not None:
            self._runs = runs_with_rates(dataset)
            self._hour_angles = [season.hour_angle for season in dataset.seasons]
            self._profile = lru_cache(maxsize=4096)(self._profile_at)
            self._candidates = lru_cache(maxsize=2)(partial(trials.candidates_at, self._analysis))
            self._window = lru_cache(maxsize=4)(self._window_at)
            self._signal = lru_cache(maxsize=1)(self._injector_at)
            for at in spec.all_points:
                self._require(at)

    def _profile_at(self, at: Place) -> Profile:
        window, turn = _window(at.model), float(at.labels["ra_deg"]) / 360.0
        return at_place(profile_of(self._runs, window), window, self._hour_angles, turn)

    def _window_at(self, at: Place) -> WindowPoint:
        profile, [dec] = self._profile(at), at.model.dec
        support.require(self._analysis, dec)
        return windows.window_point(self._analysis, dec, profile, self._candidates(dec))

    def _injector_at(self, at: Place, signal: Signal) -> Injector:
        section, [dec], [extension] = self.spec.signal, at.model.dec, at.model.extension
        within = windows.during(self._analysis, self._profile(at))
        spectrum = spectrum_of(section, signal.gamma)
        return trials.injector_at(within, dec, spectrum, signal.n_sig, section.draws_poisson, extension)

    def _require(self, at: Place) -> None:
        """Refuse a window without good time."""
        window = _window(at.model)
        if self._profile(at).good.sum() > 0:
            return
        start, stop = window.span
        first = min(float(runs.start.min()) for runs, _ in self._runs)
        last = max(float(runs.stop.max()) for runs, _ in self._runs)
        where = "before" if stop <= first else "after" if start >= last else ""
        found = f"{where} the data, which are from MJD {first:.3f} to {last:.3f}" if where else "between two good runs"
        raise SpecError(
            f"hypothesis.sources: the window {at.folder.name} (MJD {start:.6f} to {stop:.6f}) lies {found}: the "
            "detector took no data, so nothing can be said; take it out of the list, or correct its time"
        )

    def notes(self) -> list[tuple[str, ...]]:
        """As of `Builtin`, and windows with gaps: with the first season."""
        first, *others = super().notes()
        return [(*first, *self._gaps()), *others]

    def _gaps(self) -> Iterator[str]:
        """Sentences about windows that the detector was not on for all of."""
        shares = []
        for at in self.spec.all_points:
            (start, stop), good = _window(at.model).span, float(self._profile(at).good.sum())
            shares.append((good / (stop - start), at.folder.name, good, stop - start))
        partial_ones = sorted(share for share in shares if share[0] < FULL)
        for share, name, good, length in partial_ones[:NOTED]:
            yield f"window {name}: {good:.4g} of {length:.4g} days are good time ({100 * share:.3g} %)"
        if len(partial_ones) > NOTED:
            yield f"and {len(partial_ones) - NOTED} more windows with gaps of the good runs"

    def trials(self, at: Place, key: Key, first: int, n: int, signal: Signal | None = None) -> NDArray[np.void]:
        """Trials [first, first + n) of the stream of `key`; ValueError if nothing is accepted from the source."""
        injector = None if signal is None else self._signal(at, signal)
        return windows.run(self._analysis, self._window(at), key, first, n, injector)

    def flux(self, at: Place, gamma: float) -> float:
        """E^2 dF/dE at the spec's `e0_tev`, in TeV / cm^2, of a source that gives one event."""
        window, [dec] = _window(at.model), at.model.dec
        within = windows.during(self._analysis, self._profile(at))
        spectrum = spectrum_of(self.spec.signal, gamma)
        try:
            flux = analysis.to_e2dnde(within, dec, spectrum, 1.0, self.spec.sensitivity.e0_tev)
        except ZeroDivisionError:
            raise ValueError("the detector accepts nothing there; choose another place") from None
        return flux * window.duration * SECONDS

    def observed(self, positions: Sequence[F64], times: Sequence[F64] = ()) -> F64:
        """Right ascensions (turns) and times (MJD) of all events with a usable sigma, (2, n).

        An event outside good runs has an infinite time: it is in no window.
        """
        inside = [run_of(runs.start, runs.stop, mjd) >= 0 for (runs, _), mjd in zip(self._runs, times, strict=True)]
        mjd = np.concatenate([np.where(ok, at, np.inf) for ok, at in zip(inside, times, strict=True)])
        return np.stack([super().observed(positions), mjd[self._analysis.sky.address]])

    def point_scanner(self, points: Sequence[Place]) -> WindowFits:  # type: ignore[override]
        """Return the scanner of windows, on this core."""
        return WindowFits(self._analysis, self._runs, self._hour_angles, self._profile, points)

    def explain(self, at: Place, key: Key, trial: int, fit: Any, signal: Signal | None = None) -> Explanation:
        """The events with the largest terms, and the largest TS on a grid, in numpy without code of the fit."""
        point, injector = self._window(at), None if signal is None else self._signal(at, signal)
        drawn = windows.draw(self._analysis, point, key, trial, injector)
        low, high = self.spec.likelihood.gamma_min, self.spec.likelihood.gamma_max
        gammas = np.linspace(low, high, 8 * round(16 * (high - low)) + 1)
        most = max(2.0 * float(fit["ns"]), 10.0)
        mean, inverse = point.table.prior
        chosen = np.array([mean]) if np.isinf(inverse) else gammas
        ts_at = partial(reference.extended_ts_at, drawn, point.table)
        best = reference.largest(ts_at, np.array([2 * most]), chosen)
        result = f"brute force ({len(chosen)} gammas): TS {best[0]:.6f}, ns {best[1]:.4f}, gamma {best[2]:.4f}"
        return Explanation(
            (*self._largest(drawn, point, float(fit["ns"]), float(fit["gamma"])), result),
            best,
            ts_at,
            (float(gammas[0]), float(gammas[-1])),
            most,
        )

    def _largest(self, drawn: Drawn, point: WindowPoint, ns: float, gamma: float) -> Iterator[str]:
        signal, _ = reference.table_and_share(point.table, gamma)
        terms = 2 * np.log1p(ns * reference.weights_at(drawn, gamma) * signal[drawn.row])
        expected = float(point.near.profile.expected.sum())
        yield f"{expected:.4g} background events are expected in the window; {len(terms)} events have S > 0"
        yield "the largest terms of TS:     term  season      log10(E/GeV) from"
        for i in np.argsort(-terms, kind="stable")[:8]:
            season = self._analysis.dataset.seasons[drawn.season[i]].name
            log_e = self._analysis.grid.edges[drawn.row[i] % self._analysis.grid.n]
            yield f"{terms[i]:33.4f}  {season:<10}  {log_e:.2f}"

    def method(self) -> Method:
        """Likelihood, scrambling and injection, with the values of the spec."""
        base = super().method()
        return base._replace(
            test_statistic=f"{base.test_statistic} In a window of time the likelihood is extended: the number of "
            "background events is that of the good runs (each with the rate of its neighbourhood), and ns counts "
            "signal events in the window. A box is uniform over the good time, a Gaussian is cut at 5σ.",
            background="Background trials have a Poisson number of events in the window, each an event of the data "
            "with its declination, σ and energy, at an even right ascension and at a time within the good runs",
        )


def _window(model: SourceModel) -> Window:
    assert model.window is not None
    return model.window


def runs_with_rates(dataset: Dataset) -> list[tuple[Any, F64]]:
    """Good runs of every season and their rates."""
    out = []
    for season in dataset.seasons:
        if season.runs is None or season.runs.n_events.sum() == 0:
            raise SpecError(
                f"data.seasons: {season.name} has no good runs with events, so no window can be tested with it: leave "
                "it out, or write hypothesis: {kind: points}"
            )
        out.append((season.runs, rates(season.runs)))
    return out
