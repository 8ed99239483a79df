"""The built-in likelihood as an `Engine`: on this core, or on a device if the spec has ``gpu: true``."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from worker.base import fmath
from worker.base.healpix import Rings
from worker.base.key import Key
from worker.data.dataset import Dataset
from worker.engines.builtin import (
    analysis,
    mixture,
    psf_curves,
    reference,
    scan,
    stack_trials,
    support,
    surroundings,
    tilt_pilot,
    trials,
)
from worker.engines.builtin.inject import Injector
from worker.engines.builtin.patches import PATCHES, Patches
from worker.engines.builtin.response import LN10, Spectrum
from worker.engines.builtin.signal_sky import SignalSkies
from worker.engines.builtin.sources import PointFits, SourceScanner
from worker.engines.builtin.stack_trials import StackFits, StackTrials
from worker.engines.builtin.stacked import Stack
from worker.engines.builtin.tilted import Mixture
from worker.engines.builtin.trials import Drawn, Point
from worker.engines.protocol import (
    BandCounts,
    Explanation,
    Method,
    RingScanner,
    Signal,
    Sources,
    SpreadCurves,
    Surroundings,
    Tilt,
)
from worker.spec import effects
from worker.spec.point import Point as Place
from worker.spec.point import SourceModel
from worker.spec.sections import Spec
from worker.spec.spectra import GammaPrior, prior_of
from worker.spec.trial_sections import Likelihood
from worker.spec.trial_sections import Signal as Injected

F64 = NDArray[np.float64]

ENGINE = 5
"""Version of the bits of a trial, densities and signal tables included (tests/engine/golden.py): files of another
version are foreign."""
GPU_ENGINE = 2
"""Likewise for trials made on a device, whose last bits differ."""
BLOCK = 500
"""Trials between two checks of the clock and of signals: a compiled loop cannot be interrupted."""
GPU_BLOCK = 1 << 17
"""Trials per block on a device: enough to fill it."""
PROMISED = 1e-3
"""Largest difference of TS between device and CPU."""
_SHOWN = 8
_SIGNAL_DENSITY = {
    "gaussian": "The signal density is a Gaussian in angular distance with each event's σ",
    "response": "The signal density is the distribution of σ and of the distance in units of σ that the response gives "
    "for the event's energy and the declination of the source, and that of the background has the σ of the data",
}
_STACKED = (
    " All sources of a catalogue share ns and γ: the signal density of an event is the sum over the sources, each with "
    "its weight times the acceptance of the detector at its declination, and its own extension if it has one."
)
_OF_SOURCES = (
    ", each from a source that is drawn with the probability of its weight times the acceptance; n_sig is their number "
    "and the flux the sum over all sources"
)
_BIAS = {
    "gaussian": "What remains at large n_sig comes from simplifications of the likelihood: at one energy, signal and "
    "background differ in σ, and it does not know.",
    "response": "What remains at large n_sig comes from the densities: they are known in bins only, and for spectra "
    "other than γ = 2 and 3.2 the signal density is interpolated.",
}


class Builtin:
    """The unbinned likelihood in direction and energy; see `worker.engines.protocol.Engine`.

    Parameters
    ----------
    dataset : Dataset or None
        Without it there are no trials.
    kept : mapping of str to ndarray
        What `prepare` returned for the same data and likelihood, or a part of it.

    Raises
    ------
    InputError
        If a season has too few events.
    SpecError
        If there is no background where the spec has a source.
    """

    columns = trials.TRIAL_DTYPE
    patches_version = PATCHES
    tail_columns, tail_version = mixture.TAIL_DTYPE, mixture.TAIL
    supports = frozenset(
        [
            "flux",
            "skies",
            "point_skies",
            "stacks",
            "explain",
            "tail",
            "patches",
            "strata",
            "densities",
            "surroundings",
            "signal_skies",
        ]
    )
    deterministic: Literal["per-trial", "per-file", "no"] = "per-trial"

    def __init__(self, spec: Spec, dataset: Dataset | None, kept: Mapping[str, F64] = analysis.NOTHING_KEPT) -> None:
        self.spec, self._gpu = spec, spec.resources.gpu
        likelihood = effects.address("likelihood", spec.likelihood)
        self.identity: dict[str, Any] = {"engine": ENGINE, "likelihood": likelihood}
        self.tolerance, self.block = 0.0, BLOCK
        if self._gpu:
            self.identity["device"] = f"cuda {GPU_ENGINE}"
            self.tolerance, self.block = PROMISED, GPU_BLOCK
        if any(at.model.ra for at in spec.all_points):
            self.block = stack_trials.BLOCK
        if dataset is not None:
            self._analysis = analysis_of(dataset, spec, kept)
            self._point = lru_cache(maxsize=4)(partial(_point_at, self._analysis))
            self._injector = lru_cache(maxsize=1)(partial(_injector_at, self._analysis, spec.signal))
            self._mixture = lru_cache(maxsize=1)(self._mixture_at)
            self._stack = lru_cache(maxsize=1)(partial(StackTrials, self._analysis))

    def notes(self) -> list[tuple[str, ...]]:
        """Notes about densities that are limits, for each season."""
        return [support.notes(self._analysis, j) for j in range(self._analysis.n_seasons)]

    def prepare(self) -> dict[str, F64]:
        """Make the tables of the signal density, and run one trial of each kind.

        So compiled code is in numba's cache before thousands of processes ask for it.
        """
        spec = self.spec
        for signal in (None, Signal(spec.signal.n_sig[0], spec.signal.gammas[0])):
            self.trials(spec.all_points[0], (0, 0), 0, 1, signal)
        self.signal_counts((0, 0), 0, 1, spec.signal.n_sig[0])
        if spec.background.tail == "tilted":
            at = spec.all_points[0]
            self.tail_trials(at, (0, 0), 0, 1, tilt_pilot.checks(self._analysis, self._point(at.model)))
        return analysis.kept_of(self._analysis, source_decs(spec))

    def trials(self, at: Place, key: Key, first: int, n: int, signal: Signal | None = None) -> NDArray[np.void]:
        """Trials [first, first + n) of the stream of `key`; ValueError if nothing is accepted from the source."""
        if at.model.ra:
            return self._stack(at.model).run(key, first, n, self._injected(signal))
        point, injector = self._point(at.model), None if signal is None else self._injector(at.model, signal)
        if not self._gpu:
            return trials.run(self._analysis, point, key, first, n, injector)
        from worker.engines import cuda

        cuda.require()
        return cuda.run(self._analysis, point, key, first, n, injector)

    def _injected(self, signal: Signal | None) -> stack_trials.Injection | None:
        if signal is None:
            return None
        return spectrum_of(self.spec.signal, signal.gamma), signal.n_sig, self.spec.signal.draws_poisson

    def signal_counts(self, key: Key, first: int, n: int, n_sig: float) -> NDArray[np.int64]:
        """Number of signal events of trials [first, first + n) of the stream of `key`; needs no data."""
        return trials.signal_counts(key, first, n, n_sig, self.spec.signal.draws_poisson)

    def tilts(self, at: Place, key: Key, tilts: Sequence[Tilt] | None = None) -> tuple[Tilt, ...]:
        """Tilts chosen by a pilot of a point, on this core, or `tilts`; see `worker.engines.builtin.tilt_pilot`."""
        point = self._point(at.model)
        if tilts is None:
            return tilt_pilot.tilts(self._analysis, point, key)
        own = (*tilts, *tilt_pilot.checks(self._analysis, point))
        mixture.mixture_at(self._analysis, point, own)  # raises
        return own

    def tail_trials(self, at: Place, key: Key, first: int, n: int, tilts: Sequence[Tilt]) -> NDArray[np.void]:
        """Tilted background trials of a point, on this core; ValueError for tilts that the data do not allow."""
        mixed = self._mixture(at.model, tuple(tilts))
        return mixture.trials(self._analysis, self._point(at.model), tilts, mixed, key, first, n)

    def tilt_of(self, tilts: Sequence[Tilt], trial: int) -> Tilt | None:
        """Tilt that a trial of `tail_trials` is drawn from; None if it is a plain one."""
        return mixture.tilt_of(tilts, trial)

    def _mixture_at(self, model: SourceModel, tilts: tuple[Tilt, ...]) -> Mixture:
        return mixture.mixture_at(self._analysis, self._point(model), tilts)

    def flux(self, at: Place, gamma: float) -> float:
        """E^2 dN/dE at the spec's `e0_tev`, in TeV / cm^2 / s, of a source that gives one event."""
        spectrum = spectrum_of(self.spec.signal, gamma)
        try:
            if at.model.ra:
                return self._stack(at.model).e2dnde(spectrum, self.spec.sensitivity.e0_tev)
            return analysis.to_e2dnde(self._analysis, _dec(at.model), spectrum, 1.0, self.spec.sensitivity.e0_tev)
        except ZeroDivisionError:
            raise ValueError("the detector accepts nothing there; choose another place") from None

    def scrambled(self, key: Key, sky: int) -> F64:
        """Right ascensions of all events with a usable sigma, in turns [0, 1)."""
        return scan.right_ascensions(self._analysis, key, sky)

    def observed(self, positions: Sequence[F64], times: Sequence[F64] = ()) -> F64:
        """Measured right ascensions (rad, of all events of each season) in the order and unit of `scrambled`."""
        assert not times, "this likelihood knows no times"
        turns: F64 = (np.concatenate(positions) / (2 * np.pi))[self._analysis.sky.address]
        return turns - np.floor(turns)

    def ring_scanner(self, rings: Rings, keep: bool) -> RingScanner:
        """Return the scanner of rings, on a device only if there are rings."""
        if not self._gpu or not len(rings.dec):
            return scan.Scanner(self._analysis, rings, keep)
        from worker.engines import cuda

        cuda.require()
        return cuda.Scanner(self._analysis, rings)

    def signal_skies(self, rings: Rings, gamma: float) -> SignalSkies:
        """Return the scanner of rings in skies with a source, on this core."""
        spectrum = spectrum_of(self.spec.signal, gamma)
        return SignalSkies(self._analysis, rings, spectrum, self.spec.signal.draws_poisson)

    def patches(self, rings: Rings, radius: float, separation: float) -> Patches:
        """Return what makes patches of rings, on this core."""
        return Patches(self._analysis, rings, radius, separation)

    def source_scanner(self, sources: Sources) -> SourceScanner:
        """Return the scanner of a list of sources, on this core."""
        return SourceScanner(self._analysis, sources)

    def point_scanner(self, points: Sequence[Place]) -> PointFits | StackFits:
        """Return the scanner of catalogues, or of points with a ``dec_deg`` and a ``ra_deg``, on this core."""
        if points[0].model.ra:
            return StackFits(self._analysis, [Stack(self._analysis, at.model) for at in points])
        dec = np.array([_dec(at.model) for at in points])
        return PointFits(self.source_scanner(Sources(dec, np.array([at.labels["ra_deg"] for at in points]) / 360.0)))

    def source_shares(self, at: Place, gamma: float) -> F64:
        """Share of each source of a catalogue in its expected events for a spectrum."""
        return self._stack(at.model).shares(spectrum_of(self.spec.signal, gamma))

    def source_parts(self, at: Place, turn: F64, fit: Any, most: int) -> NDArray[np.void]:
        """Events of each source in a sky; TS without it for the `most` sources with most events."""
        return self._stack(at.model).parts(turn, float(fit["ns"]), float(fit["gamma"]), most)

    def explain(self, at: Place, key: Key, trial: int, fit: Any, signal: Signal | None = None) -> Explanation:
        """The events with the largest terms, and the largest TS on a grid, in numpy without code of the fit."""
        low, high = self.spec.likelihood.gamma_min, self.spec.likelihood.gamma_max
        gammas = np.linspace(low, high, 8 * round(16 * (high - low)) + 1)
        if at.model.ra:
            gammas = gammas if np.isfinite(self._analysis.cuts.prior[1]) else np.array([self._analysis.cuts.prior[0]])
            return self._stack(at.model).explain(key, trial, fit, gammas, self._injected(signal))
        point, injector = self._point(at.model), None if signal is None else self._injector(at.model, signal)
        drawn = trials.draw(self._analysis, point, key, trial, injector)
        mean, inverse = point.table.prior
        if np.isinf(inverse):
            gammas = np.array([mean])
        best = reference.brute_force(drawn, point.table, gammas)
        result = f"brute force ({len(gammas)} gammas): TS {best[0]:.6f}, ns {best[1]:.4f}, gamma {best[2]:.4f}"
        ends, most = point.table.gammas[[0, -1]], 0.5 * float(drawn.n_events.min())
        return Explanation(
            (*self._events(drawn, point, float(fit["ns"]), float(fit["gamma"])), result),
            best,
            lambda ns, gamma: reference.ts_at(drawn, point.table, ns, gamma),
            (float(ends[0]), float(ends[1])),
            most,
        )

    def _events(self, drawn: Drawn, point: Point, ns: float, gamma: float) -> Iterator[str]:
        signal, share = reference.table_and_share(point.table, gamma)
        n = drawn.n_events[drawn.season]
        weight = reference.weights_at(drawn, gamma) * signal[drawn.row]
        ratio = weight * n / share[drawn.season]
        terms = 2 * np.log1p(ns * (weight - (share / drawn.n_events)[drawn.season]))
        total, rest = int(drawn.n_events.sum()), int(drawn.rest.sum())
        yield f"events: {total:,}, {len(drawn.row)} of them with S > 0; the other {rest:,} enter through N"
        grid, width = self._analysis.grid, max(6, *(len(season.name) for season in self._analysis.dataset.seasons))
        yield f"the largest terms of TS:{'term':>9}{'S/B R':>12}  {'season':<{width}}  log10(E/GeV) from"
        for i in np.argsort(-terms, kind="stable")[:_SHOWN]:
            season = self._analysis.dataset.seasons[drawn.season[i]].name
            log_e = grid.edges[drawn.row[i] % grid.n]
            yield f"{terms[i]:33.4f}{ratio[i]:12.4g}  {season:<{width}}  {log_e:.2f}"

    def surroundings(self, turn: F64, dec: float, ra: float, radius: float) -> Surroundings:
        """Events near a place and the likelihood there, on this core; see `worker.engines.builtin.surroundings`."""
        spectrum = spectrum_of(self.spec.signal, self.spec.signal.gammas[0])
        return surroundings.around(self._analysis, turn, dec, ra, radius, spectrum)

    def band_counts(self) -> list[BandCounts]:
        """Events against the background densities, for each season."""
        return [analysis.counts_of(self._analysis, j) for j in range(self._analysis.n_seasons)]

    def spread(self, at: Place, gamma: float) -> SpreadCurves:
        """Density of psi / sigma at three energies; see `worker.engines.builtin.psf_curves`."""
        return psf_curves.curves(self._analysis, at.model.dec[0], gamma)

    def method(self) -> Method:
        """Likelihood, scrambling and injection, with the values of the spec."""
        like, signal = self.spec.likelihood, self.spec.signal
        count = "a Poisson number of events with mean n_sig" if signal.draws_poisson else "exactly n_sig events"
        *some, last = (f"{gamma:g}" for gamma in signal.gammas)
        indices = f"{', '.join(some)} or {last}" if some else last
        cutoff = f" with an exponential cutoff at {signal.cutoff_tev:g} TeV" if signal.cutoff_tev else ""
        if signal.break_at:
            cutoff = f" ({signal.break_at.gamma:g} above {signal.break_at.energy_tev:g} TeV){cutoff}"
        extended = ""
        if signal.extension_deg or like.extension_deg:
            extended = (
                f" from a Gaussian source of width {signal.extension_deg:g}° "
                f"(the likelihood assumes {like.extension_deg:g}°)"
            )
        stacked = any(at.model.ra for at in self.spec.all_points)
        background = (
            "Background trials keep every event's declination, σ and energy, and draw its right ascension evenly"
        )
        return Method(
            f"Unbinned likelihood with signal and background densities in direction and energy; the number of signal "
            f"events ns ≥ 0{_fitted_gamma(like)}, and the "
            f"global maximum is taken; TS is twice the log of the likelihood ratio. {_SIGNAL_DENSITY[like.psf]} (σ is "
            f"at least {like.sigma_floor_deg:g}°; events above {like.sigma_max_deg:g}° stay in the count without "
            f"signal density), cut at {like.cut_n_sigma:g}σ. The energy ratio is "
            f"tabulated every {like.gamma_step:g} in γ and interpolated smoothly. Background densities come from the "
            f"data.{_STACKED if stacked else ''}",
            background + (", of the whole sky" if stacked else ""),
            f"{count} of a power law of index {indices}{cutoff}{extended}" + (_OF_SOURCES if stacked else ""),
            _BIAS[like.psf],
        )


def _fitted_gamma(like: Likelihood) -> str:
    """What is fitted besides ns, for `Builtin.method`."""
    limits = f"in [{like.gamma_min:g}, {like.gamma_max:g}]"
    if isinstance(like.gamma, GammaPrior):
        return (
            f" and the spectral index γ {limits} are fitted, with a Gaussian prior of γ "
            f"({like.gamma.mean:g} ± {like.gamma.sigma:g}) that is relative to its largest value"
        )
    if like.gamma == "free":
        return f" and the spectral index γ {limits} are fitted"
    return f" is fitted, at the fixed spectral index γ = {like.gamma:g}"


def _dec(model: SourceModel) -> float:
    """Declination (rad) of the source: this likelihood has one."""
    [dec] = model.dec
    return dec


def _point_at(analysis_: analysis.Analysis, model: SourceModel) -> Point:
    dec = _dec(model)
    support.require(analysis_, dec)
    return trials.point_at(analysis_, dec)


def _injector_at(analysis_: analysis.Analysis, section: Injected, model: SourceModel, signal: Signal) -> Injector:
    [extension] = model.extension
    spectrum = spectrum_of(section, signal.gamma)
    return trials.injector_at(analysis_, _dec(model), spectrum, signal.n_sig, section.draws_poisson, extension)


def spectrum_of(signal: Injected, gamma: float) -> Spectrum:
    """The injected spectrum of index `gamma`."""
    spectrum = Spectrum(gamma)
    if signal.cutoff_tev is not None:
        spectrum = spectrum._replace(log_cutoff=fmath.log(signal.cutoff_tev) / LN10 + 3.0)
    if signal.break_at is not None:
        log_break = fmath.log(signal.break_at.energy_tev) / LN10 + 3.0
        spectrum = spectrum._replace(log_break=log_break, gamma_above=signal.break_at.gamma)
    return spectrum


def cuts(likelihood: Likelihood) -> analysis.Cuts:
    """Bounds and cuts of the likelihood in the units of `worker.engines.builtin.analysis`."""
    n = round((likelihood.gamma_max - likelihood.gamma_min) / likelihood.gamma_step)
    return analysis.Cuts(
        likelihood.gamma_min + likelihood.gamma_step * np.arange(n + 1, dtype=np.float64),
        likelihood.cut_n_sigma,
        float(np.radians(likelihood.sigma_floor_deg)),
        float(np.radians(likelihood.sigma_max_deg)),
        float(np.radians(likelihood.extension_deg)),
        likelihood.psf,
        prior_of(likelihood.gamma),
    )


def analysis_of(dataset: Dataset, spec: Spec, kept: Mapping[str, F64] = analysis.NOTHING_KEPT) -> analysis.Analysis:
    """Return the data with their background densities; errors as of `Builtin`."""
    support.require_seasons(dataset)
    analysis_ = analysis.build(dataset, cuts(spec.likelihood), kept)
    support.require(analysis_, source_decs(spec))
    return analysis_


def source_decs(spec: Spec) -> F64:
    """Declinations of all sources of an analysis (rad): those of its points, and what is tested in a sky."""
    of_points = [dec for point in spec.all_points for dec in point.model.dec]
    return np.unique([*of_points, *np.radians(spec.scan.decs_deg).tolist()])
