"""Trials, skies and maps of the tasks in memory, for a notebook: `from worker import open_analysis`.

Nothing is written. Random numbers have the addresses of the tasks, so trials equal those of the files. There are no
measured right ascensions: every sky is scrambled.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker import data
from worker.base import healpix
from worker.base.errors import SpecError
from worker.data.dataset import Dataset
from worker.engines.protocol import Engine, Signal
from worker.engines.table import engine_of, require
from worker.rundir import address
from worker.rundir.ledger import open_run
from worker.spec import edges, specfile, units
from worker.spec.point import Point
from worker.spec.sections import Spec
from worker.stats.distributions import TSD
from worker.stats.pvalues import mlog10p
from worker.tasks import context

if TYPE_CHECKING:
    from matplotlib.figure import Figure

F64 = NDArray[np.float64]
Layer = Literal["mlog10p", "ts", "ns", "gamma"]


class SkyMap(NamedTuple):
    """A scanned sky.

    Attributes
    ----------
    nside : int
    mlog10p, ts, ns, gamma : ndarray (npix,)
        Healpix maps in RING order, equatorial; NaN outside the scan's declinations, mlog10p everywhere without
        background distributions.
    survival : str
        The way of its p-values, as in ``scan.survival``; empty if it has none.
    """

    nside: int
    mlog10p: F64
    ts: F64
    ns: F64
    gamma: F64
    survival: str = ""


@dataclass(frozen=True, repr=False)
class Analysis:
    """An analysis in memory; made by `open_analysis`.

    Attributes
    ----------
    spec : Spec
        With every default.
    dataset : Dataset
        Seasons with their events (declination, energy, sigma) and detector response.
    """

    spec: Spec
    dataset: Dataset
    _engine: Engine

    def __repr__(self) -> str:
        n = sum(season.events.dec.size for season in self.dataset.seasons)
        return f"Analysis({self.spec.name}: {n} events in {len(self.dataset.seasons)} seasons, {self.dataset.label})"

    def trials(
        self,
        dec_deg: float | str,
        n: int,
        n_sig: float = 0.0,
        *,
        seed: int = 0,
        first: int = 0,
        gamma: float | None = None,
    ) -> NDArray[np.void]:
        """Background trials, or signal trials with `n_sig` events: those of `worker bg_trials` and `sig_trials`.

        Parameters
        ----------
        dec_deg : float, deg
            Any declination, on the grid of the spec or not; the name of a point (text) if the spec lists its points.
        n : int
            Number of trials: [first, first + n) of the stream.
        n_sig : float, events
            Mean number of injected events (exact number if the spec has ``poisson: false``).
        seed : int
            Another seed is another, independent stream.
        first : int
            First trial.
        gamma : float, optional
            Required if the spec has several spectra.

        Returns
        -------
        ndarray (n,), structured: ts, ns, gamma

        Raises
        ------
        SpecError
            If the detector accepts nothing there, there is no background, or a fixed number of events is not whole.

        Examples
        --------
        >>> ana = open_analysis("tutorial.yaml")
        >>> ana.trials(dec_deg=5, n=3, n_sig=10).dtype.names
        ('ts', 'ns', 'gamma')
        """
        if n < 1 or not 0 <= n_sig < np.inf or seed < 0 or first < 0:
            raise SpecError(f"n={n}, n_sig={n_sig:g}, seed={seed}, first={first}: n must be > 0, the others >= 0")
        at = self._point(dec_deg)
        if n_sig == 0:
            return self._engine.trials(at, address.bg_trials(self.spec, at, seed), first, n)
        signal = Signal(n_sig, context.gamma_of(self.spec.signal, gamma))
        key = address.sig_trials(self.spec, at, n_sig, seed, signal.gamma)
        try:
            return self._engine.trials(at, key, first, n, signal)
        except ValueError as error:
            raise SpecError(f"trials at {at}, n_sig={n_sig:g}: {error}") from None

    def injected(
        self, dec_deg: float | str, n: int, n_sig: float, *, seed: int = 0, first: int = 0, gamma: float | None = None
    ) -> NDArray[np.int64]:
        """Number of injected events in each of the signal trials that `trials` gives.

        Parameters
        ----------
        dec_deg, n, n_sig, seed, first, gamma
            As of `trials`.

        Returns
        -------
        ndarray (n,)

        Raises
        ------
        SpecError
            If the engine does not tell it, or a fixed number of events is not whole.

        Examples
        --------
        >>> ana = open_analysis("tutorial.yaml")
        >>> ana.injected(dec_deg=5, n=3, n_sig=10)
        array([ 8, 12, 13])
        """
        key = address.sig_trials(
            self.spec, self._point(dec_deg), n_sig, seed, context.gamma_of(self.spec.signal, gamma)
        )
        try:
            return require(self._engine, "strata").signal_counts(key, first, n, n_sig)
        except ValueError as error:
            raise SpecError(f"n_sig={n_sig:g}: {error}") from None

    def _point(self, dec_deg: float | str) -> Point:
        """Point of a declination, with a warning if it seems to be in radians; or the point of a name."""
        if isinstance(dec_deg, str):
            return context.point(self.spec, None, dec_deg)
        if self.spec.hypothesis.lists_points:
            return context.point(self.spec, dec_deg)
        if not -90 <= dec_deg <= 90:
            raise SpecError(f"dec_deg={dec_deg:g}: a declination is between -90 and 90 degrees")
        note = None if dec_deg in self.spec.background.decs or self.spec.small_angles else units.dec_note(dec_deg)
        if note:
            warnings.warn(f"dec_deg: {note}", stacklevel=3)
        return self.spec.at(dec_deg)

    def distribution(self, dec_deg: float | str, n: int, *, seed: int = 0, first: int = 0) -> TSD:
        """TS distribution of background trials at a declination, with the fit of the spec.

        Parameters
        ----------
        dec_deg, n, seed, first
            As of `trials`.

        Returns
        -------
        TSD

        Examples
        --------
        >>> ana = open_analysis("tutorial.yaml")
        >>> ana.distribution(dec_deg=5, n=1000)
        TSD(1000 trials, eta=0.386, ndof=1.081, median=0.000 (from fit 0.000))
        """
        return TSD.from_trials(self.trials(dec_deg, n, seed=seed, first=first)["ts"], self.spec.background.fit)

    def flux(self, dec_deg: float | str, n_sig: float, gamma: float | None = None) -> float:
        """E^2 dN/dE at the spec's `e0_tev` of a source that gives `n_sig` expected events.

        Parameters
        ----------
        dec_deg : float, deg
        n_sig : float, events
        gamma : float, optional
            Required if the spec has several spectra.

        Returns
        -------
        float, TeV / cm^2 / s

        Raises
        ------
        SpecError
            If the detector accepts nothing there.

        Examples
        --------
        >>> ana = open_analysis("tutorial.yaml")
        >>> print(f"{ana.flux(dec_deg=5, n_sig=10):.2e}")
        4.35e-12
        """
        at = self._point(dec_deg)
        try:
            return n_sig * require(self._engine, "flux").flux(at, context.gamma_of(self.spec.signal, gamma))
        except ValueError as error:
            raise SpecError(f"flux at {at}: {error}") from None

    def scan(
        self,
        backgrounds: Mapping[float, TSD] | None = None,
        *,
        nside: int | None = None,
        sky: int | None = None,
        seed: int = 0,
    ) -> SkyMap:
        """Scan one sky: the one that replaces the real one, or a background sky.

        Parameters
        ----------
        backgrounds : mapping of float (deg) to TSD, optional
            Distributions that give p-values, with the method of the spec; without it there are none. Those of
            `distribution` have no tilted trials: in place of ``scan.survival: counted`` they give ``hybrid`` p-values,
            as `SkyMap.survival` says.
        nside : int, optional
            The spec's scan.nside if None.
        sky : int, optional
            Number of the background sky in the stream of `seed`, as in `worker scan_trials`; None for the scrambled
            sky that replaces the real one, as in `worker scan_map`.
        seed : int
            Another seed is another, independent stream of background skies.

        Returns
        -------
        SkyMap

        Raises
        ------
        SpecError
            If the spec scans a list of sources, or `backgrounds` do not reach over the whole scan.

        Examples
        --------
        >>> ana = open_analysis("tutorial.yaml")
        >>> sky = ana.scan(nside=4)
        >>> print(f"{sky.ts.size} pixels, the largest TS is {np.nanmax(sky.ts):.1f}")
        192 pixels, the largest TS is 5.0
        """
        of = self.spec.healpix
        nside = of.nside if nside is None else nside
        if nside < 1 or nside & (nside - 1):
            raise SpecError(f"nside={nside}: it must be a power of 2, such as {of.nside}")
        if (sky or 0) < 0 or seed < 0:
            raise SpecError(f"sky={sky}, seed={seed}: both begin at 0")
        key = address.observed(self.spec) if sky is None else address.scan_trials(self.spec, seed)
        engine = require(self._engine, "skies")
        turn = engine.scrambled(key, sky or 0)
        rings = healpix.rings_of(nside, float(np.radians(of.dec_min_deg)), float(np.radians(of.dec_max_deg)))
        survival = self.spec.scan.survival
        if backgrounds is not None:
            _refuse_beyond(sorted(backgrounds), np.degrees(rings.dec))
            if survival == "counted" and any(tsd.tilted is None for tsd in backgrounds.values()):
                survival = "hybrid"
        scanner = engine.ring_scanner(rings, keep=False)
        values = np.full((4, 12 * nside * nside), np.nan)
        for r, (dec, begin, n_pix) in enumerate(zip(rings.dec, rings.first, rings.n_pix, strict=True)):
            values[1:, begin : begin + n_pix] = scanner.ring(r, turn).T
            if backgrounds is not None:
                ts = values[1, begin : begin + n_pix]
                how = self.spec.scan.interpolation, survival
                values[0, begin : begin + n_pix] = mlog10p(backgrounds, np.full(n_pix, dec), ts, *how)
        heat, ts_map, ns, gamma = values
        return SkyMap(nside, heat, ts_map, ns, gamma, "" if backgrounds is None else survival)

    def plot(self, sky: SkyMap, layer: Layer = "mlog10p") -> "Figure":
        """Plot one layer of a scanned sky as a Mollweide map, right ascension to the left, with a label of the data.

        Parameters
        ----------
        sky : SkyMap
            As `scan` gives it.
        layer : 'mlog10p', 'ts', 'ns' or 'gamma'

        Returns
        -------
        matplotlib Figure

        Raises
        ------
        SpecError
            There is no such layer, or `sky` is not a scanned sky.

        Examples
        --------
        >>> ana = open_analysis("tutorial.yaml")
        >>> figure = ana.plot(ana.scan(nside=4), "ts")
        """
        from worker.report import skymaps

        if not isinstance(sky, SkyMap):
            raise SpecError(f"plot: found {sky!r} as the sky; write e.g. ana.plot(ana.scan(), 'ts')")
        if layer not in skymaps.NAMES:
            raise SpecError(f"layer={layer!r}: there is no such layer of a sky; layers: {', '.join(skymaps.NAMES)}")
        return skymaps.single(np.array(sky[1:5]), layer, f"{self.spec.name}: {self.dataset.label} data, scrambled sky")


def _refuse_beyond(grid: Sequence[float], decs: F64) -> None:
    """Raise SpecError before a long scan that would have pixels without a p-value; all in deg."""
    off = edges.beyond(grid, decs.tolist()) if grid else decs.tolist()
    if off:
        reach = f"reach from {grid[0]:g} to {grid[-1]:g} deg" if grid else "are empty"
        raise SpecError(
            f"backgrounds {reach}, the pixels of the scan from {decs.min():.3f} to {decs.max():.3f}: beyond them there "
            "is no p-value; add distributions at the ends, e.g. for every dec of spec.background.decs"
        )


def open_analysis(path: str | Path) -> Analysis:
    """Return the analysis of a spec, or of a run directory whose data are prepared.

    Parameters
    ----------
    path : str or Path
        A YAML file, whose data are read, or a run directory with prepared data.

    Returns
    -------
    Analysis

    Raises
    ------
    SpecError, InputError
        If the spec is wrong, or data are missing.

    Examples
    --------
    >>> open_analysis("tutorial.yaml")
    Analysis(tutorial: 30000 events in 1 seasons, synthetic)
    """
    if Path(path).is_dir():
        run = open_run(path)
        return Analysis(run.spec, context.dataset_of(run), context.engine(run))
    spec = specfile.load(path)
    dataset, folder = data.read(spec), Path(getattr(spec.engine, "folder", "") or "")
    return Analysis(spec, dataset, engine_of(context.without_device(spec), dataset, folder))
