"""The built-in likelihood for flares of unknown time (``hypothesis: {kind: flare}``)."""

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from worker.base.errors import SpecError
from worker.base.key import Key
from worker.data.dataset import Dataset
from worker.engines.builtin import analysis, flare_point, support, trials
from worker.engines.builtin.engine import Builtin, spectrum_of
from worker.engines.builtin.flare import Limits
from worker.engines.builtin.flare_details import details
from worker.engines.builtin.flare_point import FLARE_DTYPE, Fit, Injection, Source, Trials
from worker.engines.builtin.flare_skies import FlareFits
from worker.engines.builtin.window_engine import SECONDS, runs_with_rates
from worker.engines.protocol import Method, Signal
from worker.spec.flares import FlareHypothesis
from worker.spec.point import Point as Place
from worker.spec.sections import Spec
from worker.spec.spectra import prior_of
from worker.spec.trial_sections import Likelihood

F64 = NDArray[np.float64]

FLARES = 1
"""Version of the bits of trials with flares, besides that of the engine."""
BLOCK = 50


class FlareEngine(Builtin):
    """As `Builtin`, for sources with a flare; see `worker.engines.protocol.Engine`.

    Raises
    ------
    SpecError
        The data have no good runs, or less good time than the longest flare.
    """

    columns = FLARE_DTYPE
    supports = frozenset({"flux", "point_skies", "strata", "densities", "flare"})

    def __init__(self, spec: Spec, dataset: Dataset | None, kept: Mapping[str, F64] = analysis.NOTHING_KEPT) -> None:
        super().__init__(spec, dataset, kept)
        section = spec.hypothesis
        assert isinstance(section, FlareHypothesis)
        widths = {"min": section.min_days, "max": section.max_days}
        self.identity["flare"] = {"version": FLARES, "profile": section.profile, **widths,
                                  "penalty": section.time_penalty}  # fmt: skip
        self._section, self.block = section, BLOCK
        if dataset is not None:
            self._runs = flare_point.runs_of(runs_with_rates(dataset))
            self._fit = _fit_of(section, spec.likelihood, float(self._runs.until[-1]))
            self._source = lru_cache(maxsize=4)(self._source_at)
            self._candidates = lru_cache(maxsize=4)(partial(trials.candidates_at, self._analysis))
            self._trials = lru_cache(maxsize=2)(self._trials_at)

    def _source_at(self, dec: float) -> Source:
        support.require(self._analysis, dec)
        return flare_point.source_at(self._analysis, self._runs, dec)

    def _injection(self, at: Place, signal: Signal) -> Injection:
        section, [dec], [extension] = self.spec.signal, at.model.dec, at.model.extension
        law = float(at.labels["inject_days"]), self._section.profile == "box"
        spectrum = spectrum_of(section, signal.gamma)
        return flare_point.injection_at(
            self._analysis, self._runs, dec, spectrum, law, signal.n_sig, section.draws_poisson, extension
        )

    def _trials_at(self, at: Place, signal: Signal | None) -> Trials:
        [dec] = at.model.dec
        injection = None if signal is None else self._injection(at, signal)
        return Trials(self._analysis, self._runs, self._source(dec), self._candidates(dec), dec, injection)

    def trials(self, at: Place, key: Key, first: int, n: int, signal: Signal | None = None) -> NDArray[np.void]:
        """Trials [first, first + n) of the stream of `key`; ValueError if nothing is accepted from the source."""
        return self._trials(at, signal).run(self._fit, key, first, n)

    def flux(self, at: Place, gamma: float) -> float:
        """E^2 dF/dE at the spec's `e0_tev`, in TeV / cm^2, of a flare that gives one event in good time.

        With the mean acceptance over good time: t0 is uniform over it.
        """
        return super().flux(at, gamma) * SECONDS * sum(s.livetime_days for s in self._analysis.dataset.seasons)

    def observed(self, positions: Sequence[F64], times: Sequence[F64] = ()) -> F64:
        """Right ascensions (turns) and times (MJD) of all events with a usable sigma, (2, n)."""
        mjd = np.concatenate(times)
        return np.stack([super().observed(positions), mjd[self._analysis.sky.address]])

    def point_scanner(self, points: Sequence[Place]) -> FlareFits:  # type: ignore[override]
        """Return the scanner of flares, on this core."""
        return FlareFits(self._analysis, self._runs, self._source, self._fit, points)

    def flare(self, at: Place, turn: F64) -> dict[str, list[float]]:
        """Events of the best flare of a source in the sky of `observed`, and TS along its time and width."""
        scanner, fit = self.point_scanner([at]), self._fit
        events, seasons = scanner.events(at, *turn), self._source(at.model.dec[0]).seasons
        _, _, gamma, t0, width = fit.of(events, seasons)
        return details(events, seasons, fit.limits, fit.profile == "box", (gamma, t0, width))

    def method(self) -> Method:
        """Likelihood, scrambling and injection, with the values of the spec."""
        base, section = super().method(), self._section
        box = section.profile == "box"
        profile = "a box whose edges are at events" if box else "a Gaussian, cut at 5σ"
        width = f"{'length' if box else 'σ'} {section.min_days:g} to {section.max_days:g} days"
        counted = "the length" if box else "2σ"
        penalty = f"The likelihood ratio has the factor w / T as a penalty, w being {counted} and T all good time, "
        if not section.time_penalty:
            penalty = "No penalty is paid for the choice of the time, "
        return base._replace(
            test_statistic=f"{base.test_statistic} The signal is a flare at an unknown time: {profile} ({width}), "
            f"normalised over the good runs; t0 and width are fitted, too, and the global maximum is searched. "
            f"{penalty}and ns counts signal events of the flare within the cut of the signal density.",
            background=f"{base.background} and its time within the good runs of its season, with the rate of each run",
            signal=f"{base.signal} in one flare per trial with t0 even over the good time",
        )


def _fit_of(section: FlareHypothesis, like: Likelihood, t_max: float) -> Fit:
    """Limits of the fit; `t_max` is the good time of all seasons (days)."""
    longest = t_max if section.profile == "box" else 0.5 * t_max
    if section.max_days > longest:
        raise SpecError(
            f"hypothesis.max_days: found {section.max_days:g}; the data have {t_max:.4g} days of good time, which a "
            f"flare cannot be longer than: write at most {np.floor(longest):g}"
        )
    mean, inverse = prior_of(like.gamma)
    least, most = like.gamma_min, like.gamma_max
    if np.isinf(inverse):
        least, most, inverse = mean, mean, 0.0
    limits = Limits(section.min_days, section.max_days, t_max, section.time_penalty, least, most, mean, inverse)
    return Fit(section.profile, limits, most)
