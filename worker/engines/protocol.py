"""Interface of an engine, which makes the trials of a spec and its data; tasks call only these members."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from worker.base.healpix import Rings
from worker.base.key import Key
from worker.spec.point import Point

F64 = NDArray[np.float64]


class Signal(NamedTuple):
    """Injected signal; what all spectra share is in section ``signal`` of the spec.

    Attributes
    ----------
    n_sig : float, events
        Their mean number, or their exact number if ``signal.draws_poisson`` of the spec is false.
    gamma : float
        Spectral index, one of the spec's.
    """

    n_sig: float
    gamma: float


class Tilt(NamedTuple):
    """A distribution from which background trials are drawn: that with a weak source at the tested position.

    Attributes
    ----------
    n : float, events
        Expected number of events that follow the source.
    gamma : float
        Its spectral index.
    share : float
        Fraction of the trials drawn from it, a multiple of 1/256; 0 for a tilt that is only evaluated, as a check.
        The trials that remain are plain background trials.
    """

    n: float
    gamma: float
    share: float


class Sources(NamedTuple):
    """Positions of sources; arrays (n,).

    Attributes
    ----------
    dec : ndarray, rad
    turn : ndarray
        Right ascension in turns, [0, 1).
    """

    dec: F64
    turn: F64


class Method(NamedTuple):
    """Description of the trials for the report.

    Attributes
    ----------
    test_statistic : str
        A paragraph: what is fitted, and what TS is.
    background : str
        A main clause about a background trial.
    signal : str
        The injected signal, as the object of a sentence.
    bias : str
        Reason why fitted and injected numbers of events differ.
    """

    test_statistic: str
    background: str
    signal: str
    bias: str


class Explanation(NamedTuple):
    """Details of one trial; fits are (ts, ns, gamma).

    Attributes
    ----------
    lines : tuple of str
        Sentences about the events with the largest terms, and about the brute-force fit.
    brute_force : tuple of 3 float
        The largest TS, without the code of the fit.
    ts_at : callable
        ``ts_at(ns, gamma)``: TS at every ns of an ndarray (n,), as an ndarray (n,).
    gammas : tuple of 2 float
        Range of gamma.
    max_ns : float, events
        Upper end of ns for figures of the likelihood.
    """

    lines: tuple[str, ...]
    brute_force: tuple[float, float, float]
    ts_at: Callable[[F64, float], F64]
    gammas: tuple[float, float]
    max_ns: float


class BandCounts(NamedTuple):
    """Events of a season against its background densities, in bands of declination.

    Attributes
    ----------
    edges : ndarray (n_bands + 1,)
        In sin(dec).
    events, expected : ndarray (n_bands,)
    tails : ndarray (n_tails,)
        Probabilities of the upper tail of the energy at the declination of an event.
    above : ndarray (n_tails, n_bands)
        Events in them; ``tails[:, None] * events`` are expected.
    """

    edges: F64
    events: F64
    expected: F64
    tails: F64
    above: F64


class SpreadCurves(NamedTuple):
    """Distribution of psi / sigma of the signal of a source, psi being the distance of an event from it.

    Attributes
    ----------
    season : str
        The season of the curves: that with most signal.
    log_e : ndarray (n_curves,)
        Reconstructed energies, log10(E / GeV).
    ratio : ndarray (n,)
        Psi / sigma.
    density : ndarray (n_curves, n)
        Per unit of psi / sigma. If psi were Gaussian with each event's sigma, it would be that of the Rayleigh law.
    """

    season: str
    log_e: F64
    ratio: F64
    density: F64


class Surroundings(NamedTuple):
    """Events around a place of a sky, and the likelihood there.

    Attributes
    ----------
    dec, ra, sigma : ndarray (n,), rad
        Events with a usable sigma, the nearest first.
    log_e : ndarray (n,)
        Reconstructed energies, log10(E / GeV).
    fit : tuple of 3 float
        TS, ns and gamma.
    ns : ndarray (n_ns,), events
    gamma : ndarray (n_gamma,)
        One if it is fixed.
    ts : ndarray (n_gamma, n_ns)
        TS on their grid.
    psf : ndarray (2,), rad
        Radii that contain 50 and 90 % of the signal of the spec's first spectrum.
    """

    dec: F64
    ra: F64
    sigma: F64
    log_e: F64
    fit: tuple[float, float, float]
    ns: F64
    gamma: F64
    ts: F64
    psf: F64


PATCH_DTYPE = np.dtype([("pixel", "<i8"), ("ts", "<f8"), ("log_w", "<f8")])
"""A pixel of a patch: its number (-1: unused place), TS, and ln of its weight (-inf: too far from the middle)."""


PART_DTYPE = np.dtype([("events", "<f8"), ("ts_without", "<f8")])
"""A source of a catalogue in one sky: its expected events given the fit, and TS without it; NaN where not fitted."""


class RingScanner(Protocol):
    """Fits the pixels of healpix rings."""

    def ring(self, r: int, turn: F64, /) -> F64:
        """TS, ns and gamma of every pixel of ring r, (n_pix, 3), in the sky that `Engine.scrambled` gives."""

    def largest(self, r: int, turn: F64, /) -> tuple[int, F64]:
        """Pixel of ring r with the largest TS (ties: the lowest), and its TS, ns and gamma (3,)."""

    def above(self, r: int, turn: F64, floor: F64, /) -> F64:
        """TS, ns and gamma of every pixel of ring r that has the largest TS or reaches its floor, (n_pix, 3).

        `floor` (n_pix,), or (1,) for all pixels, inf where only the largest TS matters. A pixel that was not fitted has
        a negative TS: its TS is below its floor and below the largest.
        """


class Place(NamedTuple):
    """Where a source is.

    Attributes
    ----------
    dec : float, rad
    turn : float
        Right ascension in turns, [0, 1).
    ring_dec : float, rad
        Declination whose response is taken for it: that of the nearest ring.
    """

    dec: float
    turn: float
    ring_dec: float


class SignalSkies(RingScanner, Protocol):
    """Fits the pixels of healpix rings in skies with a source."""

    def add(self, turn: F64, key: Key, trial: int, at: Place, n_sig: float, /) -> F64:
        """Add the events of a source to a sky of `Engine.scrambled`; returns the sky to be scanned.

        The events are those of trial `trial` of the stream of `key`, `n_sig` as of `Signal`; the next call drops them.
        """


class Patches(Protocol):
    """Makes patches of tilted skies: the pixels around one, with weights (see `worker.engines.builtin.patches`).

    Attributes
    ----------
    block : int
        Patches that are best made together.
    """

    block: int

    def rows(self, key: Key, first: int, count: int) -> NDArray[np.void]:
        """Patches [first, first + count) of the stream of `key`, (count, most) of `PATCH_DTYPE`.

        The expected number of pixels of a background sky with a property is the mean over patches of the sum of the
        weights of those with it, if the property is known from pixels within the separation.
        """

    def around(self, turn: F64, pixel: int) -> NDArray[np.void]:
        """The patch around a healpix pixel in the sky of `Engine.scrambled` or `observed`, (most,)."""

    def local_log_weight(self, turn: F64, pixel: int, tilts: Sequence[Tilt]) -> float:
        """Ln of the weight of a sky as a tilted trial (`Engine.tail_trials`) of the declination of a healpix pixel."""


class SourceScanner(Protocol):
    """Fits a list of sources.

    Attributes
    ----------
    block : int
        Skies per block.
    sources : Sources
        Sources to fit; may be replaced by others at the same declinations.
    """

    block: int
    sources: Sources

    def skies(self, key: Key, first: int, count: int) -> F64:
        """TS, ns and gamma of every source in scrambled skies [first, first + count), (count, n_sources, 3)."""

    def at(self, turns: F64, out: F64) -> None:
        """As `skies`, for the skies `turns`, one per row, into `out`."""


class PointScanner(Protocol):
    """Fits a list of points in the same skies.

    Attributes
    ----------
    block : int
        Skies per block.
    """

    @property
    def block(self) -> int:
        """Skies per block."""

    def skies(self, key: Key, first: int, count: int) -> NDArray[np.void]:
        """Fits of every point in scrambled skies [first, first + count), (count, n_points) of `Engine.columns`."""

    def at(self, turns: F64) -> NDArray[np.void]:
        """As `skies`, for the skies `turns`, one per row, as `Engine.observed` gives them."""


class Described(Protocol):
    """What is known of an engine without its data, or without its code if that is a plug-in.

    Attributes
    ----------
    identity : mapping of str to JSON values
        All that decides a trial besides data, seed and address. It enters the digest of every file, so files of a
        changed engine are foreign. The keys data, kind, seed, signal and area are reserved.
    columns : dtype
        Of trials: float64 ``ts`` and ``ns``, and other fitted parameters.
    supports : frozenset of str
        Optional methods: "flux", "skies" (`scrambled`, `observed`, `ring_scanner`, `source_scanner`), "explain",
        "point_skies" (`observed`, `point_scanner`), "stacks" (`source_shares`, `source_parts`, points that are
        catalogues), "strata" (`signal_counts`), "tail" (`tilts`, `tail_trials`,
        `tail_columns` and `tail_version`), "patches" (`patches` and `patches_version`), "surroundings", "flare"
        (`FindsFlares`), "densities" (`band_counts` and `spread`), and "signal_skies" (`signal_skies`).
    deterministic : 'per-trial', 'per-file' or 'no'
        Whether a trial has the same bits in any file, only if the whole file is made again, or never; for reviews.
    tolerance : float
        Largest difference of TS in a review, which runs without a device; 0 if bits must be the same.
    block : int
        Trials per block; a task can be stopped between two blocks.
    """

    identity: Any
    columns: np.dtype[np.void]
    supports: frozenset[str]
    deterministic: Literal["per-trial", "per-file", "no"]
    tolerance: float
    block: int

    def method(self) -> Method:
        """Description of the trials."""


class Engine(Described, Protocol):
    """Makes trials; called with a spec and its data (None if only members without data are used).

    Notes
    -----
    With ``resources: {gpu: true}`` in its spec an engine may use a device. A task that must run without one, such as
    a review, gives it the spec with ``gpu: false``.
    """

    def notes(self) -> Sequence[tuple[str, ...]]:
        """Warnings about the data, as sentences for each season."""

    def prepare(self) -> Mapping[str, NDArray[Any]]:
        """Do work that all processes of a run share, such as compilation.

        Returns
        -------
        mapping of str to ndarray
            What the engine is made with in later processes with the same spec and data: it may save time, but must not
            change a result.
        """

    def trials(self, at: Point, key: Key, first: int, n: int, signal: Signal | None = None) -> NDArray[np.void]:
        """Trials [first, first + n) of the stream of `key`.

        Parameters
        ----------
        at : Point
            What is fitted and injected: its source model, or its labels if the engine reads those.
        key : tuple of 2 int
            Trial i may depend on the key and on i, and on no other random number.
        signal : Signal, optional
            Background alone if None.

        Returns
        -------
        ndarray (n,) of `columns`

        Raises
        ------
        ValueError
            If such a signal cannot be injected.
        """

    def signal_counts(self, key: Key, first: int, n: int, n_sig: float) -> NDArray[np.int64]:
        """Number of injected events in each of the trials [first, first + n) of `trials`, (n,); called without data.

        Trials with the same number of events must have the same distribution, whatever their n_sig.
        """

    def flux(self, at: Point, gamma: float) -> float:
        """E^2 dN/dE at the spec's `e0_tev`, in TeV / cm^2 / s, of a source that gives one expected event.

        If the hypothesis is about time: the fluence, in TeV / cm^2.

        Raises
        ------
        ValueError
            If nothing is detected from there.
        """

    def scrambled(self, key: Key, sky: int) -> F64:
        """Sky number `sky` of the stream of `key`: a right ascension in turns for every event that is fitted."""

    def observed(self, positions: Sequence[F64], times: Sequence[F64] = ()) -> F64:
        """The real sky, as `scrambled`, from measured right ascensions (rad) of all events of each season.

        With `times` (MJD), which a hypothesis about time needs: (2, n) of right ascensions in turns and MJD.
        """

    def ring_scanner(self, rings: Rings, keep: bool) -> RingScanner:
        """Return the scanner of `rings`; `keep` if many skies are scanned."""

    def signal_skies(self, rings: Rings, gamma: float) -> SignalSkies:
        """Return the scanner of `rings` in skies with a source of this spectral index."""

    def patches(self, rings: Rings, radius: float, separation: float) -> Patches:
        """Return what makes patches of `rings`; pixels within `radius` (rad) of the middle of a patch have a weight."""

    @property
    def patches_version(self) -> int:
        """Version of the bits of patches, besides what `identity` says; it enters their digest."""

    def source_scanner(self, sources: Sources) -> SourceScanner:
        """Return the scanner of `sources`."""

    def point_scanner(self, points: Sequence[Point]) -> PointScanner:
        """Return the scanner of `points`."""

    def source_shares(self, at: Point, gamma: float) -> F64:
        """Share of each source of a catalogue in its expected events for a spectrum, (n_sources,)."""

    def source_parts(self, at: Point, turn: F64, fit: Any, most: int) -> NDArray[np.void]:
        """Events of each source of a catalogue in a sky, and TS without it, (n_sources,) of `PART_DTYPE`.

        Parameters
        ----------
        turn : ndarray (n_events,)
            The sky, as `observed` gives it.
        fit
            Its row of `columns`.
        most : int
            TS without a source is fitted for so many sources, those with most events.
        """

    @property
    def tail_columns(self) -> np.dtype[np.void]:
        """Columns of tilted trials: those of `columns`, float64 ``log_w``, and ``log_l1``, ``log_l2``, ... of checks.

        ``log_w`` is ln(dP / dQ) of the trial, for trials drawn from Q instead of the background P; ``log_l1`` is
        ln(dQ_1 / dP) of the first tilt with a share of 0.
        """

    @property
    def tail_version(self) -> int:
        """Version of the bits of tilted trials, besides what `identity` says; it enters their digest."""

    def tilts(self, at: Point, key: Key, tilts: Sequence[Tilt] | None = None) -> tuple[Tilt, ...]:
        """Tilts for the tail of the TS distribution of a point, with those that are evaluated as a check.

        Parameters
        ----------
        key : tuple of 2 int
            Stream of the trials of a small pilot that chooses them.
        tilts : sequence of Tilt, optional
            Those of the user: there is no pilot.

        Raises
        ------
        ValueError
            The data or the likelihood do not allow them.
        """

    def tail_trials(self, at: Point, key: Key, first: int, n: int, tilts: Sequence[Tilt]) -> NDArray[np.void]:
        """Tilted background trials [first, first + n) of the stream of `key`, (n,) of `tail_columns`.

        Trial i may depend on the point, the key, the tilts and i, and on no other random number.
        """

    def tilt_of(self, tilts: Sequence[Tilt], trial: int) -> Tilt | None:
        """Tilt that a trial of `tail_trials` is drawn from; None if it is a plain one."""

    def explain(self, at: Point, key: Key, trial: int, fit: Any, signal: Signal | None = None) -> Explanation:
        """Explain a trial; `fit` is its row of `columns`, the other parameters are those of `trials`."""

    def surroundings(self, turn: F64, dec: float, ra: float, radius: float) -> Surroundings:
        """Events within a radius of a place (rad), and the likelihood there, in a sky of `scrambled` or `observed`."""

    def band_counts(self) -> Sequence[BandCounts]:
        """Events against background densities, for each season."""

    def spread(self, at: Point, gamma: float) -> SpreadCurves:
        """Return the point-spread function that the likelihood assumes for a source at a point with this spectrum."""


class FindsFlares(Protocol):
    """What an engine has that supports "flare"."""

    def flare(self, at: Point, turn: F64) -> Mapping[str, Sequence[float]]:
        """Events of the best flare of a point in the sky of `Engine.observed`, and TS along its time and width."""
