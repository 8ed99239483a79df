"""Protocol version 1: what a plug-in must have, and what its calls must return. docs/plugins.md describes it."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from worker.engines.plugin.calls import ContractError

PROTOCOL = 1
DETERMINISTIC = ("per-trial", "per-file", "no")
OPTIONAL = ("flux", "prepare", "explain", "method", "skies", "observed")
BLOCK = 100
LONGEST_NAME = 64


class Facts(NamedTuple):
    """What a plug-in says of itself.

    Attributes
    ----------
    columns : dtype
        Of a trial; ``ts`` is the first.
    deterministic : str
        per-trial, per-file or no.
    reads : tuple of str
        Keys of a point that it uses, besides n_sig.
    block : int
        Trials of one call.
    identity : mapping
        JSON values: versions and digests of what decides its numbers.
    offers : tuple of str
        Its optional methods.
    method : str
        Its paragraph of the report.
    """

    columns: np.dtype[np.void]
    deterministic: Literal["per-trial", "per-file", "no"]
    reads: tuple[str, ...]
    block: int
    identity: Mapping[str, Any]
    offers: tuple[str, ...]
    method: str

    def as_json(self) -> dict[str, Any]:
        """Plain data, for RUN/prepared/engine.json."""
        return {**self._asdict(), "columns": self.columns.descr}


def facts_of_json(raw: Mapping[str, Any]) -> Facts:
    """Inverse of `Facts.as_json`; ValueError, KeyError or TypeError if it is not that."""
    columns = np.dtype([(str(name), str(kind)) for name, kind in raw["columns"]])
    if raw["deterministic"] not in DETERMINISTIC:
        raise ValueError(f"deterministic is {raw['deterministic']!r}")
    texts = {key: tuple(map(str, raw[key])) for key in ("reads", "offers")}
    return Facts(columns, raw["deterministic"], identity=dict(raw["identity"]), block=int(raw["block"]),
                 method=str(raw["method"]), **texts)  # fmt: skip


def attribute_faults(plugin: Any) -> Iterator[str]:
    """Yield a sentence for everything that the object of a plug-in lacks, or has in the wrong form."""
    protocol = getattr(plugin, "protocol", None)
    if protocol != PROTOCOL or isinstance(protocol, bool):
        yield f"protocol is {protocol!r}; this program speaks version {PROTOCOL}: write protocol = {PROTOCOL}"
    yield from _column_faults(getattr(plugin, "columns", None))
    told = getattr(plugin, "deterministic", None)
    if told not in DETERMINISTIC:
        yield f"deterministic is {told!r}; must be one of {', '.join(map(repr, DETERMINISTIC))}"
    reads = getattr(plugin, "reads", None)
    if not isinstance(reads, (tuple, list)) or not all(isinstance(key, str) for key in reads):
        yield f"reads is {reads!r}; must be the keys of a point that it uses, such as reads = ('dec_deg',)"
    block = getattr(plugin, "block", BLOCK)
    if not isinstance(block, int) or isinstance(block, bool) or block < 1:
        yield f"block is {block!r}; must be a number of trials, at least 1"
    for name in ("identity", "trials"):
        if not callable(getattr(plugin, name, None)):
            yield f"there is no method {name}"
    for name in OPTIONAL:
        if hasattr(plugin, name) and not callable(getattr(plugin, name)):
            yield f"{name} is {type(getattr(plugin, name)).__name__}, not a method"


def dtype_of(columns: Any) -> np.dtype[np.void] | None:
    """Return the type of a trial from a dtype or from (name, type) pairs; None if it is neither."""
    try:
        kind: Any = list(columns) if isinstance(columns, tuple) else columns
        return None if kind is None else np.dtype(kind)
    except (TypeError, ValueError):
        return None


def _column_faults(columns: Any) -> Iterator[str]:
    dtype = dtype_of(columns)
    if dtype is None or not dtype.names:
        yield f"columns is {columns!r}; must be the type of a trial, such as columns = [('ts', '<f8'), ('ns', '<f8')]"
        return
    if dtype.names[0] != "ts":
        yield f"columns begin with {dtype.names[0]!r}; the first must be 'ts'"
    for name in dtype.names:
        kind = dtype[name].str
        if kind not in ("<f8", "<f4", "<i8", "<i4") or (name == "ts" and kind != "<f8"):
            yield f"column {name!r} is {kind}; must be a number: '<f8' (ts: always), '<f4', '<i8' or '<i4'"
        if not name.isidentifier() or len(name) > LONGEST_NAME:
            yield f"column {name!r}: must be a word of letters, digits and _"


def identity_fault(identity: Any) -> str:
    """Why an identity cannot enter digests; empty if it can."""
    if not isinstance(identity, Mapping) or not identity:
        return f"identity() returned {identity!r}; must be versions and digests by name, such as {{'toy': '1'}}"
    try:
        json.dumps(identity, allow_nan=False)
    except (TypeError, ValueError) as error:
        return f"identity() is no plain data ({error}): use texts and numbers"
    return ""


def checked_rows(
    rows: Any, columns: np.dtype[np.void], shape: tuple[int, ...], who: str, method: str = "trials"
) -> NDArray[np.void]:
    """Return the fits that a plug-in returned: an array of `shape`.

    Raises
    ------
    ContractError
        They are not of this shape or not of `columns`, or have a TS that is negative or not finite.
    """
    fault = _rows_fault(rows, columns, shape, method)
    if fault:
        raise ContractError(f"{who}: {fault}")
    return np.ascontiguousarray(rows)


def _rows_fault(rows: Any, columns: np.dtype[np.void], shape: tuple[int, ...], method: str) -> str:
    if not isinstance(rows, np.ndarray):
        return f"{method}() returned {type(rows).__name__}; must be an array of its columns {columns.descr}"
    if rows.dtype != columns:
        return f"{method}() returned an array of {rows.dtype.descr}; its columns are {columns.descr}"
    if rows.shape != shape:
        order = {1: "a row for each", 2: "a row for each key and a column for each point"}[len(shape)]
        return f"{method}() returned the shape {rows.shape}; must be {shape}: {order}, in the order given"
    for name in columns.names or ():
        bad = np.argwhere(~np.isfinite(rows[name]))
        if len(bad):
            value = rows[name][tuple(bad[0])]
            return f"{_entry(bad[0], shape, method)} has {name} = {value}; all values must be finite numbers"
    negative = np.argwhere(rows["ts"] < 0)
    if len(negative):
        text = f"{_entry(negative[0], shape, method)} has ts = {rows['ts'][tuple(negative[0])]:g}; "
        return f"{text}a test statistic is 0 or more: an underfluctuation counts as 0"
    return ""


def _entry(index: NDArray[np.int64], shape: tuple[int, ...], method: str) -> str:
    """``trial 3 of 100``, ``point 0 of 2`` or ``sky 3 of 100, point 0 of 2``."""
    names = {"trials": ("trial",), "observed": ("point",)}.get(method, ("sky", "point"))
    return ", ".join(f"{name} {i} of {n}" for name, i, n in zip(names, index, shape, strict=True))


def checked_flux(flux: Any, who: str) -> float:
    """Return a flux; ContractError if it is not a positive number."""
    try:
        value = float(flux)
    except (TypeError, ValueError):
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise ContractError(f"{who}: flux() returned {flux!r}; must be a positive number, E^2 dN/dE in TeV / cm^2 / s")
    return value
