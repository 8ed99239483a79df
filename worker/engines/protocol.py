"""What an engine is: it makes trials of a spec and its data, and says what they are. Tasks call nothing else of it."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from worker.base.healpix import Rings
from worker.base.key import Key

F64 = NDArray[np.float64]


class Signal(NamedTuple):
    """What is injected besides what section ``signal`` of the spec says of every spectrum.

    Attributes
    ----------
    n_sig : float, events
        Their mean number, or their exact number if the spec says ``poisson: false``.
    gamma : float
        Spectral index, one of the spec's.
    """

    n_sig: float
    gamma: float


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
    """How trials are made, in words, for the report.

    Attributes
    ----------
    test_statistic : str
        A paragraph: what is fitted, and what TS is.
    background : str
        A main clause: what a background trial is.
    signal : str
        What is added to it, as the object of a sentence.
    bias : str
        Why fitted and injected numbers of events differ.
    """

    test_statistic: str
    background: str
    signal: str
    bias: str


class Explanation(NamedTuple):
    """One trial looked into; fits are (ts, ns, gamma).

    Attributes
    ----------
    lines : tuple of str
        For people: the events that decide the fit, and how it was found again.
    brute_force : tuple of 3 float
        The largest TS, found without the code of the fit.
    ts_at : callable
        ``ts_at(ns, gamma)``: TS at every ns of an ndarray (n,), an ndarray (n,).
    gammas : tuple of 2 float
        Range of gamma.
    max_ns : float, events
        The likelihood can be drawn up to here.
    """

    lines: tuple[str, ...]
    brute_force: tuple[float, float, float]
    ts_at: Callable[[F64, float], F64]
    gammas: tuple[float, float]
    max_ns: float


class RingScanner(Protocol):
    """Fits the pixels of healpix rings."""

    def ring(self, r: int, turn: F64, /) -> F64:
        """TS, ns and gamma of every pixel of ring r, (n_pix, 3), in the sky that `Engine.scrambled` gives."""


class SourceScanner(Protocol):
    """Fits a list of sources.

    Attributes
    ----------
    block : int
        Skies that are made at once.
    sources : Sources
        Those to be fitted; others at the same declinations may be put in their place.
    """

    block: int
    sources: Sources

    def skies(self, key: Key, first: int, count: int) -> F64:
        """TS, ns and gamma of every source in scrambled skies [first, first + count), (count, n_sources, 3)."""

    def at(self, turns: F64, out: F64) -> None:
        """The same of the skies `turns`, one per row, into `out`."""


class Engine(Protocol):
    """Makes trials; called with a spec and its data (None if only what needs no data is asked for).

    Attributes
    ----------
    identity : mapping of str to JSON values
        What decides the numbers of a trial besides data, seed and address. It enters the digest of every file, so a
        changed engine makes old files foreign. The keys data, kind, seed, signal and area are taken.
    columns : dtype
        Of trials: float64 ``ts`` and ``ns``, and other fitted parameters.
    supports : frozenset of str
        Which methods there are besides those that every engine has: "skies" (`scrambled`, `observed`, `ring_scanner`,
        `source_scanner`) and "explain".
    deterministic : 'per-trial' or 'per-file'
        How a review compares: a trial has the same bits however a file is cut, or only a whole file made again has.
    tolerance : float
        By how much TS may differ in a review if trials were made on a device, since a review makes them without one;
        0 if bits must be the same.
    block : int
        Trials that are made at once; between two blocks a task can be stopped.

    Notes
    -----
    With ``resources: {gpu: true}`` in its spec an engine may use a device. A task that must run without one, such as
    a review, gives it the spec with ``gpu: false``.
    """

    identity: Any
    columns: np.dtype[np.void]
    supports: frozenset[str]
    deterministic: Literal["per-trial", "per-file"]
    tolerance: float
    block: int

    def notes(self) -> Sequence[tuple[str, ...]]:
        """What to know of the data beside every result: sentences, for each season."""

    def prepare(self) -> None:
        """Do once for a run what each of its processes would do again, such as compile."""

    def trials(self, dec: float, key: Key, first: int, n: int, signal: Signal | None = None) -> NDArray[np.void]:
        """Trials [first, first + n) of the stream of `key`.

        Parameters
        ----------
        dec : float, rad
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

    def flux(self, dec: float, gamma: float) -> float:
        """E^2 dN/dE at the spec's `e0_tev`, in TeV / cm^2 / s, of a source that gives one expected event.

        Parameters
        ----------
        dec : float, rad

        Raises
        ------
        ValueError
            If nothing is detected from there.
        """

    def method(self) -> Method:
        """How trials are made, in words."""

    def scrambled(self, key: Key, sky: int) -> F64:
        """Sky number `sky` of the stream of `key`: a right ascension in turns for every event that is fitted."""

    def observed(self, positions: Sequence[F64]) -> F64:
        """The real sky, as `scrambled`, from measured right ascensions (rad) of all events of each season."""

    def ring_scanner(self, rings: Rings, keep: bool) -> RingScanner:
        """What fits `rings`; `keep` if there will be many skies."""

    def source_scanner(self, sources: Sources) -> SourceScanner:
        """What fits `sources`."""

    def explain(self, dec: float, key: Key, trial: int, fit: Any, signal: Signal | None = None) -> Explanation:
        """Look into a trial; `fit` is its row of `columns`, and the other parameters are those of `trials`."""
