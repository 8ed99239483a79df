"""A plug-in as an `Engine`: made of its section in the spec; it gets keys and points, and its answers are checked."""

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from worker.base import reading, rng
from worker.base.errors import SpecError
from worker.base.key import Key
from worker.data.dataset import Dataset
from worker.engines.plugin import calls, contract, loading
from worker.engines.plugin.calls import CannotError, ContractError, PluginError
from worker.engines.plugin.contract import Facts
from worker.engines.protocol import Method, Signal
from worker.spec.engine import PluginEngine
from worker.spec.point import Point
from worker.spec.sections import Spec
from worker.spec.trial_sections import Signal as Injected

F64 = NDArray[np.float64]

WHOLE_FILE = 1 << 62
"""Trials of a call, if a file must be made at once."""


class Described:
    """What is known of a plug-in without its code, from `Facts`: enough for all tasks that make no trial."""

    tolerance = 0.0

    def __init__(self, spec: Spec, facts: Facts) -> None:
        self.facts, self._label = facts, plugin_section(spec).label
        self.columns, self.deterministic = facts.columns, facts.deterministic
        self.supports = frozenset({"flux"} & {*facts.offers}) | ({"point_skies"} if "skies" in facts.offers else set())
        self.block = facts.block if facts.deterministic == "per-trial" else WHOLE_FILE
        own = facts.as_json()
        of_digest = {key: own[key] for key in ("columns", "deterministic", "identity")}
        self.identity: dict[str, Any] = {"engine": {"protocol": contract.PROTOCOL, **of_digest}}

    def method(self) -> Method:
        """The plug-in's own paragraph, and what is true of every plug-in."""
        own = self.facts.method or "How they are made, and what TS is, its authors describe."
        return Method(
            f"Trials are made by the plug-in {self._label}. {own} {self.blindness()}",
            "Background trials are those of the plug-in without signal",
            "the signal that the plug-in injects, of strength n_sig",
            "What remains is a property of the plug-in.",
        )

    def blindness(self) -> str:
        """The sentence about blindness, for reports and certificates."""
        return (
            f"The blindness of this engine is its own: {self._label} reads its data itself, and dagmaker cannot see "
            "whether it looks at the real sky."
        )


class Plugin(Described):
    """A plug-in that is loaded; see `worker.engines.protocol.Engine`.

    Parameters
    ----------
    dataset : Dataset or None
        Not handed on: a plug-in has its own data.
    folder : Path
        Its inputs, and what its `prepare` wrote.

    Raises
    ------
    SpecError
        It cannot be loaded, or breaks the protocol; all faults at once.
    PluginError
        It raised an error.
    """

    def __init__(self, spec: Spec, dataset: Dataset | None, folder: Path) -> None:
        self.spec, self._section, self._folder = spec, plugin_section(spec), folder
        self._n_seasons = 0 if dataset is None else len(dataset.seasons)
        self._plugin, facts = _made(self._section, folder)
        super().__init__(spec, facts)

    def notes(self) -> list[tuple[str, ...]]:
        """None: the data are those of the plug-in."""
        return [()] * self._n_seasons

    def prepare(self) -> dict[str, NDArray[Any]]:
        """Let the plug-in write into its folder what all processes share, but not into its inputs."""
        if "prepare" not in self.facts.offers:
            return {}
        try:
            self._call("prepare", self._plugin.prepare, self._folder)
        except CannotError as error:  # what the options name
            raise ContractError(str(error)) from None
        for name in self._section.inputs:
            path = self._folder / name
            if not path.is_file() or reading.sha256(path) != self._section.sha256[name]:
                text = f"prepare changed the input {name}; let it write into files of other names"
                raise ContractError(f"the plug-in {self._label}, {text}")
        return {}

    def trials(self, at: Point, key: Key, first: int, n: int, signal: Signal | None = None) -> NDArray[np.void]:
        """Trials [first, first + n) of the stream of `key`; ValueError if this signal cannot be injected."""
        return self.rows(at, signal, rng.trial_keys(key, first, n))

    def rows(self, at: Point, signal: Signal | None, keys: NDArray[np.uint64]) -> NDArray[np.void]:
        """One trial for each key.

        Raises
        ------
        PluginError, ContractError
            The plug-in raised an error, or what it returned breaks the protocol.
        CannotError
            It cannot inject this signal.
        """
        point = point_of(self.spec.signal, at.labels, signal)
        where = f"trials at {point_text(point)}"
        given = keys.copy()
        given.flags.writeable = False
        try:
            rows = self._call(where, self._plugin.trials, point, given)
        except CannotError as error:
            if signal is None:
                raise PluginError(f"{error} (its traceback is above)") from None
            raise
        return contract.checked_rows(rows, self.columns, keys.shape, f"the plug-in {self._label}, {where}")

    def flux(self, at: Point, gamma: float) -> float:
        """E^2 dN/dE at the spec's `e0_tev`, in TeV / cm^2 / s, of a source that gives one expected event."""
        point = point_of(self.spec.signal, at.labels, Signal(1.0, gamma))
        point["e0_tev"] = self.spec.sensitivity.e0_tev
        where = f"flux at {point_text(point)}"
        flux = self._call(where, self._plugin.flux, point, 1.0)
        return contract.checked_flux(flux, f"the plug-in {self._label}, {where}")

    def point_scanner(self, points: Sequence[Point]) -> "PointFits":
        """Return what fits points in the same skies."""
        return PointFits(self, points)

    def sky_rows(self, points: Sequence[Point], keys: NDArray[np.uint64]) -> NDArray[np.void]:
        """One background sky for each key, (len(keys), n_points); errors as of `rows`."""
        given, where = keys.copy(), f"skies of {len(points)} points"
        given.flags.writeable = False
        try:
            rows = self._call(where, self._plugin.skies, self._told(points), given)
        except CannotError as error:
            raise PluginError(f"{error} (its traceback is above)") from None
        shape = len(keys), len(points)
        return contract.checked_rows(rows, self.columns, shape, f"the plug-in {self._label}, {where}", "skies")

    def open_real_sky(self, points: Sequence[Point], token: str) -> NDArray[np.void]:
        """Fits of points in the real sky, (n_points,); called by unblinding alone.

        Raises
        ------
        SpecError
            The plug-in has no `observed`: it cannot open its sky.
        """
        if "observed" not in self.facts.offers:
            text = "it has no method observed(points, token), so its real sky cannot be opened here: add it, or follow "
            raise SpecError(f"the plug-in {self._label}: {text}the plug-in's own procedure")
        where = f"the real sky of {len(points)} points"
        try:
            rows = self._call(where, self._plugin.observed, self._told(points), token)
        except CannotError as error:  # a token that it does not accept
            raise ContractError(str(error)) from None
        return contract.checked_rows(
            rows, self.columns, (len(points),), f"the plug-in {self._label}, {where}", "observed"
        )

    def _told(self, points: Sequence[Point]) -> list[dict[str, Any]]:
        return [point_of(self.spec.signal, at.labels, None) for at in points]

    def lines(self, at: Point, key: Key, trial: int, signal: Signal | None) -> list[str]:
        """What the plug-in says of one trial; nothing if it has no `explain`."""
        if "explain" not in self.facts.offers:
            return []
        point, keys = point_of(self.spec.signal, at.labels, signal), rng.trial_keys(key, trial, 1)
        said = self._call(f"explain at {point_text(point)}", self._plugin.explain, point, int(keys[0]))
        return [str(said)] if isinstance(said, str) else [str(line) for line in said]

    def _call(self, where: str, function: Callable[..., Any], *args: Any) -> Any:
        return calls.call(self._label, where, self._section.limit_minutes, function, *args)

    def _not_offered(self, *args: Any, **named: Any) -> Any:
        raise NotImplementedError("`supports` says what a plug-in has: trials, and flux")

    scrambled = observed = ring_scanner = source_scanner = patches = explain = tilts = _not_offered
    source_shares = source_parts = tail_trials = signal_counts = band_counts = spread = tilt_of = _not_offered
    surroundings = _not_offered
    tail_columns: np.dtype[np.void]
    tail_version: int
    patches_version: int


class PointFits:
    """Fits of points in the same skies by a plug-in; see `worker.engines.protocol.PointScanner`."""

    def __init__(self, engine: Plugin, points: Sequence[Point]) -> None:
        self._engine, self._points = engine, tuple(points)

    @property
    def block(self) -> int:
        """Skies per block."""
        return self._engine.block

    def skies(self, key: Key, first: int, count: int) -> NDArray[np.void]:
        """Fits of every point in background skies [first, first + count), (count, n_points)."""
        return self._engine.sky_rows(self._points, rng.trial_keys(key, first, count))

    def at(self, turns: F64) -> NDArray[np.void]:
        """Fits in the real sky, which is one row of `turns`: the token of its unblinding."""
        [sky] = turns
        return self._engine.open_real_sky(self._points, bytes(sky.astype(np.uint8)).decode())[None, :]


def token_as_sky(token: str) -> F64:
    """The real sky of a plug-in, of which nothing is known but who may see it: the letters of a token as numbers."""
    return np.frombuffer(token.encode(), np.uint8).astype(np.float64)


def plugin_section(spec: Spec) -> PluginEngine:
    """Return the section of a plug-in."""
    assert isinstance(spec.engine, PluginEngine)
    return spec.engine


def point_of(section: Injected, labels: Mapping[str, Any], signal: Signal | None) -> dict[str, Any]:
    """Return what a plug-in is told of a point: its labels, the strength (0: background) and the spectrum."""
    return {
        **labels,
        "n_sig": 0.0 if signal is None else float(signal.n_sig),
        "poisson": section.draws_poisson,
        "gamma": float(section.gammas[0] if signal is None else signal.gamma),
        "cutoff_tev": section.cutoff_tev,
        "break_at": None if section.break_at is None else section.break_at.model_dump(),
        "extension_deg": section.extension_deg,
    }


def point_text(point: dict[str, Any]) -> str:
    """``dec_deg = 5, n_sig = 10, gamma = 2``: labels, strength and spectrum."""
    usual = ("poisson", "cutoff_tev", "break_at", "extension_deg", "e0_tev")
    shown = {key: value for key, value in point.items() if key not in usual}
    return ", ".join(
        f"{key} = {value:g}" if isinstance(value, float) else f"{key} = {value}" for key, value in shown.items()
    )


def unread(spec: Spec, reads: Sequence[str]) -> list[tuple[str, str]]:
    """Return key and sentence of everything in the spec that a plug-in would not read."""
    signal, usual, label = spec.signal, Injected.model_fields, plugin_section(spec).label
    keys = [
        key
        for key in ("gamma", "cutoff_tev", "break_at", "extension_deg", "poisson")
        if key not in reads and getattr(signal, key) != usual[key].default
    ]
    if signal.strata and "poisson" not in reads:  # strata inject exact numbers
        keys.append("strata")
    why = f"the plug-in {label} does not read it (it reads: {', '.join(reads) or 'nothing'}): leave it out"
    of_strata = f"strata need exact numbers of events, and the plug-in {label} does not read poisson: leave strata out"
    return [(f"signal.{k}", f"found {getattr(signal, k)}; {of_strata if k == 'strata' else why}") for k in keys]


@lru_cache(maxsize=2)
def _made(section: PluginEngine, folder: Path) -> tuple[Any, Facts]:
    """Return the object of a plug-in, and what it says of itself; kept between the tasks of a process."""
    cls = loading.plugin_class(section, folder)
    label, limit = section.label, section.limit_minutes
    try:
        plugin = calls.call(label, "when it is made", limit, cls, copy.deepcopy(section.options), folder)
        faults = list(contract.attribute_faults(plugin))
        identity = calls.call(label, "identity", limit, plugin.identity) if not faults else {}
        if not faults and (fault := contract.identity_fault(identity)):
            faults.append(fault)
        has_method = not faults and hasattr(plugin, "method")
        method = calls.call(label, "method", limit, plugin.method) if has_method else ""
    except CannotError as error:  # options that the plug-in refuses
        raise ContractError(str(error)) from None
    if faults:
        raise ContractError("\n".join(f"the plug-in {label}: {fault}" for fault in faults))
    own = {"files": dict(loading.digests(section, cls)), "class": cls.__name__, "options": section.options}
    told: Literal["per-trial", "per-file", "no"] = plugin.deterministic
    return plugin, Facts(
        columns=contract.dtype_of(plugin.columns) or np.dtype([]),
        deterministic=told,
        reads=tuple(plugin.reads),
        block=int(getattr(plugin, "block", contract.BLOCK)),
        identity=json.loads(json.dumps({**own, "plugin": dict(identity)}, sort_keys=True)),
        offers=tuple(name for name in contract.OPTIONAL if hasattr(plugin, name)),
        method=str(method),
    )
